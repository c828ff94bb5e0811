//! The S/MIME work of one AS2 message in this process: ours, and that of OpenSSL's CMS, on the same payload and keys.
//!
//! `peers keys FOLDER` writes the keys for all peers; `peers time WHO FOLDER FILE SECONDS` prints lines
//! `WHO OPERATION OCTETS SECONDS`, the median of as many runs as fit.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use as2_protocol::*;
use bytes::Bytes;
use openssl::asn1::Asn1Time;
use openssl::cms::{CMSOptions, CmsContentInfo};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::{X509, X509NameBuilder};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["keys", folder] => ["alice", "bob"].iter().try_for_each(|name| make_keys(Path::new(folder), name)),
        ["time", who, folder, file, seconds] => {
            let (payload, seconds) = (Bytes::from(fs::read(file)?), seconds.parse()?);
            match who {
                "ours" => ours(Path::new(folder), &payload, seconds),
                "openssl" => openssl_cms(Path::new(folder), &payload, seconds),
                _ => Err(format!("who is {who}?").into()),
            }
        }
        _ => Err("peers keys FOLDER | peers time ours|openssl FOLDER FILE SECONDS".into()),
    }
}

/// RSA-2048 and a certificate that each side signs and is encrypted to with.
fn make_keys(folder: &Path, name: &str) -> Outcome {
    let key = PKey::from_rsa(Rsa::generate(2048)?)?;
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_text("CN", name)?;
    let subject = subject.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*openssl::bn::BigNum::from_u32(7)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&subject)?;
    certificate.set_issuer_name(&subject)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(&*Asn1Time::from_unix(unix_now()? - 86_400)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(30)?)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    fs::write(folder.join(format!("{name}.key.pem")), key.private_key_to_pem_pkcs8()?)?;
    fs::write(folder.join(format!("{name}.crt.pem")), certificate.build().to_pem()?)?;
    Ok(())
}

fn unix_now() -> Outcome<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs())?)
}

/// The median of as many runs as fit; at least three.
fn time<T>(who: &str, operation: &str, octets: usize, seconds: f64, mut work: impl FnMut() -> Outcome<T>) -> Outcome {
    work()?;
    let (limit, began, mut times) = (Duration::from_secs_f64(seconds), Instant::now(), Vec::new());
    while times.len() < 3 || began.elapsed() < limit {
        let start = Instant::now();
        let value = black_box(work()?);
        times.push(start.elapsed().as_secs_f64());
        drop(value);
    }
    times.sort_by(f64::total_cmp);
    println!("{who} {operation} {octets} {}", times[times.len() / 2]);
    Ok(())
}

// Ours

fn ours(folder: &Path, payload: &Bytes, seconds: f64) -> Outcome {
    let (alice, to_bob) = (identity(folder, "alice")?, partner(folder, "alice", "bob")?);
    let (bob, from_alice) = (identity(folder, "bob")?, partner(folder, "bob", "alice")?);
    let now = SystemTime::now();
    let build = || Ok(MessageBuilder::new(&alice, &to_bob).build(Payload::x12(payload.clone()), now)?);
    time("ours", "make", payload.len(), seconds, build)?;
    let request = build()?.request.to_request();
    time("ours", "open", payload.len(), seconds, || {
        // As it comes from a socket: nobody else holds the octets.
        let request = request.clone().map(|body| Bytes::from(body.to_vec()));
        let Inbound::Message(envelope) = MessageParser::new(Limits::default()).parse(request)? else {
            return Err("a receipt".into());
        };
        let opened = envelope.open(&bob, Some(&from_alice), now).map_err(|refused| refused.error().clone())?;
        if opened.payload().body().len() != payload.len() {
            return Err("another payload".into());
        }
        Ok(opened)
    })?;
    let wire = request.body().clone();
    time("ours-stream", "make", payload.len(), seconds, || {
        let head = PayloadHead::x12().with_len(u64::try_from(payload.len())?);
        let mut stream = MessageBuilder::new(&alice, &to_bob).stream(head, now)?;
        let mut out = Vec::new();
        for piece in payload.chunks(64 << 10) {
            stream.write(piece, &mut out)?;
            black_box(&out);
            out.clear();
        }
        Ok(stream.finish(&mut out)?)
    })?;
    let (parts, _) = request.into_parts();
    time("ours-stream", "open", payload.len(), seconds, || {
        let head = MessageParser::new(Limits::default()).head(&parts)?;
        let mut stream = head.stream(&bob, Some(&from_alice), now);
        let mut quarantine = SingleDocument::new(std::io::sink());
        for piece in wire.chunks(64 << 10) {
            stream.write(piece, &mut quarantine)?;
        }
        match stream.finish(&mut quarantine)? {
            InboundEnd::Accepted(accepted) => Ok(accepted),
            other => Err(format!("{other:?}").into()),
        }
    })
}

fn certificate(folder: &Path, name: &str) -> Outcome<Certificate> {
    Ok(Certificate::from_pem(&fs::read(folder.join(format!("{name}.crt.pem")))?)?)
}

fn identity(folder: &Path, name: &str) -> Outcome<Identity> {
    let pem = fs::read(folder.join(format!("{name}.key.pem")))?;
    let key = Arc::new(RsaPrivateKey::from_pkcs8_pem(&pem)?);
    let certificate = certificate(folder, name)?;
    let identity = Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![certificate.clone()], key.clone())
        .decrypting(certificate, key)
        .build()?;
    Ok(identity)
}

fn partner(folder: &Path, us: &str, them: &str) -> Outcome<Partner> {
    let url = format!("https://{them}.example/as2");
    let mut profile = PartnerProfile::new(us.parse()?, them.parse()?, url.parse()?);
    profile.send.encrypt = Some(CipherAlgorithm::Aes256Cbc);
    profile.send.sign = Some(DigestAlgorithm::Sha256);
    let certificate = certificate(folder, them)?;
    Ok(Partner::builder(profile, CryptoProvider::rustcrypto())
        .encrypt_to(certificate.clone())
        .verify_with(certificate)
        .build()?)
}

// OpenSSL: what its users write who hold keys in memory. The multipart around the signature is put together here.

const HEAD: &[u8] = b"Content-Type: application/edi-x12\r\nContent-Transfer-Encoding: binary\r\n\r\n";

struct Party {
    key: PKey<Private>,
    certificate: X509,
}

impl Party {
    fn read(folder: &Path, name: &str) -> Outcome<Self> {
        Ok(Self {
            key: PKey::private_key_from_pem(&fs::read(folder.join(format!("{name}.key.pem")))?)?,
            certificate: X509::from_pem(&fs::read(folder.join(format!("{name}.crt.pem")))?)?,
        })
    }
}

fn openssl_cms(folder: &Path, payload: &[u8], seconds: f64) -> Outcome {
    let (alice, bob) = (Party::read(folder, "alice")?, Party::read(folder, "bob")?);
    let mut to = Stack::new()?;
    to.push(bob.certificate.clone())?;
    let make = || -> Outcome<Vec<u8>> {
        let entity = [HEAD, payload].concat();
        let flags = CMSOptions::BINARY | CMSOptions::DETACHED;
        let signature =
            CmsContentInfo::sign(Some(&alice.certificate), Some(&alice.key), None, Some(&entity), flags)?.to_der()?;
        let base64 = openssl::base64::encode_block(&signature);
        let opening = b"Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; \
            boundary=\"=-peer-boundary\"\r\n\r\n--=-peer-boundary\r\n";
        let between = b"\r\n--=-peer-boundary\r\nContent-Type: application/pkcs7-signature\r\n\
            Content-Transfer-Encoding: base64\r\n\r\n";
        let whole = [&opening[..], &entity, between, base64.as_bytes(), b"\r\n--=-peer-boundary--\r\n"].concat();
        Ok(CmsContentInfo::encrypt(&to, &whole, Cipher::aes_256_cbc(), CMSOptions::BINARY)?.to_der()?)
    };
    time("openssl", "make", payload.len(), seconds, make)?;
    let wire = make()?;
    let mut signers = Stack::new()?;
    signers.push(alice.certificate.clone())?;
    time("openssl", "open", payload.len(), seconds, || {
        let whole = CmsContentInfo::from_der(&wire)?.decrypt(&bob.key, &bob.certificate)?;
        let (entity, signature) = parts(&whole).ok_or("no multipart/signed")?;
        let der = openssl::base64::decode_block(std::str::from_utf8(signature)?)?;
        let flags = CMSOptions::BINARY | CMSOptions::NO_SIGNER_CERT_VERIFY | CMSOptions::NOINTERN;
        CmsContentInfo::from_der(&der)?.verify(Some(&signers), None, Some(entity), None, flags)?;
        if entity.len() != HEAD.len() + payload.len() {
            return Err("another payload".into());
        }
        Ok(whole)
    })
}

/// The signed entity and the signature in base64.
fn parts(whole: &[u8]) -> Option<(&[u8], &[u8])> {
    let delimiter = b"\r\n--=-peer-boundary";
    let start = find(whole, b"\r\n\r\n--=-peer-boundary\r\n")? + 4 + delimiter.len();
    let entity = whole.get(start..)?;
    // From behind: the signature is short.
    let last = entity.len().checked_sub(delimiter.len() + 4)?;
    let tail = entity.len().saturating_sub(16 << 10);
    let at = tail + find(&entity[tail..], delimiter)?;
    let signature = entity.get(at..last)?;
    let body = find(signature, b"\r\n\r\n")? + 4;
    Some((&entity[..at], signature.get(body..)?))
}

fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}
