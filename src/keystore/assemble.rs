//! Puts keys and certificates together.

use std::collections::BTreeSet;

use super::collect::{Found, Item};
use super::private_key::PrivateKey;
use super::{CertificateEntry, KeyEntry, KeyStore};
use crate::certificate::Certificate;

/// Certificates of one chain; what is longer is cut off.
const MAX_CHAIN: usize = 16;

pub(super) fn store(found: Found) -> KeyStore {
    let Found { keys, certificates } = found;
    let (mut entries, mut used) = (Vec::with_capacity(keys.len()), BTreeSet::new());
    for key in keys {
        let leaf = leaf(&key, &certificates);
        let chain = leaf.map(|leaf| chain(leaf, &certificates)).unwrap_or_default();
        let alias = key.alias.or_else(|| certificates.get(leaf?)?.alias.clone());
        used.extend(chain.iter().copied());
        let chain = chain.iter().filter_map(|at| certificates.get(*at)).map(|item| item.value.clone()).collect();
        entries.push(KeyEntry { alias, chain, key: key.value });
    }
    let rest = certificates.into_iter().enumerate().filter(|(at, _)| !used.contains(at));
    let certificates = rest.map(|(_, item)| CertificateEntry { alias: item.alias, certificate: item.value }).collect();
    KeyStore { entries, certificates }
}

/// The certificate of a key: of those with its public key the one with its localKeyID, or else the first.
fn leaf(key: &Item<PrivateKey>, certificates: &[Item<Certificate>]) -> Option<usize> {
    let same_id = |item: &Item<Certificate>| key.id.is_some() && item.id == key.id;
    let fitting = || certificates.iter().enumerate().filter(|(_, item)| key.value.belongs_to(&item.value));
    let of_unknown_key = || {
        let mut named = certificates.iter().enumerate().filter(|(_, item)| same_id(item));
        named.next().filter(|_| key.value.public_key().is_none())
    };
    fitting().find(|(_, item)| same_id(item)).or_else(|| fitting().next()).or_else(of_unknown_key).map(|(at, _)| at)
}

/// From a leaf to its issuers, as far as they are there. Of several with the same name the one valid longest is taken.
fn chain(leaf: usize, certificates: &[Item<Certificate>]) -> Vec<usize> {
    let mut chain = vec![leaf];
    let mut last = leaf;
    while chain.len() < MAX_CHAIN {
        let Some(below) = certificates.get(last).map(|item| &item.value) else { break };
        if below.issuer_der() == below.subject_der() {
            break;
        }
        let issuers = certificates
            .iter()
            .enumerate()
            .filter(|(at, item)| item.value.subject_der() == below.issuer_der() && !chain.contains(at));
        let Some((next, _)) = issuers.max_by_key(|(_, item)| item.value.not_after()) else { break };
        chain.push(next);
        last = next;
    }
    chain
}
