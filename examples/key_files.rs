//! Files of keys and certificates from the command line.
//!
//! ```text
//! key_files list FILE [PASSWORD]                what a file holds
//! key_files check FOLDER                        files against the table files.tsv of the folder
//! key_files renew rsa|p256|same STORE.p12 PASSWORD NEW-PASSWORD FOLDER
//!                                               a successor certificate in all forms, two stores, and its key
//! ```

#[path = "../tests/support/key_table.rs"]
mod key_table;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use as2_protocol::{Certificate, CryptoProvider, KeyStore, Renewal};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["list", file] => list(file, None),
        ["list", file, password] => list(file, Some(password)),
        ["check", folder] => check(Path::new(folder)),
        ["renew", kind, store, password, new_password, folder] => {
            renew(kind, store, password, new_password, Path::new(folder))
        }
        _ => Err("see the first lines of examples/key_files.rs".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn list(file: &str, password: Option<&str>) -> Result<(), Box<dyn Error>> {
    let store = KeyStore::read(&fs::read(file)?, password)?;
    for entry in store.entries() {
        println!("key {} [{}]", entry.alias().unwrap_or("-"), entry.key().algorithm());
        entry.chain().iter().for_each(describe);
    }
    for entry in store.certificates() {
        println!("certificate {}", entry.alias().unwrap_or("-"));
        describe(entry.certificate());
    }
    Ok(())
}

fn describe(certificate: &Certificate) {
    println!("    {}, serial {}", certificate.subject(), certificate.serial_hex());
    println!("    SHA-256 {}", certificate.fingerprint_hex());
}

fn check(folder: &Path) -> Result<(), Box<dyn Error>> {
    let rows = key_table::rows(folder);
    for row in &rows {
        match key_table::describe(&row.octets, row.password.as_deref()) {
            Ok(content) if content == row.content => println!("ok     {}", row.file),
            other => return Err(format!("{}: {other:?} instead of {:?}", row.file, row.content).into()),
        }
    }
    println!("{} files read", rows.len());
    Ok(())
}

fn renew(kind: &str, store: &str, password: &str, new_password: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let store = KeyStore::read(&fs::read(store)?, Some(password))?;
    let old = store.entry(None)?;
    let predecessor = old.certificate().ok_or("the key has no certificate")?;
    let provider = CryptoProvider::rustcrypto();
    let renewal = Renewal::of(predecessor).alias("renewed");
    let renewal = match kind {
        "rsa" => renewal,
        "p256" => renewal.p256_key(),
        "same" => renewal.same_key(old.key()),
        other => return Err(format!("{other} is none of rsa, p256, same").into()),
    };
    let new = renewal.issue(&provider, SystemTime::now())?;
    let certificate = new.certificate().ok_or("no certificate")?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("cert.pem"), certificate.to_pem())?;
    fs::write(folder.join("cert.der"), certificate.der())?;
    fs::write(folder.join("cert.p7c"), Certificate::to_p7c(new.chain()))?;
    fs::write(folder.join("key.pem"), new.key().to_pkcs8_pem().as_bytes())?;
    fs::write(folder.join("key-encrypted.pem"), new.key().to_encrypted_pem(new_password, &provider)?)?;
    for password in [password, new_password] {
        fs::write(folder.join(format!("store-{password}.p12")), new.to_pkcs12(password, &provider)?)?;
    }
    Ok(())
}
