//! What the rules of a policy for clusters may be. Source: the documented limits and tags of cluster backup.

use super::plan::{Plan, Retention};
use crate::{
    api::limits::{INTERVAL_HOURS, SHORTEST_INTERVAL_MINUTES},
    protect::quotas::Quotas,
};
use arm::{
    ArmError, Faults,
    dataprotection::{
        AbsoluteMarker, BackupPolicy, BackupRule, CLUSTERS, PolicyRule, RetentionRule, SourceLifeCycle,
        StoreType, TaggingCriteria,
    },
};
use jiff::tz::TimeZone;
use protection::policy::{Lifetime, Marker, RepeatingInterval, Schedule, TagRule, zone};
use std::collections::{BTreeMap, BTreeSet};

const MINUTES_OF_A_DAY: u32 = 24 * 60;
const DAY: i64 = MINUTES_OF_A_DAY as i64;
/// More intervals would not fit into a day.
const MOST_INTERVALS: usize = 6;
const LONGEST_NAME: usize = 150;
const PRIORITIES: std::ops::RangeInclusive<i64> = 1..=999;

/// Where a fault is: paths begin with what stands before the policy's fields in the request; and what the operator allows.
struct At<'a>(&'a str, &'a mut Faults, &'a Quotas);

impl At<'_> {
    fn note(&mut self, path: &str, reason: impl std::fmt::Display) {
        self.1.note(ArmError::invalid_field(&format!("{}{path}", self.0), reason));
    }
}

/// The plan of a policy; what is wrong with it is noted, and the plan is then of no use.
pub fn read(policy: &BackupPolicy, before: &str, quotas: &Quotas, faults: &mut Faults) -> Plan {
    let mut at = At(before, faults, quotas);
    let is_clusters = |kind: &String| kind.eq_ignore_ascii_case(CLUSTERS);
    if policy.datasource_types.len() != 1 || !policy.datasource_types.iter().all(is_clusters) {
        at.note("datasourceTypes", format!("must be [\"{CLUSTERS}\"]: this vault protects clusters only"));
    }
    let (mut backups, mut retentions) = (Vec::new(), Vec::new());
    for (number, rule) in policy.policy_rules.iter().enumerate() {
        let path = format!("policyRules[{number}]");
        match rule {
            PolicyRule::AzureBackupRule(rule) => backups.push((path, rule)),
            PolicyRule::AzureRetentionRule(rule) => retentions.push((path, rule)),
        }
    }
    let retention = retention_of_all(&retentions, &mut at);
    let mut plan = Plan {
        rule: String::new(),
        schedule: Schedule { intervals: Vec::new(), zone: TimeZone::UTC },
        tags: Vec::new(),
        retention,
    };
    match backups.as_slice() {
        [(path, rule)] => {
            check_rule(path, rule, &mut at);
            plan.rule.clone_from(&rule.name);
            plan.schedule = schedule(path, rule, &mut at);
            plan.tags = tags(path, rule, &retentions, &mut at);
        }
        others => at.note("policyRules", format!("has {} backup rules; exactly one is needed", others.len())),
    }
    plan
}

fn check_rule(path: &str, rule: &BackupRule, at: &mut At<'_>) {
    check_name(&format!("{path}.name"), &rule.name, at);
    if rule.data_store.data_store_type != StoreType::OperationalStore {
        at.note(
            &format!("{path}.dataStore.dataStoreType"),
            "must be OperationalStore: backups are made there first",
        );
    }
    if let Some(given) = &rule.backup_parameters
        && !given.backup_type.eq_ignore_ascii_case("Incremental")
    {
        at.note(&format!("{path}.backupParameters.backupType"), "must be Incremental");
    }
}

fn check_name(path: &str, name: &str, at: &mut At<'_>) {
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        at.note(path, format!("must have at most {LONGEST_NAME} characters, and no control character"));
    }
}

fn schedule(path: &str, rule: &BackupRule, at: &mut At<'_>) -> Schedule {
    let given = &rule.trigger.schedule;
    let path = format!("{path}.trigger.schedule");
    let named = given.time_zone.as_deref().filter(|name| !name.is_empty()).unwrap_or("UTC");
    let zone = zone(named).unwrap_or_else(|| {
        let named: String = named.chars().take(60).collect();
        let reason = format!(
            "'{named}' is no time zone; write a Windows or an IANA name, such as UTC or Europe/Berlin"
        );
        at.note(&format!("{path}.timeZone"), reason);
        TimeZone::UTC
    });
    if given.repeating_time_intervals.len() > MOST_INTERVALS {
        let reason = format!(
            "has {} entries; at most {MOST_INTERVALS} are taken",
            given.repeating_time_intervals.len()
        );
        at.note(&format!("{path}.repeatingTimeIntervals"), reason);
    }
    let mut intervals = Vec::new();
    for (number, text) in given.repeating_time_intervals.iter().enumerate().take(MOST_INTERVALS) {
        match interval(text, at.2.shortest_interval) {
            Ok(interval) => intervals.push(interval),
            Err(reason) => at.note(&format!("{path}.repeatingTimeIntervals[{number}]"), reason),
        }
    }
    let shortest = at.2.shortest_interval;
    if closest(&intervals, &zone).is_some_and(|minutes| minutes < i64::from(shortest)) {
        let reason = format!("lead to backups that are less than {} apart", hours_or_minutes(shortest));
        at.note(&format!("{path}.repeatingTimeIntervals"), reason);
    }
    Schedule { intervals, zone }
}

/// The documented distances, and below them, where the operator allows it, those that divide a day.
fn interval(text: &str, shortest: u32) -> Result<RepeatingInterval, String> {
    let interval: RepeatingInterval =
        text.parse().map_err(|error: protection::policy::IntervalError| error.to_string())?;
    let minutes = interval.period().minutes();
    let is_documented = minutes.is_multiple_of(60) && INTERVAL_HOURS.contains(&(minutes / 60));
    let is_shorter = minutes < SHORTEST_INTERVAL_MINUTES && MINUTES_OF_A_DAY.is_multiple_of(minutes);
    if minutes >= shortest && (is_documented || is_shorter) {
        return Ok(interval);
    }
    let allowed: Vec<String> = INTERVAL_HOURS
        .iter()
        .filter(|hours| **hours * 60 >= shortest)
        .map(|hours| format!("PT{hours}H"))
        .collect();
    let below = match shortest < SHORTEST_INTERVAL_MINUTES {
        true => format!(", or at what divides a day, from {} on", hours_or_minutes(shortest)),
        false => String::new(),
    };
    Err(format!(
        "repeats every {}; a cluster is backed up every {}{below}",
        interval.period(),
        allowed.join(", ")
    ))
}

fn hours_or_minutes(minutes: u32) -> String {
    if minutes.is_multiple_of(60) { format!("{} hours", minutes / 60) } else { format!("{minutes} minutes") }
}

/// The shortest distance of two different slots on a day without change of clocks, in minutes.
fn closest(intervals: &[RepeatingInterval], zone: &TimeZone) -> Option<i64> {
    let mut slots = BTreeSet::new();
    for interval in intervals {
        let period = i64::from(interval.period().minutes());
        let time = zone.to_datetime(interval.start()).time();
        let first = (i64::from(time.hour()) * 60 + i64::from(time.minute())) % period;
        slots.extend((0..DAY / period).map(|number| first + number * period));
    }
    let sorted: Vec<i64> = slots.into_iter().collect();
    let around = sorted.iter().skip(1).copied().chain(sorted.first().map(|first| first + DAY));
    sorted.iter().zip(around).map(|(slot, next)| next - slot).min()
}

fn tags(
    path: &str,
    rule: &BackupRule,
    retentions: &[(String, &RetentionRule)],
    at: &mut At<'_>,
) -> Vec<TagRule> {
    let criteria = &rule.trigger.tagging_criteria;
    let path = format!("{path}.trigger.taggingCriteria");
    let defaults = criteria.iter().filter(|one| one.is_default).count();
    if defaults != 1 && !criteria.is_empty() {
        at.note(&path, format!("has {defaults} default entries; exactly one is needed"));
    }
    let last = criteria.iter().find(|one| one.is_default).map(|one| one.tagging_priority);
    let (mut names, mut priorities) = (BTreeSet::new(), BTreeSet::new());
    for (number, one) in criteria.iter().enumerate() {
        let path = format!("{path}[{number}]");
        if !names.insert(one.tag_info.tag_name.to_lowercase()) {
            at.note(
                &format!("{path}.tagInfo.tagName"),
                format!("'{}' is there twice", one.tag_info.tag_name),
            );
        }
        if !PRIORITIES.contains(&one.tagging_priority) {
            at.note(&format!("{path}.taggingPriority"), "must be 1 to 999; the smallest wins");
        } else if !priorities.insert(one.tagging_priority) {
            at.note(&format!("{path}.taggingPriority"), format!("{} is there twice", one.tagging_priority));
        } else if !one.is_default && last.is_some_and(|last| last < one.tagging_priority) {
            at.note(&format!("{path}.taggingPriority"), "must be smaller than that of the default entry");
        }
        check_markers(&path, one, at);
        check_rule_of_tag(&path, one, retentions, at);
    }
    criteria.iter().map(tag_rule).collect()
}

fn check_markers(path: &str, one: &TaggingCriteria, at: &mut At<'_>) {
    let markers = markers(one);
    if one.is_default && markers.iter().any(|marker| *marker != AbsoluteMarker::AllBackup) {
        at.note(&format!("{path}.criteria"), "the default entry is for all other backups; leave it out");
    }
    if !one.is_default && markers.is_empty() {
        at.note(&format!("{path}.criteria"), "is required, with absoluteCriteria such as FirstOfDay");
    }
}

fn check_rule_of_tag(
    path: &str,
    one: &TaggingCriteria,
    retentions: &[(String, &RetentionRule)],
    at: &mut At<'_>,
) {
    let name = &one.tag_info.tag_name;
    let path = format!("{path}.tagInfo.tagName");
    match retentions.iter().find(|(_, rule)| rule.name.eq_ignore_ascii_case(name)) {
        None if !name.is_empty() => at.note(&path, format!("there is no retention rule '{name}'")),
        Some((_, rule)) if rule.is_default != one.is_default => {
            at.note(&path, format!("the entry and the retention rule '{name}' differ in isDefault"));
        }
        _ => {}
    }
}

fn markers(one: &TaggingCriteria) -> Vec<AbsoluteMarker> {
    one.criteria.iter().flatten().flat_map(|criteria| criteria.absolute_criteria.iter().copied()).collect()
}

fn tag_rule(one: &TaggingCriteria) -> TagRule {
    let marker = |marker| match marker {
        AbsoluteMarker::AllBackup => Marker::AllBackup,
        AbsoluteMarker::FirstOfDay => Marker::FirstOfDay,
        AbsoluteMarker::FirstOfWeek => Marker::FirstOfWeek,
        AbsoluteMarker::FirstOfMonth => Marker::FirstOfMonth,
        AbsoluteMarker::FirstOfYear => Marker::FirstOfYear,
    };
    TagRule {
        tag: one.tag_info.tag_name.clone(),
        priority: u32::try_from(one.tagging_priority).unwrap_or(u32::MAX),
        markers: markers(one).into_iter().map(marker).collect(),
        is_default: one.is_default,
    }
}

fn retention_of_all(rules: &[(String, &RetentionRule)], at: &mut At<'_>) -> BTreeMap<String, Retention> {
    let defaults = rules.iter().filter(|(_, rule)| rule.is_default).count();
    if defaults != 1 {
        at.note("policyRules", format!("has {defaults} default retention rules; exactly one is needed"));
    }
    let mut names = BTreeSet::new();
    let mut all = BTreeMap::new();
    for (path, rule) in rules {
        check_name(&format!("{path}.name"), &rule.name, at);
        if !names.insert(rule.name.to_lowercase()) {
            at.note(&format!("{path}.name"), format!("'{}' is there twice", rule.name));
        }
        if let Some(retention) = retention(path, rule, at) {
            all.insert(rule.name.clone(), retention);
        }
    }
    all
}

fn retention(path: &str, rule: &RetentionRule, at: &mut At<'_>) -> Option<Retention> {
    let mut operational = None;
    for (number, cycle) in rule.lifecycles.iter().enumerate() {
        let path = format!("{path}.lifecycles[{number}]");
        let life = lifetime(&format!("{path}.deleteAfter.duration"), &cycle.delete_after.duration, at);
        check_copies(&path, cycle, at);
        match cycle.source_data_store.data_store_type {
            StoreType::OperationalStore => {}
            // No new policy says so (`tiers`); one that was kept before loses nothing, for nothing was ever copied.
            StoreType::VaultStore => continue,
            StoreType::ArchiveStore => {
                at.note(&format!("{path}.sourceDataStore.dataStoreType"), "clusters have no archive tier");
                continue;
            }
        }
        if operational.replace(life).is_some() {
            at.note(&format!("{path}.sourceDataStore.dataStoreType"), "is there twice in this rule");
        }
        let most = at.2.operational_days;
        if life.is_some_and(|life| life.days() > most) {
            let reason = format!("is longer than {most} days, the most that the operational tier keeps");
            at.note(&format!("{path}.deleteAfter.duration"), reason);
        }
    }
    if operational.is_none() {
        at.note(&format!("{path}.lifecycles"), "needs one entry for the OperationalStore");
    }
    Some(Retention { operational: operational.flatten()? })
}

fn check_copies(path: &str, cycle: &SourceLifeCycle, at: &mut At<'_>) {
    let is_operational = cycle.source_data_store.data_store_type == StoreType::OperationalStore;
    for (number, copy) in cycle.target_data_store_copy_settings.iter().enumerate() {
        if !is_operational || copy.data_store.data_store_type != StoreType::VaultStore {
            at.note(
                &format!("{path}.targetDataStoreCopySettings[{number}].dataStore.dataStoreType"),
                "clusters are copied from OperationalStore to VaultStore only",
            );
        }
    }
}

fn lifetime(path: &str, text: &str, at: &mut At<'_>) -> Option<Lifetime> {
    match text.parse() {
        Ok(lifetime) => Some(lifetime),
        // A text that is missing was noted where the policy was read.
        Err(_) if text.is_empty() => None,
        Err(error) => {
            at.note(path, error);
            None
        }
    }
}

#[cfg(test)]
pub mod tests;
