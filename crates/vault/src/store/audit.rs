//! The audit log: every change and every denied call, each record chained to the one before it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditOutcome {
    /// It changed something.
    Changed,
    /// It was denied.
    Denied,
    /// Calls like this one were denied so many times within a minute or so; this is the last of them.
    DeniedAgain {
        /// How often.
        times: u32,
    },
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// The object id of who called; of the vault itself, `vault`.
    pub principal: String,
    /// What was called.
    pub action: String,
    /// On what.
    pub scope: String,
    /// How it ended.
    pub outcome: AuditOutcome,
    /// The id by which the log lines of the same call are found.
    pub correlation: String,
}

/// One record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number.
    pub number: i64,
    /// The record as JSON, byte for byte.
    pub record: String,
    /// Over the hash before it and the record.
    pub hash: Vec<u8>,
}

/// The hash of a record behind a hash; the first one stands behind nothing.
pub fn chained(before: &[u8], record: &str) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update((before.len() as u64).to_be_bytes());
    hash.update(before);
    hash.update(record.as_bytes());
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_every_record_and_on_where_each_ends() {
        let chain =
            |records: &[&str]| records.iter().fold(Vec::new(), |before, record| chained(&before, record));

        let whole = chain(&["a", "b", "c"]);

        for other in [&["a", "B", "c"][..], &["a", "c"], &["b", "a", "c"], &["a", "b", "c", ""], &["ab", "c"]]
        {
            assert_ne!(chain(other), whole, "{other:?}");
        }
        assert_eq!(chain(&["a", "b", "c"]), whole);
    }
}
