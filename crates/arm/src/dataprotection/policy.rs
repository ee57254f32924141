//! Backup policies on the wire. Reading one collects every fault of its form; what its fields mean is not judged here.

use super::words::{AbsoluteMarker, StoreType};
use crate::{ArmError, Faults, Fields};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Rules of a policy, tags of a schedule, and the like: clusters need one backup rule and a retention rule per tag.
const MOST_RULES: usize = 100;
/// What one rule has of a kind: tiers, copies, criteria of a tag.
const MOST_IN_RULE: usize = 10;
/// Characters of names and other short texts of a policy.
const LONGEST_NAME: usize = 500;

/// `properties` of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "BackupPolicy", rename_all = "camelCase")]
pub struct BackupPolicy {
    /// For what kinds of datasources.
    pub datasource_types: Vec<String>,
    /// When, and for how long.
    pub policy_rules: Vec<PolicyRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType")]
pub enum PolicyRule {
    /// When.
    AzureBackupRule(BackupRule),
    /// For how long.
    AzureRetentionRule(RetentionRule),
}

/// When backups are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupRule {
    /// Its name, by which backups on demand call it.
    pub name: String,
    /// How.
    pub backup_parameters: Option<BackupParameters>,
    /// Into which tier.
    pub data_store: DataStore,
    /// When.
    pub trigger: Trigger,
}

/// How backups are made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "AzureBackupParams", rename_all = "camelCase")]
pub struct BackupParameters {
    /// `Incremental`.
    pub backup_type: String,
}

/// A tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "DataStoreInfoBase", rename_all = "camelCase")]
pub struct DataStore {
    /// Which.
    pub data_store_type: StoreType,
}

/// When a rule fires, and which tags its recovery points get.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "ScheduleBasedTriggerContext", rename_all = "camelCase")]
pub struct Trigger {
    /// When.
    pub schedule: BackupSchedule,
    /// Which tags.
    pub tagging_criteria: Vec<TaggingCriteria>,
}

/// Times.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSchedule {
    /// `R/<start>/<period>`.
    pub repeating_time_intervals: Vec<String>,
    /// Windows or IANA name.
    pub time_zone: Option<String>,
}

/// Which recovery points get a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaggingCriteria {
    /// Those that get no other.
    pub is_default: bool,
    /// The smallest wins.
    pub tagging_priority: i64,
    /// The tag.
    pub tag_info: RetentionTag,
    /// What makes a recovery point deserve it.
    pub criteria: Option<Vec<BackupCriteria>>,
}

/// A tag: the name of a retention rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionTag {
    /// Its name.
    pub tag_name: String,
    /// `<name>_`.
    pub id: String,
    /// Echoed.
    #[serde(rename = "eTag")]
    pub e_tag: Option<String>,
}

/// What makes a recovery point deserve a tag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "ScheduleBasedBackupCriteria", rename_all = "camelCase")]
pub struct BackupCriteria {
    /// The only kind that clusters have.
    pub absolute_criteria: Vec<AbsoluteMarker>,
}

/// For how long recovery points of a tag are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionRule {
    /// The tag.
    pub name: String,
    /// For those without another tag.
    pub is_default: bool,
    /// One per tier.
    pub lifecycles: Vec<SourceLifeCycle>,
}

/// The life of a recovery point in a tier.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceLifeCycle {
    /// How long.
    pub delete_after: DeleteOption,
    /// In which tier.
    pub source_data_store: DataStore,
    /// Where it is copied to.
    pub target_data_store_copy_settings: Vec<TargetCopySetting>,
}

/// How long.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType", rename = "AbsoluteDeleteOption", rename_all = "camelCase")]
pub struct DeleteOption {
    /// `P7D` and the like.
    pub duration: String,
}

/// A copy into another tier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetCopySetting {
    /// When.
    pub copy_after: CopyOption,
    /// Into which.
    pub data_store: DataStore,
}

/// When a copy is made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "objectType")]
pub enum CopyOption {
    /// At once.
    #[default]
    ImmediateCopyOption,
    /// Later.
    CustomCopyOption {
        /// How much.
        duration: String,
    },
    /// When it would go.
    CopyOnExpiryOption,
}

impl BackupPolicy {
    /// Reads `properties`.
    pub fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        constant(fields, "BackupPolicy", faults);
        let types =
            faults.get(fields.short_texts("datasourceTypes", MOST_IN_RULE, LONGEST_NAME)).unwrap_or_default();
        let rules = required_items(fields, "policyRules", MOST_RULES, faults);
        Self {
            datasource_types: types.into_iter().map(str::to_owned).collect(),
            policy_rules: rules.iter().filter_map(|rule| PolicyRule::read(rule, faults)).collect(),
        }
    }

    /// Reads `properties` that stand alone.
    pub fn of(properties: &Value) -> Result<Self, ArmError> {
        let mut faults = Faults::default();
        let policy = Self::read(&Fields::of(properties)?, &mut faults);
        faults.end().map(|()| policy)
    }
}

impl PolicyRule {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Option<Self> {
        match faults.get(fields.required_text("objectType")) {
            kind if kind.eq_ignore_ascii_case("AzureBackupRule") => {
                Some(Self::AzureBackupRule(BackupRule::read(fields, faults)))
            }
            kind if kind.eq_ignore_ascii_case("AzureRetentionRule") => {
                Some(Self::AzureRetentionRule(RetentionRule::read(fields, faults)))
            }
            "" => None,
            other => {
                unknown(fields, other, "AzureBackupRule and AzureRetentionRule", faults);
                None
            }
        }
    }
}

impl BackupRule {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let parameters = faults.get(fields.object("backupParameters"));
        Self {
            name: faults.get(fields.required_short_text("name", LONGEST_NAME)).to_owned(),
            backup_parameters: parameters.map(|parameters| {
                constant(&parameters, "AzureBackupParams", faults);
                BackupParameters {
                    backup_type: faults
                        .get(parameters.required_short_text("backupType", LONGEST_NAME))
                        .to_owned(),
                }
            }),
            data_store: DataStore::read(fields, "dataStore", faults),
            trigger: inside(fields, "trigger", faults, Trigger::read),
        }
    }
}

impl DataStore {
    fn read(fields: &Fields<'_>, name: &str, faults: &mut Faults) -> Self {
        inside(fields, name, faults, |store, faults| Self {
            data_store_type: faults.get(store.required_word("dataStoreType")),
        })
    }
}

impl Trigger {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        constant(fields, "ScheduleBasedTriggerContext", faults);
        let criteria = required_items(fields, "taggingCriteria", MOST_RULES, faults);
        Self {
            schedule: inside(fields, "schedule", faults, |schedule, faults| {
                let intervals = schedule.short_texts("repeatingTimeIntervals", MOST_RULES, LONGEST_NAME);
                if intervals.as_ref().is_ok_and(|list| list.as_ref().is_none_or(Vec::is_empty)) {
                    faults.note(schedule.wrong("repeatingTimeIntervals", "is required"));
                }
                let intervals = faults.get(intervals);
                BackupSchedule {
                    repeating_time_intervals: intervals
                        .unwrap_or_default()
                        .into_iter()
                        .map(str::to_owned)
                        .collect(),
                    time_zone: faults.get(schedule.short_text("timeZone", LONGEST_NAME)).map(str::to_owned),
                }
            }),
            tagging_criteria: criteria.iter().map(|one| TaggingCriteria::read(one, faults)).collect(),
        }
    }
}

impl TaggingCriteria {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let criteria = faults.get(fields.items_within("criteria", MOST_IN_RULE));
        let priority = faults.get(fields.whole("taggingPriority"));
        if priority.is_none() {
            faults.note(fields.wrong("taggingPriority", "is required, as a whole number"));
        }
        Self {
            is_default: faults.get(fields.flag("isDefault")).unwrap_or_default(),
            tagging_priority: priority.unwrap_or_default(),
            tag_info: inside(fields, "tagInfo", faults, RetentionTag::read),
            criteria: criteria.map(|all| all.iter().map(|one| BackupCriteria::read(one, faults)).collect()),
        }
    }
}

impl RetentionTag {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let name = faults.get(fields.required_short_text("tagName", LONGEST_NAME));
        // The id is the name and a '_'.
        let id = faults.get(fields.short_text("id", LONGEST_NAME.saturating_add(1)));
        Self {
            tag_name: name.to_owned(),
            id: id.map_or_else(|| format!("{name}_"), str::to_owned),
            e_tag: faults.get(fields.short_text("eTag", LONGEST_NAME)).map(str::to_owned),
        }
    }
}

impl BackupCriteria {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        constant(fields, "ScheduleBasedBackupCriteria", faults);
        for name in ["daysOfMonth", "daysOfTheWeek", "monthsOfYear", "scheduleTimes", "weeksOfTheMonth"] {
            let is_given = |value: &Value| value.as_array().is_none_or(|list| !list.is_empty());
            if fields.get(name).is_some_and(is_given) {
                faults.note(fields.wrong(name, "cannot be used for clusters; use absoluteCriteria"));
            }
        }
        Self {
            absolute_criteria: faults
                .get(fields.words_within("absoluteCriteria", MOST_IN_RULE))
                .unwrap_or_default(),
        }
    }
}

impl RetentionRule {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let lifecycles = required_items(fields, "lifecycles", MOST_IN_RULE, faults);
        Self {
            name: faults.get(fields.required_short_text("name", LONGEST_NAME)).to_owned(),
            is_default: faults.get(fields.flag("isDefault")).unwrap_or_default(),
            lifecycles: lifecycles.iter().map(|one| SourceLifeCycle::read(one, faults)).collect(),
        }
    }
}

impl SourceLifeCycle {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        let copies = fields.items_within("targetDataStoreCopySettings", MOST_IN_RULE);
        let copies = faults.get(copies).unwrap_or_default();
        Self {
            delete_after: inside(fields, "deleteAfter", faults, |option, faults| {
                constant(option, "AbsoluteDeleteOption", faults);
                let duration = option.required_short_text("duration", LONGEST_NAME);
                DeleteOption { duration: faults.get(duration).to_owned() }
            }),
            source_data_store: DataStore::read(fields, "sourceDataStore", faults),
            target_data_store_copy_settings: copies
                .iter()
                .map(|copy| TargetCopySetting {
                    copy_after: inside(copy, "copyAfter", faults, CopyOption::read),
                    data_store: DataStore::read(copy, "dataStore", faults),
                })
                .collect(),
        }
    }
}

impl CopyOption {
    fn read(fields: &Fields<'_>, faults: &mut Faults) -> Self {
        match faults.get(fields.required_text("objectType")) {
            kind if kind.eq_ignore_ascii_case("ImmediateCopyOption") => Self::ImmediateCopyOption,
            kind if kind.eq_ignore_ascii_case("CopyOnExpiryOption") => Self::CopyOnExpiryOption,
            kind if kind.eq_ignore_ascii_case("CustomCopyOption") => {
                let duration = fields.required_short_text("duration", LONGEST_NAME);
                Self::CustomCopyOption { duration: faults.get(duration).to_owned() }
            }
            "" => Self::default(),
            other => {
                unknown(
                    fields,
                    other,
                    "ImmediateCopyOption, CustomCopyOption and CopyOnExpiryOption",
                    faults,
                );
                Self::default()
            }
        }
    }
}

/// What is read from an object that must be there.
fn inside<T: Default>(
    fields: &Fields<'_>,
    name: &str,
    faults: &mut Faults,
    read: impl Fn(&Fields<'_>, &mut Faults) -> T,
) -> T {
    match fields.required_object(name) {
        Ok(object) => read(&object, faults),
        Err(fault) => {
            faults.note(fault);
            T::default()
        }
    }
}

fn required_items<'a>(fields: &Fields<'a>, name: &str, most: usize, faults: &mut Faults) -> Vec<Fields<'a>> {
    match fields.items_within(name, most) {
        Ok(Some(items)) if !items.is_empty() => items,
        Ok(_) => {
            faults.note(fields.wrong(name, "is required, with at least one entry"));
            Vec::new()
        }
        Err(fault) => {
            faults.note(fault);
            Vec::new()
        }
    }
}

/// An `objectType` that may be left out, and else must be this one.
fn constant(fields: &Fields<'_>, wanted: &str, faults: &mut Faults) {
    if let Some(other) =
        faults.get(fields.text("objectType")).filter(|given| !given.eq_ignore_ascii_case(wanted))
    {
        unknown(fields, other, wanted, faults);
    }
}

fn unknown(fields: &Fields<'_>, given: &str, known: &str, faults: &mut Faults) {
    let given: String = given.chars().take(60).collect();
    faults.note(fields.wrong("objectType", format!("is '{given}'; known is {known}")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_read_is_written_in_one_form_and_read_again() {
        let properties = json!({
            "ObjectType": "backuppolicy", "name": "AKSPolicy1", "datasourceTypes": ["Microsoft.ContainerService/managedClusters"],
            "policyRules": [
                {"objectType": "AzureBackupRule", "NAME": "BackupHourly", "dataStore": {"dataStoreType": "operationalstore"},
                 "trigger": {"objectType": "ScheduleBasedTriggerContext",
                    "schedule": {"repeatingTimeIntervals": ["R/2024-05-05T08:00:00+00:00/PT4H"]},
                    "taggingCriteria": [{"isDefault": true, "taggingPriority": 99.0, "tagInfo": {"tagName": "Default"}, "criteria": null}]}},
                {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": true, "lifecycles": [
                    {"deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
                     "sourceDataStore": {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"},
                     "targetDataStoreCopySettings": null}]},
            ],
        });

        let policy = BackupPolicy::of(&properties).unwrap();
        let written = serde_json::to_value(&policy).unwrap();

        assert_eq!(BackupPolicy::of(&written).unwrap(), policy);
        assert_eq!(written["objectType"], "BackupPolicy");
        assert_eq!(written["policyRules"][0]["objectType"], "AzureBackupRule");
        assert_eq!(
            written["policyRules"][0]["dataStore"],
            json!({"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"})
        );
        let tag = &written["policyRules"][0]["trigger"]["taggingCriteria"][0]["tagInfo"];
        assert_eq!(*tag, json!({"tagName": "Default", "id": "Default_", "eTag": null}));
        assert_eq!(written["policyRules"][1]["lifecycles"][0]["targetDataStoreCopySettings"], json!([]));
    }

    #[test]
    fn of_a_list_that_is_too_long_no_entry_is_looked_at() {
        let many = |number: usize| vec![json!({}); number];
        let texts = |rules: Value| json!({"datasourceTypes": ["x"], "policyRules": rules});
        let trigger = json!({"schedule": {"repeatingTimeIntervals": ["R"]}, "taggingCriteria": many(101)});
        let rule = json!({"objectType": "AzureBackupRule", "name": "b", "dataStore": {"dataStoreType": "OperationalStore"},
            "trigger": trigger});
        let retention = json!({"objectType": "AzureRetentionRule", "name": "r", "lifecycles": many(11)});

        let messages = [texts(json!(many(1_000_000))), texts(json!([rule])), texts(json!([retention]))]
            .map(|properties| BackupPolicy::of(&properties).unwrap_err().message);

        assert_eq!(
            messages,
            [
                "policyRules: has 1000000 entries; at most 100 are taken",
                "policyRules[0].trigger.taggingCriteria: has 101 entries; at most 100 are taken",
                "policyRules[0].lifecycles: has 11 entries; at most 10 are taken",
            ]
        );
    }

    #[test]
    fn a_text_of_a_policy_that_is_too_long_is_named() {
        let long = "x".repeat(10_000);
        let tag = json!({"tagName": "Default", "id": long, "eTag": long});
        let properties = json!({"datasourceTypes": ["x"], "policyRules": [
            {"objectType": "AzureBackupRule", "name": long, "dataStore": {"dataStoreType": "OperationalStore"},
             "trigger": {"schedule": {"repeatingTimeIntervals": ["R"], "timeZone": long},
                "taggingCriteria": [{"isDefault": true, "taggingPriority": 1, "tagInfo": tag}]}}]});

        let error = BackupPolicy::of(&properties).unwrap_err();

        let targets: Vec<&str> = error.details.iter().filter_map(|one| one.target.as_deref()).collect();
        let at = "policyRules[0].trigger";
        assert_eq!(
            targets,
            [
                "policyRules[0].name",
                &format!("{at}.schedule.timeZone"),
                &format!("{at}.taggingCriteria[0].tagInfo.id"),
                &format!("{at}.taggingCriteria[0].tagInfo.eTag"),
            ]
        );
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let properties = json!({
            "objectType": "Other", "datasourceTypes": "x",
            "policyRules": [
                {"objectType": "AzureBackupRule", "dataStore": {"dataStoreType": "Tape"}, "trigger": {"objectType": "AdhocBasedTriggerContext"}},
                {"objectType": "AzureRetentionRule", "name": "Default", "lifecycles": [{"sourceDataStore": 5}]},
                {"objectType": "Rule"},
                {},
            ],
        });

        let error = BackupPolicy::of(&properties).unwrap_err();

        let targets: Vec<&str> = error.details.iter().filter_map(|one| one.target.as_deref()).collect();
        assert_eq!(
            targets,
            [
                "objectType",
                "datasourceTypes",
                "policyRules[0].name",
                "policyRules[0].dataStore.dataStoreType",
                "policyRules[0].trigger.objectType",
                "policyRules[0].trigger.taggingCriteria",
                "policyRules[0].trigger.schedule",
                "policyRules[1].lifecycles[0].deleteAfter",
                "policyRules[1].lifecycles[0].sourceDataStore",
                "policyRules[2].objectType",
                "policyRules[3].objectType",
            ]
        );
    }
}
