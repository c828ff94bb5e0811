//! What other programs wrote when `tests/interop` ran against them, read again without them. Each folder under
//! `tests/vectors/recorded` has the keys, the messages and `cases.tsv`, which says what became of them.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]

mod support;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::*;
use bytes::Bytes;
use support::{envelope, parse, vectors};

/// One line of `cases.tsv`; `-` stands for nothing.
struct Case {
    folder: &'static str,
    name: String,
    /// accepted or refused; of a receipt positive, negative or mic-missing.
    verdict: String,
    layers: String,
    payload: String,
    mic_algorithm: String,
    mic: String,
    message_id: String,
    disposition: String,
    /// Whose certificate verifies.
    signer: String,
    /// What the agreement takes besides the defaults; of a receipt, whether it was to be signed.
    terms: String,
}

fn cases(folder: &'static str) -> Vec<Case> {
    let table = String::from_utf8(read(folder, "cases.tsv").to_vec()).unwrap();
    let case = |line: &str| {
        let cells: Vec<_> = line.split('\t').map(str::to_owned).collect();
        let [name, verdict, layers, payload, mic_algorithm, mic, message_id, disposition, signer, terms] =
            cells.try_into().unwrap_or_else(|cells| panic!("{folder}: {cells:?}"));
        Case { folder, name, verdict, layers, payload, mic_algorithm, mic, message_id, disposition, signer, terms }
    };
    table.lines().map(case).collect()
}

fn read(folder: &str, name: &str) -> Bytes {
    let path = vectors("recorded").join(folder).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

impl Case {
    fn octets(&self) -> Bytes {
        read(self.folder, &format!("{}.http", self.name))
    }

    fn document(&self) -> Bytes {
        read(self.folder, &format!("{}.payload", self.payload))
    }

    /// What was handed out: of a text, libas2 does not sign the last line end (B2-20).
    fn delivered(&self) -> Bytes {
        let document = self.document();
        if self.folder == "libas2" && self.name == "signed-quoted-printable" {
            return document.strip_suffix(b"\r\n").unwrap().to_vec().into();
        }
        document
    }

    fn is_receipt(&self) -> bool {
        self.octets().starts_with(b"HTTP/1.1")
    }

    fn certificate(&self, name: &str) -> Certificate {
        Certificate::from_pem(&read(self.folder, &format!("keys/{name}.crt.pem"))).unwrap()
    }

    /// Our name among the keys of the folder.
    fn own(&self) -> &'static str {
        if self.folder == "bcjmail" { "us" } else { "left" }
    }

    fn identity(&self) -> Identity {
        let pem = read(self.folder, &format!("keys/{}.key.pem", self.own()));
        let key = Arc::new(RsaPrivateKey::from_pkcs8_pem(&pem).unwrap());
        let certificate = self.certificate(self.own());
        let identity = Identity::builder(CryptoProvider::rustcrypto());
        identity.signing(vec![certificate.clone()], key.clone()).decrypting(certificate, key).build().unwrap()
    }

    fn profile(&self) -> PartnerProfile {
        let url = "https://right.example/as2".parse().unwrap();
        let mut profile = PartnerProfile::new("LEFT-AS2".parse().unwrap(), "RIGHT-AS2".parse().unwrap(), url);
        profile.accept.signature = Requirement::Allow;
        profile.accept.gcm_in_enveloped_data = self.terms.contains("gcm-in-enveloped-data");
        if cfg!(feature = "legacy") {
            profile.accept.ciphers = CipherAlgorithm::ALL.to_vec();
        }
        profile.send.encrypt = None;
        profile
    }

    fn partner(&self, profile: PartnerProfile) -> Partner {
        let partner = Partner::builder(profile, CryptoProvider::rustcrypto());
        partner.verify_with(self.certificate(&self.signer)).build().unwrap()
    }

    /// A day after the keys were made.
    fn now(&self) -> SystemTime {
        self.certificate(self.own()).not_before() + Duration::from_secs(86_400)
    }

    /// Opens a recorded request, and compares everything that the run of that day has seen.
    fn check_request(&self) {
        let request = read_request(&self.octets(), &Limits::default()).unwrap();
        let partner = self.partner(self.profile());
        match envelope(request).open(&self.identity(), Some(&partner), self.now()) {
            Ok(accepted) => {
                let layers: Vec<_> = accepted.layers().iter().map(layer).collect();
                assert_eq!(
                    ("accepted", layers.join(",")),
                    (self.verdict.as_str(), none(&self.layers)),
                    "{}",
                    self.name
                );
                assert_eq!(accepted.payload().body(), &self.delivered(), "{}", self.name);
                let mic = accepted.mic();
                let expected = (self.mic_algorithm.as_str(), self.mic.clone());
                assert_eq!((mic.algorithm().name(), mic.to_base64()), expected, "{}", self.name);
                assert_eq!(accepted.stored().disposition().to_string(), self.disposition, "{}", self.name);
            }
            Err(refused) => {
                assert_eq!(self.verdict, "refused", "{}: {}", self.name, refused.error());
                assert_eq!(refused.mdn().disposition().to_string(), self.disposition, "{}", self.name);
            }
        }
    }

    /// What we waited for: no message of that day is kept, so identifier and MIC are put into the stored form.
    fn pending(&self) -> PendingReceipt {
        let mut profile = self.profile();
        profile.send.sign = self.layers.contains("signed").then_some(DigestAlgorithm::Sha256);
        let signed = self.terms == "signed";
        profile.send.receipt.kind = if signed { ReceiptKind::Signed } else { ReceiptKind::Unsigned };
        profile.send.receipt.micalgs = vec![DigestAlgorithm::from_micalg(&self.mic_algorithm).unwrap()];
        let (identity, partner) = (self.identity(), self.partner(profile));
        let builder = MessageBuilder::new(&identity, &partner);
        let id = format!("<{}>", self.message_id).parse().unwrap();
        let sent = builder.message_id(id).build(Payload::x12(self.document()), self.now()).unwrap();
        let mut json = serde_json::to_value(&sent.pending).unwrap();
        json["mics"] = serde_json::json!([{ "algorithm": self.mic_algorithm, "digest": self.mic }]);
        serde_json::from_value(json).unwrap()
    }

    fn check_receipt(&self) {
        let response = read_response(&self.octets(), &Limits::default()).unwrap();
        let partner = self.partner(self.profile());
        let SendOutcome::Settled(outcome) = self.pending().on_response(Ok(&response), &partner, self.now()) else {
            panic!("{}: not settled", self.name)
        };
        let verdict = match &*outcome {
            Outcome::Deliver(_) => "positive",
            Outcome::Refuse(..) => "negative",
            Outcome::Dispute(Dispute::MicMissing, _) => "mic-missing",
            other => panic!("{}: {other:?}", self.name),
        };
        assert_eq!(verdict, self.verdict, "{}", self.name);
        let evidence = outcome.evidence().unwrap();
        assert_eq!(evidence.signer().is_some(), self.terms == "signed", "{}", self.name);
        assert_eq!(evidence.receipt().disposition().unwrap().to_string(), self.disposition, "{}", self.name);
    }
}

fn layer(layer: &Layer) -> &'static str {
    match layer {
        Layer::Signed(_) => "signed",
        Layer::Encrypted(..) => "encrypted",
        Layer::Compressed => "compressed",
        other => panic!("{other}"),
    }
}

fn none(cell: &str) -> String {
    if cell == "-" { String::new() } else { cell.to_owned() }
}

/// All cases of a folder, but for those that need a feature which is not there.
fn check(folder: &'static str, at_least: usize) {
    let cases = cases(folder);
    assert!(cases.len() >= at_least, "{folder} has only {} cases", cases.len());
    for case in &cases {
        if case.name.contains("3des") && !cfg!(feature = "legacy") {
            continue;
        }
        if case.is_receipt() { case.check_receipt() } else { case.check_request() }
    }
}

#[test]
fn messages_and_receipts_of_libas2_mean_what_they_meant() {
    check("libas2", 14);
}

#[test]
fn messages_of_bcjmail_mean_what_they_meant() {
    check("bcjmail", 17);
}

/// Nothing but the named octet keeps a changed message from being taken.
#[test]
fn the_changed_message_of_bcjmail_is_good_when_its_octet_is_put_back() {
    let all = cases("bcjmail");
    let case = all.iter().find(|case| case.name == "signed-changed").unwrap();
    let octets = String::from_utf8(case.octets().to_vec()).unwrap();
    let restored = Bytes::from(octets.replacen("LIN+8++", "LIN+7++", 1));
    let request = read_request(&restored, &Limits::default()).unwrap();
    let accepted = envelope(request).open(&case.identity(), Some(&case.partner(case.profile())), case.now()).unwrap();
    assert_eq!(accepted.payload().body(), &case.document());
}

#[test]
fn receipts_are_told_from_messages() {
    for case in cases("libas2").into_iter().filter(Case::is_receipt) {
        let response = read_response(&case.octets(), &Limits::default()).unwrap();
        let mut request = http::Request::post("/as2").body(response.body().clone()).unwrap();
        *request.headers_mut() = response.headers().clone();
        assert!(matches!(parse(request), Inbound::Mdn(_)), "{}", case.name);
    }
}
