//! Lock files: who is working in the repository.

use crate::{FormatError, MasterKey, Nonce, limits, unpacked};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

const WHAT: &str = "a lock file";

/// What a lock forbids to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Others may write, nobody may delete.
    Shared,
    /// Nobody else may write or delete.
    Exclusive,
}

/// The content of a file under `locks/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    /// When the lock was made or last refreshed.
    #[serde(with = "crate::time")]
    pub time: Timestamp,
    #[serde(default)]
    exclusive: bool,
    /// Name of the machine.
    #[serde(default)]
    pub hostname: String,
    /// Name of the user.
    #[serde(default)]
    pub username: String,
    /// Process id on that machine.
    #[serde(default)]
    pub pid: i64,
    /// User id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// Group id.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
}

fn is_zero(id: &u32) -> bool {
    *id == 0
}

impl LockFile {
    /// After this long without a refresh a lock no longer counts.
    pub const STALE_AFTER: SignedDuration = SignedDuration::from_mins(30);

    /// A lock taken at `time`.
    pub fn new(mode: LockMode, time: Timestamp, hostname: String, username: String, pid: i64) -> Self {
        Self { time, exclusive: mode == LockMode::Exclusive, hostname, username, pid, uid: 0, gid: 0 }
    }

    /// What the lock forbids.
    pub fn mode(&self) -> LockMode {
        if self.exclusive { LockMode::Exclusive } else { LockMode::Shared }
    }

    /// Whether its owner has been silent for too long. A lock from the future is not stale.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        now.duration_since(self.time) > Self::STALE_AFTER
    }

    /// Whether a lock of `mode` must not be taken while this one stands.
    pub fn forbids(&self, mode: LockMode) -> bool {
        self.exclusive || mode == LockMode::Exclusive
    }

    /// The stored bytes of the file.
    pub fn encode(&self, key: &MasterKey, nonce: Nonce) -> Result<Vec<u8>, FormatError> {
        unpacked::encode(key, nonce, self, WHAT)
    }

    /// The lock from the stored bytes of the file.
    pub fn decode(key: &MasterKey, sealed: &[u8]) -> Result<Self, FormatError> {
        unpacked::decode(key, sealed, limits::LOCK, WHAT)
    }

    /// The lock from the opened bytes of the file.
    pub fn from_plain(plain: &[u8]) -> Result<Self, FormatError> {
        unpacked::from_plain(plain, limits::LOCK, WHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_survives_its_file_and_grows_stale() {
        let key = MasterKey::random(&mut rand::rng());
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let lock = LockFile::new(LockMode::Shared, time, "host".into(), "user".into(), 7);

        let sealed = lock.encode(&key, Nonce::random(&mut rand::rng())).unwrap();

        assert_eq!(LockFile::decode(&key, &sealed).unwrap(), lock);
        assert!(!lock.is_stale(time + SignedDuration::from_mins(30)));
        assert!(lock.is_stale(time + SignedDuration::from_mins(31)));
        assert!(!lock.is_stale(time - SignedDuration::from_hours(9)));
    }

    #[test]
    fn only_two_shared_locks_stand_side_by_side() {
        let lock = |mode| LockFile::new(mode, Timestamp::UNIX_EPOCH, String::new(), String::new(), 1);

        assert!(!lock(LockMode::Shared).forbids(LockMode::Shared));
        assert!(lock(LockMode::Shared).forbids(LockMode::Exclusive));
        assert!(lock(LockMode::Exclusive).forbids(LockMode::Shared));
        assert!(lock(LockMode::Exclusive).forbids(LockMode::Exclusive));
    }
}
