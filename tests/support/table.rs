//! A receiver with a table in memory: what an application does with [`Claim`].
#![allow(dead_code, unreachable_pub)] // each test binary uses its own part of it

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::support::streamed::Received;
use as2_protocol::*;

/// Rows, and the documents that were handed over.
#[derive(Default)]
pub struct Table {
    pub rows: BTreeMap<MessageKey, InboxRecord>,
    pub stored: Vec<Vec<u8>>,
}

/// What became of a message.
#[derive(Clone, Debug)]
pub struct Taken {
    pub how: How,
    pub reply: Reply,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Stored,
    Replayed,
    Duplicate,
    Changed,
    Busy,
    Refused,
}

pub const LEASE: Duration = Duration::from_secs(300);

impl Table {
    pub fn read(&self, key: &MessageKey) -> Option<&InboxRecord> {
        self.rows.get(key)
    }

    pub fn write(&mut self, write: &InboxWrite) -> bool {
        let unchanged = self.read(write.key()).map(InboxRecord::fence) == write.replaces();
        if unchanged {
            // Through the stored form, as in a database.
            let json = serde_json::to_string(write.record()).unwrap();
            self.rows.insert(write.key().clone(), serde_json::from_str(&json).unwrap());
        }
        unchanged
    }

    /// The one row.
    pub fn only(&self) -> &InboxRecord {
        assert_eq!(self.rows.len(), 1);
        self.rows.values().next().unwrap()
    }

    /// The message, unless it is answered unopened.
    pub fn open(
        &self,
        envelope: Received,
        us: &Identity,
        partner: &Partner,
        now: SystemTime,
    ) -> Result<(Arrival, Accepted), Box<Taken>> {
        let arrival = envelope.arrival();
        if let Some(reply) = arrival.known(self.read(arrival.key()), partner, now) {
            let how = if reply.response.status() == 503 { How::Busy } else { How::Replayed };
            return Err(Box::new(Taken { how, reply }));
        }
        match envelope.open(us, Some(partner), now) {
            Ok(order) => Ok((arrival, order)),
            Err(refused) => Err(Box::new(Taken { how: How::Refused, reply: refused.mdn().build(now) })),
        }
    }

    /// Takes a message as a whole; nobody interferes.
    pub fn take(
        &mut self,
        envelope: Received,
        us: &Identity,
        partner: &Partner,
        now: SystemTime,
        decide: impl FnOnce(Accepted) -> MdnBuilder,
    ) -> Taken {
        let (arrival, order) = match self.open(envelope, us, partner, now) {
            Ok(opened) => opened,
            Err(taken) => return *taken,
        };
        match order.claim(&arrival, self.read(arrival.key()), LEASE, now) {
            Claim::New(work) => {
                assert!(self.write(work.write()));
                let document = order.payload().body().to_vec();
                let reply = decide(order).build(now);
                assert!(self.write(&work.settle(&reply, now)));
                self.stored.push(document);
                Taken { how: How::Stored, reply }
            }
            Claim::Duplicate(duplicate) => {
                let reply = duplicate.receipt().build(now);
                if let Some(write) = duplicate.settle(&reply, now) {
                    assert!(self.write(&write));
                }
                let how = if duplicate.is_changed() { How::Changed } else { How::Duplicate };
                Taken { how, reply }
            }
            Claim::Replay(reply) => Taken { how: How::Replayed, reply },
            Claim::Busy(reply) => Taken { how: How::Busy, reply },
        }
    }
}
