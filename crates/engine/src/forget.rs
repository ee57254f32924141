//! Decides which snapshots go, then removes them. Their data goes with the next prune.

use crate::{EngineError, Job, Lock, Repo, check::release};
use jiff::{Timestamp, tz::TimeZone};
use repository::{FileKind, LockMode, Snapshot, SnapshotId};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use storage::StoreErrorKind;

/// Which snapshots stay. A snapshot stays when any rule wants it; numbers are "the newest of each of the last N".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeepRules {
    /// The last N.
    pub last: usize,
    /// The newest of each of the last N hours that have one.
    pub hourly: usize,
    /// The same for days.
    pub daily: usize,
    /// The same for weeks that begin on Monday (ISO 8601).
    pub weekly: usize,
    /// The same for months.
    pub monthly: usize,
    /// The same for years.
    pub yearly: usize,
    /// All that are not older than this.
    pub newer_than: Option<Timestamp>,
    /// All that carry one of these tags.
    pub tags: BTreeSet<String>,
}

impl KeepRules {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What forget will do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ForgetPlan {
    /// Snapshots that go, oldest first.
    pub remove: Vec<(SnapshotId, Snapshot)>,
    /// Snapshots that stay, oldest first, each with the reasons.
    pub keep: Vec<(SnapshotId, Snapshot, Vec<String>)>,
}

/// What forget did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForgetReport {
    /// Snapshots that are gone.
    pub removed: Vec<SnapshotId>,
    /// Snapshots that the store's retention still keeps; forget them again later.
    pub later: Vec<SnapshotId>,
}

/// Plans to remove exactly these snapshots. One that is not there is an error, so that a typo is noticed.
pub fn plan_ids(all: Vec<(SnapshotId, Snapshot)>, ids: &[SnapshotId]) -> Result<ForgetPlan, EngineError> {
    let wanted: HashSet<SnapshotId> = ids.iter().copied().collect();
    let (remove, keep): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| wanted.contains(id));
    let found: HashSet<SnapshotId> = remove.iter().map(|(id, _)| *id).collect();
    match wanted.iter().find(|id| !found.contains(id)) {
        Some(id) => Err(EngineError::NoSuchSnapshot { id: id.to_string() }),
        None => {
            let keep =
                keep.into_iter().map(|(id, snapshot)| (id, snapshot, vec!["not named".to_owned()])).collect();
            Ok(ForgetPlan { remove, keep })
        }
    }
}

/// Plans by rules; hours, days and so on are those of `zone`. Rules that keep nothing at all are an error.
pub fn plan_rules(
    all: Vec<(SnapshotId, Snapshot)>,
    rules: &KeepRules,
    zone: &TimeZone,
) -> Result<ForgetPlan, EngineError> {
    if rules.is_empty() {
        return Err(EngineError::NothingKept);
    }
    let mut all = all;
    all.sort_by_key(|(id, snapshot)| (snapshot.time, *id));
    let mut reasons: BTreeMap<SnapshotId, Vec<String>> = BTreeMap::new();
    for (index, (id, snapshot)) in all.iter().rev().enumerate() {
        let mut note = |reason: &str| reasons.entry(*id).or_default().push(reason.to_owned());
        if index < rules.last {
            note("one of the last");
        }
        if rules.newer_than.is_some_and(|limit| snapshot.time >= limit) {
            note("new enough");
        }
        if snapshot.tags.iter().any(|tag| rules.tags.contains(tag)) {
            note("has a tag that is kept");
        }
    }
    for (reason, count, bucket) in buckets(rules) {
        let mut seen = BTreeSet::new();
        for (id, snapshot) in all.iter().rev() {
            if seen.len() >= count {
                break;
            }
            if seen.insert(bucket(&snapshot.time.to_zoned(zone.clone()))) {
                reasons.entry(*id).or_default().push(reason.to_owned());
            }
        }
    }
    let mut plan = ForgetPlan::default();
    for (id, snapshot) in all {
        match reasons.remove(&id) {
            Some(reasons) => plan.keep.push((id, snapshot, reasons)),
            None => plan.remove.push((id, snapshot)),
        }
    }
    Ok(plan)
}

type Bucket = fn(&jiff::Zoned) -> String;

fn buckets(rules: &KeepRules) -> [(&'static str, usize, Bucket); 5] {
    let week: Bucket = |time| {
        let week = time.date().iso_week_date();
        format!("{}-{}", week.year(), week.week())
    };
    [
        ("newest of its hour", rules.hourly, |time| time.strftime("%Y-%m-%d %H %z").to_string()),
        ("newest of its day", rules.daily, |time| time.strftime("%Y-%m-%d").to_string()),
        ("newest of its week", rules.weekly, week),
        ("newest of its month", rules.monthly, |time| time.strftime("%Y-%m").to_string()),
        ("newest of its year", rules.yearly, |time| time.strftime("%Y").to_string()),
    ]
}

/// Removes the snapshots of the plan under an exclusive lock.
pub async fn execute(repo: &Repo, plan: &ForgetPlan, job: &Job) -> Result<ForgetReport, EngineError> {
    let lock = Lock::acquire(repo, LockMode::Exclusive, job.clock.clone()).await?;
    let done = remove(repo, plan, job, &lock).await;
    release(Some(lock), done).await
}

async fn remove(repo: &Repo, plan: &ForgetPlan, job: &Job, lock: &Lock) -> Result<ForgetReport, EngineError> {
    let mut report = ForgetReport::default();
    for (id, _) in &plan.remove {
        if job.cancel.is_cancelled() {
            return Err(EngineError::Cancelled);
        }
        lock.check()?;
        match repo.delete(FileKind::Snapshot, id).await {
            Ok(()) => report.removed.push(*id),
            Err(EngineError::Store(error)) if error.kind == StoreErrorKind::Retained => {
                report.later.push(*id)
            }
            Err(error) => return Err(error),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use repository::TreeId;

    fn snapshots(times: &[&str]) -> Vec<(SnapshotId, Snapshot)> {
        let one = |text: &&str| {
            (SnapshotId::of(text.as_bytes()), Snapshot::new(text.parse().unwrap(), TreeId::of(b"")))
        };
        times.iter().map(one).collect()
    }

    fn kept(times: &[&str], rules: &KeepRules) -> Vec<String> {
        let plan = plan_rules(snapshots(times), rules, &TimeZone::UTC).unwrap();
        assert_eq!(plan.keep.len() + plan.remove.len(), times.len());
        plan.keep.iter().map(|(_, snapshot, _)| snapshot.time.strftime("%y%m%d.%H").to_string()).collect()
    }

    const TIMES: [&str; 7] = [
        "2024-12-29T10:00:00Z", // Sunday, ISO week 2024-52
        "2024-12-30T09:00:00Z", // Monday, ISO week 2025-1
        "2025-01-01T08:00:00Z",
        "2025-01-01T09:00:00Z",
        "2025-01-05T23:59:59Z", // Sunday, ISO week 2025-1
        "2025-01-06T00:00:00Z",
        "2025-02-01T00:00:00Z",
    ];

    #[test]
    fn rules_keep_the_newest_of_each_period() {
        let cases = [
            (KeepRules { last: 2, ..KeepRules::default() }, vec!["250106.00", "250201.00"]),
            (KeepRules { hourly: 1, ..KeepRules::default() }, vec!["250201.00"]),
            (
                KeepRules { daily: 4, ..KeepRules::default() },
                vec!["250101.09", "250105.23", "250106.00", "250201.00"],
            ),
            (
                KeepRules { weekly: 9, ..KeepRules::default() },
                vec!["241229.10", "250105.23", "250106.00", "250201.00"],
            ),
            (KeepRules { monthly: 2, ..KeepRules::default() }, vec!["250106.00", "250201.00"]),
            (KeepRules { yearly: 9, ..KeepRules::default() }, vec!["241230.09", "250201.00"]),
            (
                KeepRules {
                    newer_than: Some("2025-01-06T00:00:00Z".parse().unwrap()),
                    ..KeepRules::default()
                },
                vec!["250106.00", "250201.00"],
            ),
        ];

        for (rules, expected) in cases {
            assert_eq!(kept(&TIMES, &rules), expected, "{rules:?}");
        }
    }

    #[test]
    fn a_tag_keeps_and_rules_without_any_number_are_refused() {
        let mut all = snapshots(&TIMES);
        all[0].1.tags.push("hold".into());
        let rules = KeepRules { last: 1, tags: BTreeSet::from(["hold".to_owned()]), ..KeepRules::default() };

        let plan = plan_rules(all.clone(), &rules, &TimeZone::UTC).unwrap();

        assert_eq!(plan.keep.len(), 2);
        assert!(plan_rules(all, &KeepRules::default(), &TimeZone::UTC).is_err());
    }

    #[test]
    fn days_are_those_of_the_zone() {
        let times = ["2025-06-01T21:30:00Z", "2025-06-01T22:30:00Z"];
        let rules = KeepRules { daily: 9, ..KeepRules::default() };
        let berlin = TimeZone::fixed(jiff::tz::offset(2));

        let plan = plan_rules(snapshots(&times), &rules, &berlin).unwrap();

        assert_eq!(plan.keep.len(), 2);
        assert_eq!(kept(&times, &rules).len(), 1);
    }

    #[test]
    fn an_unknown_id_is_an_error() {
        let all = snapshots(&TIMES);
        let known = all[3].0;

        let plan = plan_ids(all.clone(), &[known]).unwrap();

        assert_eq!(plan.remove.len(), 1);
        assert!(plan_ids(all, &[known, SnapshotId::of(b"typo")]).is_err());
    }
}
