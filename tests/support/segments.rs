//! EnvelopedData in BER whose content is cut into short octet strings, as Java peers write it: made piece by piece.
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use super::dissect::{Tlv, der, encrypt};

use as2_protocol::crypto::ContentEncryptor;
use as2_protocol::*;

pub struct Segmented {
    encryptor: Box<dyn ContentEncryptor>,
    segment: usize,
    plain: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Segmented {
    /// Appends the head to `out`. Content follows in segments of so many octets.
    pub fn new(to: &Certificate, segment: usize, out: &mut Vec<u8>) -> Self {
        let template = encrypt(b"", to, false);
        let data = Tlv::of(&template).child(1).child(0);
        let algorithm = data.child(2).child(1);
        out.extend_from_slice(&[0x30, 0x80]);
        out.extend(der(6, &[Tlv::of(&template).child(0).body]));
        out.extend_from_slice(&[0xa0, 0x80, 0x30, 0x80, 2, 1, 0]);
        out.extend(der(0x31, &[data.child(1).body]));
        out.extend_from_slice(&[0x30, 0x80]);
        out.extend(der(6, &[data.child(2).child(0).body]));
        out.extend(der(0x30, &[algorithm.body]));
        out.extend_from_slice(&[0xa0, 0x80]);
        // The key and the initialization vector of `encrypt`.
        let provider = CryptoProvider::rustcrypto();
        let encryptor = provider.ciphers().encryptor(CipherAlgorithm::Aes256Cbc, &[7; 32], &[9; 16], &[]).unwrap();
        Self { encryptor, segment, plain: Vec::new(), ciphertext: Vec::new() }
    }

    pub fn push(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.plain.extend_from_slice(plain);
        let whole = self.plain.len() - self.plain.len() % 16;
        self.encryptor.update(&mut self.plain[..whole]);
        self.ciphertext.extend(self.plain.drain(..whole));
        let whole = self.ciphertext.len() - self.ciphertext.len() % self.segment;
        self.write(whole, out);
    }

    fn write(&mut self, octets: usize, out: &mut Vec<u8>) {
        for segment in self.ciphertext[..octets].chunks(self.segment) {
            out.push(4);
            if segment.len() < 0x80 {
                out.push(u8::try_from(segment.len()).unwrap());
            } else {
                out.push(0x83);
                out.extend_from_slice(&segment.len().to_be_bytes()[5..]);
            }
            out.extend_from_slice(segment);
        }
        self.ciphertext.drain(..octets);
    }

    pub fn finish(mut self, out: &mut Vec<u8>) {
        let padding = 16 - self.plain.len() % 16;
        self.push(&vec![u8::try_from(padding).unwrap(); padding], out);
        self.write(self.ciphertext.len(), out);
        out.extend_from_slice(&[0; 10]);
    }
}
