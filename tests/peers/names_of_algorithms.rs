//! Spellings of digests, and identifiers of signatures and ciphers.

use super::dissect::*;
use super::made::*;
use super::refusal::Case;
use super::support::*;
use super::*;

fn signed_type(micalg: &str) -> String {
    format!("multipart/signed; protocol=\"application/pkcs7-signature\"; micalg={micalg}; boundary=b")
}

fn message(micalg: &str, signer: &Signer) -> Case {
    let part = entity(EDI_HEAD, EDI);
    Case::new(&signed_type(micalg), &signed_body(&part, &signer.sign(&part)))
}

/// Old Seeburger refuses the hyphen, mendelson never writes it.
#[test]
fn a1_22_both_generations_of_names_are_read_and_written() {
    for micalg in ["sha-256", "sha256"] {
        assert_eq!(message(micalg, &Signer::java("alice-sign")).accepted().notes(), [], "{micalg}");
    }
    for (names, micalg) in [(MicalgNames::Rfc5751, "sha-256"), (MicalgNames::Rfc3851, "sha256")] {
        let sent = signed_only(|terms| terms.quirks.micalg_names = names);
        assert_eq!(parameter(sent.request.header("content-type").unwrap(), "micalg"), micalg);
        assert!(sent.request.header("disposition-notification-options").unwrap().ends_with(micalg));
    }
}

/// OpenAS2 3.9 and others; Azure Logic Apps has a setting with four spellings.
#[test]
fn a1_23_other_spellings_are_read_and_echoed() {
    let digests = [
        (DigestAlgorithm::Sha256, "sha256 SHA256 Sha-256 SHA2-256 sha2_256 SHA2_256 rsa-sha256 sha2"),
        (DigestAlgorithm::Sha512, "SHA512 sha2-512 sha2_512 rsa-sha512"),
        (DigestAlgorithm::Sha1, "SHA1 sha-1 rsa-sha1"),
    ];
    for (algorithm, spellings) in digests {
        for spelling in spellings.split(' ') {
            let options =
                format!("signed-receipt-protocol=optional, pkcs7-signature; signed-receipt-micalg={spelling}");
            let case = Case::new("application/EDI-X12", EDI).options(&options);
            let reply = case.accepted().stored().build(now());
            let receipt = receipt_in(&reply.response.to_response());
            let Some(MicField::Mic(received)) = receipt.mic() else { panic!("{spelling}") };
            assert_eq!((received.to_base64(), &*received.algorithm), (mic_with(algorithm, EDI), spelling));
        }
    }
    // SHA-3 is not SHA-2: who requires it gets a failure, who wishes it another digest.
    let options = |importance| {
        format!("signed-receipt-protocol={importance}, pkcs7-signature; signed-receipt-micalg={importance}, sha3-512")
    };
    let case = |importance| Case::new("application/EDI-X12", EDI).options(&options(importance));
    assert_eq!(case("optional").accepted().mic().algorithm(), DigestAlgorithm::Sha256);
    assert_eq!(case("required").open_sync().unwrap_err().error().code(), "RECEIPT_MIC_ALGORITHMS");
}

#[test]
fn a1_24_micalg_decides_nothing() {
    for micalg in ["\"sha-256\"", "SHA256", "\"SHA-256\""] {
        assert_eq!(message(micalg, &Signer::java("alice-sign")).accepted().notes(), [], "{micalg}");
    }
    for micalg in ["sha1", "md5", "unknown", "\"\""] {
        let accepted = message(micalg, &Signer::java("alice-sign")).accepted();
        assert!(matches!(accepted.notes(), [Note::Micalg { .. }]), "{micalg}: {:?}", accepted.notes());
        assert_eq!(accepted.layers(), [Layer::Signed(DigestAlgorithm::Sha256)]);
    }
}

/// mendelson and OpenAS2 write the combined identifier, pyas2lib, Sterling and OpenSSL rsaEncryption.
#[test]
fn a1_25_identifiers_of_signatures_are_read_in_all_combinations() {
    for digest in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512] {
        for (combined, null, attributes) in (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)) {
            let signer = Signer { digest, combined, null, attributes, ..Signer::java("alice-sign") };
            let accepted = message(digest.name(), &signer).accepted();
            assert_eq!(accepted.notes(), [], "{digest} {combined} {null} {attributes}");
        }
    }
}

/// Defaults of mendelson, as2-lib and OpenAS2's samples to this day.
#[test]
fn a1_26_weak_signatures_are_read_by_agreement_only() {
    let signer = Signer { digest: DigestAlgorithm::Sha1, ..Signer::java("alice-sign") };
    let case = message("sha1", &signer);
    assert_eq!(case.open_sync().unwrap_err().error().code(), "ALGORITHM_FORBIDDEN");
    let agreed = case.accepting(|accept| accept.digests.push(DigestAlgorithm::Sha1));
    assert_eq!(agreed.accepted().layers(), [Layer::Signed(DigestAlgorithm::Sha1)]);
}

/// OpenAS2 calls it `aes128`, as2-lib `aes128-cbc`; BouncyCastle peers put GCM into EnvelopedData.
#[test]
fn a1_27_one_name_for_each_cipher_in_profiles() {
    for cipher in [CipherAlgorithm::Aes128Cbc, CipherAlgorithm::Aes256Cbc, CipherAlgorithm::Aes256Gcm] {
        let mut terms = profile(ALICE, BOB);
        terms.send.encrypt = Some(cipher);
        let text = toml::to_string(&terms).unwrap();
        assert!(text.contains(&format!("encrypt = \"{cipher}\"")), "{text}");
        assert_eq!(toml::from_str::<PartnerProfile>(&text).unwrap(), terms);
    }
}
