//! Judges from what was seen of one snapshot whether it is cut, failed or still under way. Pure.

use super::classify::{Failure, classify};
use crate::api::{VolumeSnapshot, VolumeSnapshotContent};
use jiff::Timestamp;
use protection::{Problem, code};
use std::time::Duration;

/// How long to wait for a snapshot to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For any snapshot.
    pub timeout: Duration,
    /// For one whose driver keeps reporting a failure that may pass.
    pub failing: Duration,
    /// For a group, before its claims are snapshotted one by one.
    pub group: Duration,
}

impl Default for Patience {
    /// 10 min, 60 s, 30 s.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(600),
            failing: Duration::from_secs(60),
            group: Duration::from_secs(30),
        }
    }
}

/// Everything that was seen of one snapshot.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub snapshot: Option<VolumeSnapshot>,
    pub content: Option<VolumeSnapshotContent>,
    /// How long ago it was requested.
    pub waited: Duration,
    /// How long ago its first failure was reported, when it reports one now.
    pub failing_for: Option<Duration>,
}

impl Seen {
    /// The failure that is reported now; the content's says more.
    pub fn failure(&self) -> Option<&str> {
        let content = self.content.as_ref().and_then(VolumeSnapshotContent::failure);
        content.or_else(|| self.snapshot.as_ref().and_then(VolumeSnapshot::failure))
    }
}

/// What is known about one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The storage system has cut it.
    Cut {
        /// Its handle.
        handle: String,
        /// When.
        cut: Timestamp,
        /// Bytes that a volume made from it needs.
        restore_size: Option<u64>,
        /// Name of its content.
        content: String,
    },
    /// It will not be cut any more.
    Failed(Problem),
    /// Not yet known.
    Waiting,
}

/// Judges one snapshot.
pub(super) fn judge(seen: &Seen, patience: &Patience) -> Verdict {
    if let Some(verdict) = cut(seen) {
        return verdict;
    }
    let failure = seen.failure();
    match failure.map(|message| (message, classify(message))) {
        Some((message, Failure::Final(code))) => return Verdict::Failed(failed(code, message)),
        Some((message, Failure::MayPass))
            if seen.failing_for.is_some_and(|time| time >= patience.failing) =>
        {
            return Verdict::Failed(failed(code::SNAPSHOT_FAILED, message));
        }
        Some(_) | None => {}
    }
    if seen.waited < patience.timeout {
        return Verdict::Waiting;
    }
    Verdict::Failed(timed_out(seen, failure))
}

fn cut(seen: &Seen) -> Option<Verdict> {
    let content = seen.content.as_ref()?;
    Some(Verdict::Cut {
        handle: content.handle()?.to_owned(),
        cut: content.cut()?,
        restore_size: content.restore_size(),
        content: content.metadata.name.clone()?,
    })
}

/// The problem of a snapshot that the driver or the snapshot controller refused.
pub(super) fn failed(code: &str, message: &str) -> Problem {
    let problem = Problem::warning(code, format!("The snapshot could not be made: {}", shortened(message)));
    match code {
        code::SNAPSHOT_LIMIT_REACHED => problem
            .fix("Shorten the retention of older recovery points, or raise the storage system's limit."),
        code::SNAPSHOT_DISALLOWED => {
            problem.fix("Exempt the snapshots from the policy that refused them, then back up again.")
        }
        code::NAMESPACE_NOT_FOUND => problem.fix("Nothing, if the namespace was deleted on purpose."),
        _ => problem.fix("Look at the log of the CSI driver's controller and back up again."),
    }
}

fn timed_out(seen: &Seen, failure: Option<&str>) -> Problem {
    let stage = match (&seen.snapshot, &seen.content) {
        (_, Some(_)) => "the CSI driver returned no snapshot handle",
        (Some(_), None) => "the snapshot controller did not take it up",
        (None, None) => "the request was not accepted",
    };
    let seconds = seen.waited.as_secs();
    let last = failure.map(|message| format!(" Last failure: {}", shortened(message))).unwrap_or_default();
    let message = format!("The snapshot was not cut within {seconds} s: {stage}.{last}");
    Problem::warning(code::SNAPSHOT_TIMED_OUT, message)
        .fix("Check the snapshot controller and the CSI driver's csi-snapshotter sidecar.")
        .fix("Raise snapshotTimeoutSeconds if the storage system is slow.")
}

/// At most 400 characters: drivers repeat whole requests in their errors.
fn shortened(message: &str) -> String {
    const MOST: usize = 400;
    let text = message.trim();
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn content(status: serde_json::Value) -> VolumeSnapshotContent {
        serde_json::from_value(json!({
            "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent",
            "metadata": {"name": "snapcontent-1"},
            "spec": {"deletionPolicy": "Retain", "driver": "d", "source": {"volumeHandle": "v"},
                     "volumeSnapshotRef": {"name": "s", "namespace": "n"}},
            "status": status,
        }))
        .unwrap()
    }

    fn seen(status: serde_json::Value, waited: u64, failing: Option<u64>) -> Seen {
        Seen {
            snapshot: None,
            content: Some(content(status)),
            waited: Duration::from_secs(waited),
            failing_for: failing.map(Duration::from_secs),
        }
    }

    #[test]
    fn a_snapshot_is_cut_when_its_content_has_handle_and_time() {
        let whole =
            json!({"snapshotHandle": "h", "creationTime": 1_700_000_000_000_000_000i64, "readyToUse": false});
        let rows = [
            (json!({}), false),
            (json!({"snapshotHandle": "h"}), false),
            (json!({"creationTime": 1_700_000_000_000_000_000i64}), false),
            (whole, true),
        ];

        for (status, is_cut) in rows {
            let verdict = judge(&seen(status.clone(), 0, None), &Patience::default());

            assert_eq!(matches!(verdict, Verdict::Cut { .. }), is_cut, "{status}");
        }
    }

    #[test]
    fn a_cut_snapshot_is_cut_even_after_the_timeout_and_despite_an_old_failure() {
        let status = json!({"snapshotHandle": "h", "creationTime": 1, "error": {"message": "slow upload"}});

        let verdict = judge(&seen(status, 9_999, Some(9_999)), &Patience::default());

        assert!(matches!(verdict, Verdict::Cut { .. }), "{verdict:?}");
    }

    #[test]
    fn failures_are_classified_and_only_lasting_ones_end_the_wait() {
        let error = |message: &str| json!({"error": {"message": message}});
        let rows = [
            (error("rpc error: code = Unavailable desc = try later"), 5, Some(5), None),
            (
                error("rpc error: code = Unavailable desc = try later"),
                61,
                Some(60),
                Some(code::SNAPSHOT_FAILED),
            ),
            (error("SnapshotLimitExceeded: 500 snapshots"), 1, Some(0), Some(code::SNAPSHOT_LIMIT_REACHED)),
            (error("RequestDisallowedByPolicy"), 1, Some(0), Some(code::SNAPSHOT_DISALLOWED)),
            (json!({}), 599, None, None),
            (json!({}), 600, None, Some(code::SNAPSHOT_TIMED_OUT)),
        ];

        for (status, waited, failing, expected) in rows {
            let verdict = judge(&seen(status.clone(), waited, failing), &Patience::default());

            let code = match verdict {
                Verdict::Failed(problem) => Some(problem.code),
                Verdict::Waiting => None,
                cut @ Verdict::Cut { .. } => panic!("{cut:?}"),
            };
            assert_eq!(code.as_deref(), expected, "{status} after {waited}");
        }
    }

    #[test]
    fn a_timeout_says_who_did_not_answer() {
        let nobody = Seen { waited: Duration::from_secs(600), ..Seen::default() };
        let driver = seen(json!({}), 600, None);

        let texts = [&nobody, &driver].map(|seen| match judge(seen, &Patience::default()) {
            Verdict::Failed(problem) => problem.message,
            other => panic!("{other:?}"),
        });

        assert!(texts[0].contains("not accepted") && texts[1].contains("no snapshot handle"), "{texts:?}");
    }
}
