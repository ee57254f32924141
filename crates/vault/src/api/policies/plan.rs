//! What a policy means: when backups are due, which tag each one gets, how long it lives. The scheduler reads policies
//! through this alone, and a PUT takes none that cannot be read so.

use super::rules;
use crate::protect::quotas::Quotas;
use arm::{ArmError, Faults, dataprotection::BackupPolicy};
use protection::policy::{Lifetime, Schedule, TagRule, combinations, tag_when};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a policy means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Name of the backup rule: scheduled backups carry it, backups on demand call it.
    pub rule: String,
    /// When backups are due, in the policy's time zone.
    pub schedule: Schedule,
    /// Which tag a recovery point gets (`protection::policy::tag_for`).
    pub tags: Vec<TagRule>,
    /// How long recovery points of each tag live. Every tag of `tags` is in it; others can be asked for on demand.
    pub retention: BTreeMap<String, Retention>,
}

/// How long a recovery point lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// In the operational tier.
    pub operational: Lifetime,
}

/// Reads the `properties` of a policy as they are kept: what an operator's limits were when it was put does not matter.
pub fn parsed(properties: &Value) -> Result<Plan, ArmError> {
    let mut faults = Faults::default();
    let policy = BackupPolicy::of(properties)?;
    let plan = rules::read(&policy, "", &Quotas::of_what_is_kept(), &mut faults);
    faults.end().map(|()| plan)
}

impl Plan {
    /// How long a recovery point of a tag lives; names match in any case.
    pub fn retention(&self, tag: &str) -> Option<&Retention> {
        let folded = || self.retention.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
        self.retention.get(tag).or_else(|| folded().map(|(_, retention)| retention))
    }

    /// The first tag whose recovery points would live shorter than under another plan: those that are asked for by the tag,
    /// and those that the schedule would have given it and that get another one now.
    pub fn shortens(&self, before: &Self) -> Option<String> {
        let is_shorter = |tag: &str, was: &Retention| {
            self.retention(tag).is_none_or(|is| is.operational < was.operational)
        };
        let of_tag = before.retention.iter().find(|(tag, was)| is_shorter(tag, was));
        of_tag.map(|(tag, _)| tag.clone()).or_else(|| {
            let mut combinations = combinations();
            combinations.find_map(|first_of| {
                let was = tag_when(&before.tags, |marker| first_of.contains(marker))?;
                let lived = before.retention(&was.tag)?;
                let is = tag_when(&self.tags, |marker| first_of.contains(marker));
                is.is_none_or(|is| is_shorter(&is.tag, lived)).then(|| was.tag.clone())
            })
        })
    }
}
