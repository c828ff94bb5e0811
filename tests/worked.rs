//! The worked examples: made with OpenSSL, from "Alice Corp" to "bob", with the MICs that they must have.

mod support;

use support::*;

use as2_protocol::*;

fn open(name: &str) -> Result<Accepted, Refused> {
    let request = read_request(&worked(&format!("{name}.http")), &Limits::default()).unwrap();
    envelope(request).open(&worked_identity("bob"), Some(&alice()), now())
}

/// The expected MIC of a case, from the table beside the examples.
fn expected_mic(case: &str, algorithm: DigestAlgorithm) -> String {
    let table = String::from_utf8(worked("MIC.tsv").to_vec()).unwrap();
    let mut rows = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let row = rows.find(|row| row[0] == case && row[1] == "expected" && row[2] == algorithm.legacy_name());
    row.unwrap_or_else(|| panic!("{case} {algorithm}"))[3].to_owned()
}

#[test]
fn every_positive_example_opens_with_its_payload_and_mic() {
    let cases = [
        "01-plain",
        "02-signed",
        "03-encrypted",
        "04-signed-encrypted",
        "05-compressed",
        "06-compressed-then-signed",
        "07-signed-then-compressed",
        "08-compressed-encrypted",
        "09-compressed-signed-encrypted",
        "10-signed-compressed-encrypted",
        "13-encrypted-aes128gcm",
        "15-signed-base64-part",
        "16-signed-sha512",
    ];
    for case in cases {
        let accepted =
            open(case).unwrap_or_else(|refused| panic!("{case}: {} {:?}", refused.error(), refused.layers()));
        assert_eq!(accepted.payload().body(), &worked("payload.x12"), "{case}");
        let mic = accepted.mic();
        assert_eq!(mic.to_base64(), expected_mic(case, mic.algorithm()), "{case}");
        println!("{case}: {mic} {:?} {:?}", accepted.layers(), accepted.notes());
    }
}
