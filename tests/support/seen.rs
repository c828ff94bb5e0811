//! What a sender sees of an answer, to be compared with other answers.

use as2_protocol::*;
use http::StatusCode;

use super::receipt_in;

/// All that a sender sees of an answer: random values are blanked out, their lengths stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: Vec<(String, String)>,
    pub length: usize,
    pub receipt: Option<SeenReceipt>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenReceipt {
    pub disposition: String,
    pub text: String,
    pub mic: Option<String>,
    pub fields: String,
}

impl Seen {
    pub fn of(reply: &Reply) -> Self {
        assert_eq!(reply.follow_up, FollowUp::None);
        let response = reply.response.to_response();
        let headers = response.headers().iter().map(|(name, value)| {
            let value = value.to_str().unwrap();
            let shown = match name.as_str() {
                "date" | "message-id" => format!("{} characters", value.len()),
                _ => blank_random(value),
            };
            (name.to_string(), shown)
        });
        Self {
            status: response.status(),
            headers: headers.collect(),
            length: response.body().len(),
            receipt: (!response.body().is_empty()).then(|| SeenReceipt::of(receipt_in(&response))),
        }
    }
}

impl SeenReceipt {
    fn of(receipt: IncomingMdn) -> Self {
        Self {
            disposition: receipt.disposition().unwrap().to_string(),
            text: blank_random(receipt.text().unwrap()),
            mic: receipt.mic().map(|mic| format!("{mic:?}")),
            fields: format!("{:?}", receipt.report()),
        }
    }
}

/// Blanks runs of 32 hexadecimal digits: references and boundaries.
fn blank_random(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let digits = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let random = digits.len() >= 32 && digits.bytes().all(|octet| octet.is_ascii_alphanumeric());
        words.push(if random { word.replace(digits, &"#".repeat(digits.len())) } else { word.to_owned() });
    }
    words.concat()
}
