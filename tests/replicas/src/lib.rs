//! A receiver's database: the claims of [`as2_protocol`] over a primary key of SQL, and what the test needs beside them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use as2_protocol::{
    Certificate, CryptoProvider, Identity, InboxRecord, InboxWrite, MessageKey, Partner, PartnerProfile, Reply,
    RsaPrivateKey, SpooledMessage,
};
use rusqlite::{Connection, OptionalExtension, Result, params};

/// `inbox` is all that duplicates need. `orders` has no constraint of its own, so that a document that is stored twice
/// shows. `requests` stands for the network: what senders keep sending until they are answered.
const SCHEMA: &str = "
    CREATE TABLE inbox (
        sender TEXT, recipient TEXT, message_id TEXT, fence INTEGER, expires_at INTEGER, record TEXT,
        PRIMARY KEY (sender, recipient, message_id));
    CREATE TABLE orders (sender TEXT, message_id TEXT, document BLOB);
    CREATE TABLE requests (number INTEGER PRIMARY KEY, replica INTEGER, not_before INTEGER, request TEXT, reply TEXT);
";

pub struct Store {
    db: Connection,
}

impl Store {
    pub fn create(path: &Path) -> Result<Self> {
        let store = Self::open(path)?;
        store.db.execute_batch(SCHEMA)?;
        Ok(store)
    }

    pub fn open(path: &Path) -> Result<Self> {
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        // A process that dies loses nothing that it handed to the system; a power cut is not tried here.
        db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")?;
        Ok(Self { db })
    }

    // What an application needs for duplicates:

    pub fn read(&self, key: &MessageKey) -> Result<Option<InboxRecord>> {
        let sql = "SELECT record FROM inbox WHERE sender = ? AND recipient = ? AND message_id = ?";
        let row = self.db.query_row(sql, params![key.from(), key.to(), key.message_id()], |row| row.get(0));
        Ok(row.optional()?.map(|json: String| serde_json::from_str(&json).expect("a record that we wrote")))
    }

    /// Whether the write took effect.
    pub fn write(&self, write: &InboxWrite) -> Result<bool> {
        let (key, record) = (write.key(), write.record());
        let json = serde_json::to_string(record).expect("a record");
        let (fence, expires_at) = (record.fence() as i64, seconds(record.expires_at()));
        let rows = match write.replaces() {
            None => self.db.execute(
                "INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                params![key.from(), key.to(), key.message_id(), fence, expires_at, json],
            )?,
            Some(replaces) => self.db.execute(
                "UPDATE inbox SET fence = ?4, expires_at = ?5, record = ?6
                 WHERE sender = ?1 AND recipient = ?2 AND message_id = ?3 AND fence = ?7",
                params![key.from(), key.to(), key.message_id(), fence, expires_at, json, replaces as i64],
            )?,
        };
        Ok(rows == 1)
    }

    /// Stores the document and what is written about it, or neither.
    pub fn store(&mut self, document: &[u8], write: &InboxWrite, mut step: impl FnMut()) -> Result<bool> {
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        let key = write.key();
        let order = params![key.from(), key.message_id(), document];
        self.db.execute("INSERT INTO orders VALUES (?, ?, ?)", order)?;
        step();
        let ours = self.write(write)?;
        step();
        self.db.execute_batch(if ours { "COMMIT" } else { "ROLLBACK" })?;
        Ok(ours)
    }

    pub fn forget_expired(&self, now: SystemTime) -> Result<usize> {
        self.db.execute("DELETE FROM inbox WHERE expires_at <= ?", [seconds(now)])
    }

    // The network, and what the test looks at:

    pub fn send(&self, replica: usize, request: &SpooledMessage) -> Result<()> {
        let json = serde_json::to_string(request).expect("a message");
        let sql = "INSERT INTO requests (replica, not_before, request) VALUES (?, 0, ?)";
        self.db.execute(sql, params![replica as i64, json]).map(|_| ())
    }

    /// The next request that waits for this replica.
    pub fn next(&self, replica: usize, now: SystemTime) -> Result<Option<(i64, SpooledMessage)>> {
        let sql = "SELECT number, request FROM requests
                   WHERE replica = ? AND reply IS NULL AND not_before <= ? ORDER BY number LIMIT 1";
        let row = self
            .db
            .query_row(sql, params![replica as i64, seconds(now)], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
        Ok(row.optional()?.map(|(number, json)| (number, serde_json::from_str(&json).expect("a message"))))
    }

    pub fn unanswered(&self, replica: usize) -> Result<i64> {
        let sql = "SELECT count(*) FROM requests WHERE replica = ? AND reply IS NULL";
        self.db.query_row(sql, [replica as i64], |row| row.get(0))
    }

    /// The sender has the answer, or comes again after a while.
    pub fn answer(&self, number: i64, reply: &Reply, now: SystemTime) -> Result<()> {
        match reply.response.header("retry-after").and_then(|wait| wait.parse::<i64>().ok()) {
            Some(wait) => {
                let sql = "UPDATE requests SET not_before = ? WHERE number = ?";
                self.db.execute(sql, params![seconds(now) + wait, number])?;
            }
            None => {
                let json = serde_json::to_string(reply).expect("a reply");
                self.db.execute("UPDATE requests SET reply = ? WHERE number = ?", params![json, number])?;
            }
        }
        Ok(())
    }

    pub fn orders(&self) -> Result<Vec<(String, Vec<u8>)>> {
        let mut rows = self.db.prepare("SELECT message_id, document FROM orders ORDER BY 1, 2")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }

    /// All requests with their replies, in the stored form, in the order in which they were put in.
    pub fn exchanges(&self) -> Result<Vec<(String, Option<String>)>> {
        let mut rows = self.db.prepare("SELECT request, reply FROM requests ORDER BY number")?;
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    }
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// The clock of both replicas: it starts when the certificates of the samples are valid, and runs fast, so that leases
/// end while the test waits.
pub fn clock(started: SystemTime) -> SystemTime {
    let elapsed = SystemTime::now().duration_since(started).unwrap_or_default();
    opening() + elapsed * SPEED
}

/// 2026-11-24T00:00:00Z.
pub fn opening() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_478_400)
}
const SPEED: u32 = 200;

// The two companies of the samples:

pub const ALICE: &str = "Alice Corp";
pub const BOB: &str = "bob";

pub fn identity(name: &str) -> Identity {
    let (sign, encrypt) = (format!("{name}-sign"), format!("{name}-enc"));
    Identity::builder(CryptoProvider::rustcrypto())
        .signing(vec![certificate(&sign)], key(&sign))
        .decrypting(certificate(&encrypt), key(&encrypt))
        .build()
        .expect("an identity")
}

/// `certificates` is the folder name of the partner, `alice` or `bob`.
pub fn partner(profile: PartnerProfile, certificates: &str) -> Partner {
    Partner::builder(profile, CryptoProvider::rustcrypto())
        .encrypt_to(certificate(&format!("{certificates}-enc")))
        .verify_with(certificate(&format!("{certificates}-sign")))
        .build()
        .expect("a partner")
}

pub fn profile(us: &str, them: &str, url: &str) -> PartnerProfile {
    let name = |name: &str| name.parse().expect("a name");
    PartnerProfile::new(name(us), name(them), url.parse().expect("a URL"))
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_pem(&sample(&format!("{name}.crt"))).expect("a certificate")
}

fn key(name: &str) -> Arc<RsaPrivateKey> {
    Arc::new(RsaPrivateKey::from_pkcs8_pem(&sample(&format!("{name}.key"))).expect("a key"))
}

fn sample(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/worked/keys").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
