//! A backup policy from a schedule and how long recovery points live.

use super::{DATASOURCE_TYPE, invalid};
use crate::Error;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

/// How often backups are made at all.
const INTERVALS: [&str; 5] = ["PT4H", "PT6H", "PT8H", "PT12H", "P1D"];
const WEIGHT_OF_DEFAULT: u32 = 99;

/// Which recovery points a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The first successful one of each day.
    Day,
    /// Of each week.
    Week,
    /// Of each month.
    Month,
    /// Of each year.
    Year,
}

impl First {
    /// Tag, criterion and priority, as the original's clients write them.
    fn names(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::Day => ("Daily", "FirstOfDay", 25),
            Self::Week => ("Weekly", "FirstOfWeek", 20),
            Self::Month => ("Monthly", "FirstOfMonth", 15),
            Self::Year => ("Yearly", "FirstOfYear", 10),
        }
    }
}

/// How long tagged recovery points live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// In the operational tier; as long as all others when absent.
    pub operational: Option<String>,
    /// In the vault tier; not copied there when absent.
    pub vault: Option<String>,
}

/// A policy as a person asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// An interval as ISO 8601 writes it: PT4H, PT6H, PT8H, PT12H or P1D.
    pub interval: String,
    /// When the first backup is due; several for several times of day.
    pub starts: Vec<String>,
    /// The zone of the starts, by the names of Windows or IANA.
    pub time_zone: String,
    /// How long untagged recovery points live.
    pub retention: String,
    /// Rules for tagged ones.
    pub tagged: Vec<(First, Retention)>,
}

impl Policy {
    /// The policy that the original offers where there is no vault tier: every four hours, for a week.
    pub fn usual(now: Timestamp) -> Self {
        Self {
            interval: "PT4H".to_owned(),
            starts: vec![usual_start(now)],
            time_zone: "UTC".to_owned(),
            retention: "P7D".to_owned(),
            tagged: Vec::new(),
        }
    }

    /// The body of the request.
    pub fn json(&self) -> Result<Value, Error> {
        let interval = self.interval.to_uppercase();
        if !INTERVALS.contains(&interval.as_str()) {
            return Err(invalid(format!(
                "{:?} is no interval of backups; there are {}",
                self.interval,
                INTERVALS.join(", ")
            )));
        }
        let intervals = self.starts.iter().map(|start| Ok(format!("R/{}/{interval}", start_time(start)?)));
        let intervals: Vec<String> = intervals.collect::<Result<_, Error>>()?;
        if intervals.is_empty() {
            return Err(invalid("a schedule needs a start"));
        }
        let rule = if interval == "P1D" { "BackupDaily" } else { "BackupHourly" };
        let mut tagging = Vec::new();
        let mut retentions = Vec::new();
        for (first, retention) in &self.tagged {
            let (tag, criterion, priority) = first.names();
            tagging.push(tagging_criteria(tag, Some(criterion), priority));
            let operational = retention.operational.as_deref().unwrap_or(&self.retention);
            let vault = retention.vault.as_deref();
            retentions.push(retention_rule(tag, false, lifecycles(operational, vault)?));
        }
        tagging.push(tagging_criteria("Default", None, WEIGHT_OF_DEFAULT));
        retentions.push(retention_rule("Default", true, lifecycles(&self.retention, None)?));
        let mut rules = vec![backup_rule(rule, &intervals, &self.time_zone, &tagging)];
        rules.extend(retentions);
        Ok(whole(&rules))
    }
}

/// A policy of these rules.
pub(super) fn whole(rules: &[Value]) -> Value {
    json!({"properties": {
        "objectType": "BackupPolicy",
        "datasourceTypes": [DATASOURCE_TYPE],
        "policyRules": rules,
    }})
}

pub(super) fn backup_rule(name: &str, intervals: &[String], time_zone: &str, tagging: &[Value]) -> Value {
    json!({
        "objectType": "AzureBackupRule",
        "name": name,
        "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
        "dataStore": store("OperationalStore"),
        "trigger": {
            "objectType": "ScheduleBasedTriggerContext",
            "schedule": {"repeatingTimeIntervals": intervals, "timeZone": time_zone},
            "taggingCriteria": tagging,
        },
    })
}

pub(super) fn tagging_criteria(tag: &str, criterion: Option<&str>, priority: u32) -> Value {
    let mut tagging = json!({
        "isDefault": criterion.is_none(),
        "taggingPriority": priority,
        "tagInfo": {"tagName": tag, "id": format!("{tag}_")},
    });
    if let (Some(criterion), Some(members)) = (criterion, tagging.as_object_mut()) {
        let criteria =
            json!([{"objectType": "ScheduleBasedBackupCriteria", "absoluteCriteria": [criterion]}]);
        members.insert("criteria".to_owned(), criteria);
    }
    tagging
}

pub(super) fn retention_rule(name: &str, is_default: bool, lifecycles: Vec<Value>) -> Value {
    json!({
        "objectType": "AzureRetentionRule",
        "name": name,
        "isDefault": is_default,
        "lifecycles": lifecycles,
    })
}

/// The life in the operational tier and, with a copy at once, in the vault tier.
fn lifecycles(operational: &str, vault: Option<&str>) -> Result<Vec<Value>, Error> {
    let copies = match vault {
        Some(_) => {
            json!([{"copyAfter": {"objectType": "ImmediateCopyOption"}, "dataStore": store("VaultStore")}])
        }
        None => json!([]),
    };
    let mut all = vec![lifecycle("OperationalStore", operational, copies)?];
    if let Some(vault) = vault {
        all.push(lifecycle("VaultStore", vault, json!([]))?);
    }
    Ok(all)
}

pub(super) fn lifecycle(source: &str, duration: &str, copies: Value) -> Result<Value, Error> {
    Ok(json!({
        "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": retention(duration)?},
        "sourceDataStore": store(source),
        "targetDataStoreCopySettings": copies,
    }))
}

pub(super) fn store(kind: &str) -> Value {
    json!({"objectType": "DataStoreInfoBase", "dataStoreType": kind})
}

/// Days, weeks, months or years as ISO 8601 writes them.
fn retention(text: &str) -> Result<String, Error> {
    let upper = text.to_uppercase();
    let span: Option<Span> = upper.parse().ok();
    let whole_days = span.filter(|span| {
        let calendar =
            [span.get_days() != 0, span.get_weeks() != 0, span.get_months() != 0, span.get_years() != 0];
        span.is_positive() && calendar.contains(&true) && !upper.contains('T')
    });
    match whole_days {
        Some(_) => Ok(upper),
        None => Err(invalid(format!("{text:?} is no retention; write days, months or years: P7D, P3M, P1Y"))),
    }
}

/// A point in time, with a zone or in the zone of the schedule, as the service writes it.
fn start_time(text: &str) -> Result<String, Error> {
    if let Ok(time) = text.parse::<Timestamp>() {
        let offset = text.get(10..).and_then(|rest| rest.rfind(['+', '-'])).map(|at| at + 10);
        let kept = offset.map(|_| text.to_owned());
        return Ok(kept.unwrap_or_else(|| time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()));
    }
    match text.parse::<jiff::civil::DateTime>() {
        Ok(time) => Ok(time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()),
        Err(_) => Err(invalid(format!("{text:?} is no point in time such as 2026-05-05T08:00:00+00:00"))),
    }
}

/// The next full hour.
pub fn usual_start(now: Timestamp) -> String {
    let next = now.as_second().div_euclid(3600).saturating_add(1).saturating_mul(3600);
    let next = Timestamp::from_second(next).unwrap_or(now);
    next.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documented() -> Value {
        serde_json::from_str(include_str!("../../tests/documented/policy.json")).unwrap()
    }

    #[test]
    fn the_usual_policy_is_the_documented_one_without_the_vault_tier() {
        let mut policy = Policy::usual("2024-05-05T07:12:00Z".parse().unwrap());

        let mut without = documented();
        let rules = without["properties"]["policyRules"].as_array_mut().unwrap();
        rules.retain(|rule| rule["name"] != "Daily");
        rules[0]["trigger"]["taggingCriteria"].as_array_mut().unwrap().remove(0);
        assert_eq!(policy.json().unwrap(), without);
        let both = Retention { operational: Some("P7D".to_owned()), vault: Some("P84D".to_owned()) };
        policy.tagged = vec![(First::Day, both)];
        assert_eq!(policy.json().unwrap(), documented(), "who asks for both tiers writes both");
        policy.starts = vec!["2024-05-05T08:00:00".to_owned()];
        assert_eq!(policy.json().unwrap(), documented());
    }

    #[test]
    fn a_rule_without_a_life_of_its_own_lives_as_long_as_the_others() {
        let mut policy = Policy::usual(Timestamp::UNIX_EPOCH);
        let only_vault = Retention { operational: None, vault: Some("P1Y".to_owned()) };
        policy.interval = "p1d".to_owned();
        policy.tagged = vec![(First::Month, only_vault)];

        let body = policy.json().unwrap();

        let rules = body.pointer("/properties/policyRules").unwrap();
        assert_eq!(rules[0]["name"], "BackupDaily");
        assert_eq!(rules[1]["lifecycles"][0]["deleteAfter"]["duration"], "P7D");
        assert_eq!(rules[1]["lifecycles"][1]["deleteAfter"]["duration"], "P1Y");
        assert_eq!(rules[0]["trigger"]["taggingCriteria"][0]["taggingPriority"], 15);
    }

    #[test]
    fn what_means_nothing_is_refused_with_what_would() {
        type Change = fn(&mut Policy);
        let wrong: [(&str, Change); 5] = [
            ("no interval", |policy| policy.interval = "PT5H".into()),
            ("no retention", |policy| policy.retention = "PT7H".into()),
            ("no retention", |policy| policy.retention = "7".into()),
            ("no point in time", |policy| policy.starts = vec!["tomorrow".into()]),
            ("needs a start", |policy| policy.starts.clear()),
        ];

        for (said, spoil) in wrong {
            let mut policy = Policy::usual(Timestamp::UNIX_EPOCH);
            spoil(&mut policy);
            let error = policy.json().unwrap_err().to_string();
            assert!(error.contains(said), "{said}: {error}");
        }
    }

    #[test]
    fn the_offset_of_a_start_is_kept() {
        assert_eq!(start_time("2024-05-05T08:00:00+05:30").unwrap(), "2024-05-05T08:00:00+05:30");
        assert_eq!(start_time("2024-05-05T08:00:00Z").unwrap(), "2024-05-05T08:00:00+00:00");
    }
}
