//! Planned faults: a JSON file, read again at every call, that makes snapshots slow, fail or stay unready.
//!
//! ```json
//! {"snapshot": {"delayMs": 2000, "fail": "out of luck", "neverReady": true, "readyAfterMs": 5000, "match": "pvc-1"}}
//! ```
//!
//! `match` is a part of the source volume's id or of the snapshot's name; without it every snapshot
//! is meant. No file, or an empty one, means no faults.

use crate::error::Error;
use jiff::Timestamp;
use serde::Deserialize;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

/// Where the faults are written, if anywhere. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct FaultsFile(Option<PathBuf>);

/// What shall go wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Faults {
    /// With snapshots.
    #[serde(default)]
    pub snapshot: Option<SnapshotFaults>,
}

/// What shall go wrong with the snapshots that match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SnapshotFaults {
    /// Milliseconds to wait before the cut.
    pub delay_ms: u64,
    /// Fail with this message, after the wait.
    pub fail: Option<String>,
    /// Say "not ready" for as long as this is set.
    pub never_ready: bool,
    /// Say "not ready" until this many milliseconds after the cut.
    pub ready_after_ms: u64,
    /// A part of the source volume's id or of the snapshot's name.
    #[serde(rename = "match")]
    pub only: String,
}

impl FaultsFile {
    /// Faults from `path`, or never any.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// The faults that concern a snapshot called `name` of the volume `source`.
    pub fn snapshot(&self, source: &str, name: &str) -> Result<SnapshotFaults, Error> {
        let Some(path) = &self.0 else { return Ok(SnapshotFaults::default()) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(absent) if absent.kind() == ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::Io { doing: "reading the faults", path: path.clone(), source }),
        };
        if text.trim().is_empty() {
            return Ok(SnapshotFaults::default());
        }
        let faults: Faults =
            serde_json::from_str(&text).map_err(|source| Error::Damaged { path: path.clone(), source })?;
        Ok(faults.snapshot.filter(|f| source.contains(&f.only) || name.contains(&f.only)).unwrap_or_default())
    }
}

impl SnapshotFaults {
    /// How long to wait before the cut.
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Whether a snapshot cut at `created` may be called ready at `now`.
    pub fn ready(&self, created: Timestamp, now: Timestamp) -> bool {
        let age = now.duration_since(created).as_millis();
        !self.never_ready && age >= i128::from(self.ready_after_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::NamedTempFile, FaultsFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let faults = FaultsFile::new(Some(file.path().to_owned()));
        (file, faults)
    }

    #[test]
    fn only_matching_snapshots_are_faulty() {
        let (_kept, faults) = file(r#"{"snapshot": {"delayMs": 20, "fail": "no", "match": "vol-a"}}"#);

        let by_volume = faults.snapshot("vol-abc", "s").unwrap();
        let by_name = faults.snapshot("vol-x", "of-vol-a").unwrap();
        let other = faults.snapshot("vol-x", "s").unwrap();

        assert_eq!((by_volume.delay_ms, by_volume.fail.as_deref()), (20, Some("no")));
        assert_eq!(by_name, by_volume);
        assert_eq!(other, SnapshotFaults::default());
    }

    #[test]
    fn the_file_is_read_again_at_every_call() {
        let (kept, faults) = file("{\"snapshot\": {\"neverReady\": true}}");
        let before = faults.snapshot("v", "s").unwrap();

        std::fs::write(kept.path(), "").unwrap();
        let after = faults.snapshot("v", "s").unwrap();

        let cut = Timestamp::from_second(100).unwrap();
        assert!(!before.ready(cut, Timestamp::from_second(9999).unwrap()));
        assert!(after.ready(cut, cut));
    }

    #[test]
    fn readiness_can_lag_behind_the_cut() {
        let faults = SnapshotFaults { ready_after_ms: 5000, ..SnapshotFaults::default() };
        let cut = Timestamp::from_second(100).unwrap();

        let early = faults.ready(cut, Timestamp::from_second(104).unwrap());
        let late = faults.ready(cut, Timestamp::from_second(105).unwrap());

        assert_eq!((early, late), (false, true));
    }

    #[test]
    fn a_typo_in_the_file_is_an_error() {
        let (_kept, faults) = file(r#"{"snapshot": {"neverReddy": true}}"#);

        let answer = faults.snapshot("v", "s");

        assert!(answer.unwrap_err().to_string().contains("neverReddy"));
    }
}
