//! The example `big_file` as a program. It is skipped where the example was not built, see `exchange_cli`.
#![cfg(all(feature = "rustcrypto", feature = "serde"))]
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::SystemTime;

use as2_protocol::*;
use serde_json::{Value, json};

fn program() -> Option<PathBuf> {
    let profile = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let path = profile.join("examples").join(format!("big_file{}", std::env::consts::EXE_SUFFIX));
    if !path.is_file() {
        eprintln!("skipped: {} is not built", path.display());
        return None;
    }
    Some(path)
}

/// An empty folder for one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("big_file_cli").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(program: &Path, folder: &Path, arguments: &str) -> Output {
    Command::new(program).args(arguments.split(' ')).arg("--dir").arg(folder).output().unwrap()
}

/// What a run that went well tells.
fn told(output: &Output) -> String {
    let (told, problems) = (text(&output.stdout), text(&output.stderr));
    assert_eq!((output.status.code(), problems.as_str()), (Some(0), ""), "{told}");
    told
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The one folder that a run with `--keep` left behind.
fn kept(folder: &Path) -> PathBuf {
    let names = names(folder);
    assert_eq!(names.len(), 1, "{names:?}");
    folder.join(&names[0])
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The heap that a side needed, in KiB.
fn heap(told: &str, side: &str) -> f64 {
    let line = told.lines().find(|line| line.starts_with(side) && line.contains("heap")).unwrap();
    let mut words = line.split_whitespace().skip(1);
    let number: f64 = words.next().unwrap().parse().unwrap();
    match words.next().unwrap() {
        "KiB" => number,
        "MiB" => number * 1024.0,
        unit => panic!("{unit} in {line}"),
    }
}

#[test]
fn a_file_passes_in_less_than_a_mebibyte_and_nothing_stays() {
    let Some(program) = program() else { return };
    let folder = folder("passes");
    for layers in ["", " --cipher gcm", " --sign none", " --cipher none --sign none", " --compress --chunk 1000"] {
        let told = told(&run(&program, &folder, &format!("8M{layers}")));
        for sign in ["8388608 octets, signed by", "delivered, proof Signed", "SHA-256 of both files"] {
            assert!(told.contains(sign), "{sign} is missing in {told}");
        }
        assert_eq!(told.contains("signed by the partner"), !layers.contains("--sign none"), "{told}");
        assert_eq!(told.contains("of unknown length, in chunks"), layers.contains("--compress"), "{told}");
        assert_eq!(told.contains("aes256-gcm"), layers.contains("gcm"), "{told}");
        assert!(!told.contains('\x1b') && !told.contains('\r'), "a bar in a pipe");
        // Both sides with files and HTTP: the file is eight times as large.
        assert!(heap(&told, "sender") < 1024.0 && heap(&told, "receiver") < 1024.0, "{told}");
        assert_eq!(names(&folder), Vec::<String>::new(), "{layers}");
    }
}

#[test]
fn a_broken_attempt_is_repeated_with_the_same_octets() {
    let Some(program) = program() else { return };
    for layers in ["", " --cipher gcm", " --compress"] {
        let folder = folder("cut");
        let told = told(&run(&program, &folder, &format!("8M --spool --cut 1M --keep{layers}")));
        let attempts: Vec<_> = told.lines().filter(|line| line.starts_with("attempt")).collect();
        assert_eq!(attempts.len(), 2, "{told}");
        assert!(attempts[0].contains("while it was built, broken off"), "{told}");
        assert!(attempts[1].contains("from the spool, answered 200"), "{told}");
        assert!(told.contains("not taken   CONNECTION: the body breaks off"), "{told}");

        let kept = kept(&folder);
        assert_eq!(names(&kept.join("quarantine")), Vec::<String>::new(), "the part of the first attempt is deleted");
        let sent = fs::read(kept.join("sender/purchase-orders.x12")).unwrap();
        assert!(sent.len() == 8 << 20 && sent == fs::read(kept.join("inbox/purchase-orders.x12")).unwrap());
        check_records(&kept.join("sender"), layers.contains("--compress"));
        fs::remove_dir_all(&folder).unwrap();
    }
}

/// What the sender saved is enough to send the message again, and to prove its delivery.
fn check_records(sender: &Path, compressed: bool) {
    let head: RequestHead = serde_json::from_value(json_file(&sender.join("head.json"))).unwrap();
    let spooled = fs::metadata(sender.join("wire.spool")).unwrap().len();
    assert_eq!(head.content_length(), (!compressed).then_some(spooled));
    let pending: PendingReceipt = serde_json::from_value(json_file(&sender.join("pending.json"))).unwrap();
    assert_eq!(head.header("message-id").unwrap(), pending.message_id().to_string());
    let delivery: Delivery = serde_json::from_value(json_file(&sender.join("delivery.json"))).unwrap();
    assert_eq!(delivery.sends(), 2);
    let record: EvidenceRecord = serde_json::from_value(json_file(&sender.join("evidence.json"))).unwrap();
    let evidence = record.verify(&CryptoProvider::rustcrypto()).unwrap();
    assert_eq!((evidence.proof(), evidence.message_id()), (Some(Proof::Signed), pending.message_id()));
}

#[test]
fn a_cut_behind_the_end_is_told() {
    let Some(program) = program() else { return };
    let told = told(&run(&program, &folder("no-cut"), "1M --cut 2M"));
    assert!(told.contains("nowhere: the message is shorter than --cut says") && told.contains("delivered"), "{told}");
}

#[test]
fn without_a_spool_a_broken_attempt_is_the_end() {
    let Some(program) = program() else { return };
    let folder = folder("no-spool");
    let output = run(&program, &folder, "8M --cut 1M");
    let problem = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{problem}");
    assert!(
        problem.starts_with("big_file: not delivered: the attempt failed after ") && problem.contains("--spool"),
        "{problem}"
    );
    assert_eq!(problem.lines().count(), 1, "{problem}");
    assert!(!text(&output.stdout).contains("delivered") && names(&folder).is_empty());
}

/// The receiving process alone, spoken to by hand.
struct Receiver {
    process: Child,
    told: BufReader<std::process::ChildStdout>,
}

impl Receiver {
    fn start(program: &Path, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(["receive", "4M", "--dir"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap());
        Self { process, told }
    }

    fn told(&mut self) -> Value {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[test]
fn a_message_of_another_signer_leaves_nothing_behind() {
    let Some(program) = program() else { return };
    let folder = folder("refused");
    let mut receiver = Receiver::start(&program, &folder);
    let hello = receiver.told();
    let certificate = text(&support::worked("keys/alice-sign.crt"));
    let mut orders = receiver.process.stdin.take().unwrap();
    writeln!(orders, "{}", json!({ "certificate": certificate })).unwrap();

    // Encrypted to the receiver in the name of its partner, and signed by somebody else.
    let url: HttpUrl = hello["url"].as_str().unwrap().parse().unwrap();
    let host = hello["url"].as_str().unwrap().strip_prefix("http://").unwrap().strip_suffix("/as2").unwrap().to_owned();
    let theirs = Certificate::from_pem(hello["certificate"].as_str().unwrap().as_bytes()).unwrap();
    let profile = PartnerProfile::new("Orchard Foods".parse().unwrap(), "Harbour Supply".parse().unwrap(), url);
    let builder = Partner::builder(profile, CryptoProvider::rustcrypto());
    let partner = builder.encrypt_to(theirs.clone()).verify_with(theirs).build().unwrap();
    let payload = Payload::x12(b"ISA*00~\r\n".repeat(100_000));
    let us = support::worked_identity("bob");
    let sent = MessageBuilder::new(&us, &partner).build(payload, SystemTime::now()).unwrap();

    let mut wire = format!("POST /as2 HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n").into_bytes();
    let request = sent.request.to_request();
    for (name, value) in request.headers() {
        wire.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    wire.extend([b"\r\n", &request.body()[..]].concat());
    let mut connection = TcpStream::connect(host).unwrap();
    connection.write_all(&wire).unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("authentication-failed"), "{answer}");

    drop(orders);
    let report = receiver.told();
    assert_eq!(report["findings"][0]["NotTaken"]["code"], "SIGNER_UNTRUSTED", "{report}");
    assert!(receiver.process.wait().unwrap().success());
    assert_eq!(names(&folder.join("quarantine")), Vec::<String>::new());
    assert_eq!(names(&folder.join("inbox")), Vec::<String>::new());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let Some(program) = program() else { return };
    let folder = folder("no-folder");
    fs::write(folder.join("file"), "").unwrap();
    let output = run(&program, &folder.join("file"), "1M");
    assert_eq!(output.status.code(), Some(1));
    let problem = text(&output.stderr);
    assert!(problem.starts_with("big_file: cannot make the folder ") && problem.contains("as2-big-file"), "{problem}");
}

#[test]
fn a_wrong_command_line_gets_the_usage() {
    let Some(program) = program() else { return };
    for (arguments, problem) in [
        ("--frobnicate", "unknown option --frobnicate"),
        ("12Q", "12Q is no size"),
        ("-1", "unknown option -1"),
        ("99999999999T", "is no size"),
        ("1M 2M", "one size at a time: what is 2M?"),
        ("--cipher rot13", "--cipher is cbc, gcm or none"),
        ("--sign md5", "--sign is sha256 or none"),
        ("--chunk 0", "--chunk is between 1 and 16M"),
        ("--chunk 17M", "--chunk is between 1 and 16M"),
        ("--cut", "--cut needs a number of octets"),
    ] {
        let output = Command::new(&program).args(arguments.split(' ')).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        let told = text(&output.stderr);
        assert!(told.contains(problem) && told.contains("Usage: big_file [SIZE]"), "{told}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = Command::new(&program).arg("--help").output().unwrap();
    assert!(told(&output).contains("Usage: big_file [SIZE]"));
}
