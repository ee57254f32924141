use super::{Plan, read};
use crate::{api::policies::parsed, protect::quotas::Quotas};
use arm::{ArmError, Faults, dataprotection::BackupPolicy};
use protection::policy::Marker;
use serde_json::{Value, json};

/// The documented policy in the operational tier.
pub fn documented() -> Value {
    json!({"objectType":"BackupPolicy",
     "datasourceTypes":["Microsoft.ContainerService/managedClusters"],
     "policyRules":[
      {"objectType":"AzureBackupRule","name":"BackupHourly",
       "backupParameters":{"objectType":"AzureBackupParams","backupType":"Incremental"},
       "dataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
       "trigger":{"objectType":"ScheduleBasedTriggerContext",
         "schedule":{"repeatingTimeIntervals":["R/2024-05-05T08:00:00+00:00/PT4H"],"timeZone":"UTC"},
         "taggingCriteria":[
           {"isDefault":false,"taggingPriority":25,"tagInfo":{"tagName":"Daily","id":"Daily_"},
            "criteria":[{"objectType":"ScheduleBasedBackupCriteria","absoluteCriteria":["FirstOfDay"]}]},
           {"isDefault":true,"taggingPriority":99,"tagInfo":{"tagName":"Default","id":"Default_"}}]}},
      {"objectType":"AzureRetentionRule","name":"Daily","isDefault":false,"lifecycles":[
        {"deleteAfter":{"objectType":"AbsoluteDeleteOption","duration":"P7D"},
         "sourceDataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
         "targetDataStoreCopySettings":[]}]},
      {"objectType":"AzureRetentionRule","name":"Default","isDefault":true,"lifecycles":[
        {"deleteAfter":{"objectType":"AbsoluteDeleteOption","duration":"P7D"},
         "sourceDataStore":{"objectType":"DataStoreInfoBase","dataStoreType":"OperationalStore"},
         "targetDataStoreCopySettings":[]}]}]})
}

/// The policy as it is read when it is put.
fn put(policy: &Value, quotas: &Quotas) -> Result<Plan, ArmError> {
    let mut faults = Faults::default();
    let plan = read(&BackupPolicy::of(policy)?, "", quotas, &mut faults);
    faults.end().map(|()| plan)
}

/// The documented policy with one value in another place or of another kind; the targets of its faults.
fn faults(pointer: &str, value: Value) -> Vec<String> {
    let mut policy = documented();
    match policy.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (above, name) = pointer.rsplit_once('/').unwrap();
            policy.pointer_mut(above).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        }
    }
    match put(&policy, &Quotas::default()) {
        Ok(_) => Vec::new(),
        Err(error) if error.details.is_empty() => vec![error.target.unwrap_or_default()],
        Err(error) => error.details.into_iter().filter_map(|one| one.target).collect(),
    }
}

#[test]
fn the_documented_policy_means_what_it_says() {
    let plan = parsed(&documented()).unwrap();

    assert_eq!(plan.rule, "BackupHourly");
    let first = plan.schedule.next_after("2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(first.to_string(), "2026-01-01T04:00:00Z");
    let daily = plan.tags.iter().find(|tag| tag.tag == "Daily").unwrap();
    assert!(daily.markers.contains(&Marker::FirstOfDay) && daily.priority == 25 && !daily.is_default);
    let days = |tag: &str| plan.retention(tag).unwrap().operational.days();
    assert_eq!((days("daily"), days("Default")), (7, 7));
    assert!(plan.retention("Weekly").is_none());
}

#[test]
fn every_documented_frequency_is_taken_and_no_other() {
    let at = "/policyRules/0/trigger/schedule/repeatingTimeIntervals";
    for period in ["PT4H", "PT6H", "PT8H", "PT12H", "P1D", "PT24H"] {
        let interval = json!([format!("R/2024-05-05T08:00:00+00:00/{period}")]);
        assert_eq!(faults(at, interval), Vec::<String>::new(), "{period}");
    }
    for period in ["PT1H", "PT3H", "PT5H", "P2D", "P1W", "PT30M", "x"] {
        let found = faults(at, json!([format!("R/2024-05-05T08:00:00+00:00/{period}")]));
        assert_eq!(found, ["policyRules[0].trigger.schedule.repeatingTimeIntervals[0]"], "{period}");
    }
}

#[test]
fn an_operator_can_allow_shorter_distances_and_longer_lives_and_what_was_taken_stays_readable() {
    let with = |quotas: Quotas, pointer: &str, value: Value| {
        let mut policy = documented();
        *policy.pointer_mut(pointer).unwrap() = value;
        assert!(parsed(&policy).is_ok(), "what is kept is read whatever the limits are now");
        put(&policy, &quotas).is_ok()
    };
    let interval = "/policyRules/0/trigger/schedule/repeatingTimeIntervals";
    let every = |period: &str| json!([format!("R/2024-05-05T08:00:00Z/{period}")]);
    let life = "/policyRules/2/lifecycles/0/deleteAfter/duration";
    let half_hourly = Quotas { shortest_interval: 30, operational_days: 400, ..Quotas::default() };
    let daily = Quotas { shortest_interval: 1440, ..Quotas::default() };

    assert!(with(half_hourly, interval, every("PT30M")) && with(half_hourly, interval, every("PT1H")));
    assert!(!with(half_hourly, interval, every("PT15M")));
    assert!(!with(daily, interval, every("PT12H")) && with(daily, interval, every("P1D")));
    assert!(with(half_hourly, life, json!("P400D")) && !with(Quotas::default(), life, json!("P400D")));
}

#[test]
fn several_intervals_together_keep_the_shortest_distance() {
    let at = "/policyRules/0/trigger/schedule/repeatingTimeIntervals";
    let whole = "policyRules[0].trigger.schedule.repeatingTimeIntervals";
    let both = |other: &str| json!(["R/2024-05-05T08:00:00Z/P1D", format!("R/2024-05-05T{other}:00Z/P1D")]);

    assert_eq!(faults(at, both("12:00")), Vec::<String>::new());
    assert_eq!(faults(at, both("08:00")), Vec::<String>::new(), "the same slot twice is one slot");
    assert_eq!(faults(at, both("11:59")), [whole]);
    assert_eq!(faults(at, both("05:00")), [whole]);
    assert_eq!(faults(at, json!(vec!["R/2024-05-05T08:00:00Z/P1D"; 7])), [whole]);
}

#[test]
fn time_zones_have_windows_or_iana_names() {
    let at = "/policyRules/0/trigger/schedule/timeZone";
    for zone in [json!("India Standard Time"), json!("Europe/Berlin"), json!(null), json!("")] {
        assert_eq!(faults(at, zone.clone()), Vec::<String>::new(), "{zone}");
    }
    assert_eq!(faults(at, json!("Mars")), ["policyRules[0].trigger.schedule.timeZone"]);
}

#[test]
fn each_rule_of_a_policy_is_kept() {
    let tag = "/policyRules/0/trigger/taggingCriteria";
    let table = [
        ("/datasourceTypes", json!(["Microsoft.Compute/disks"]), "datasourceTypes"),
        ("/datasourceTypes", json!([]), "datasourceTypes"),
        (
            "/policyRules/0/dataStore/dataStoreType",
            json!("VaultStore"),
            "policyRules[0].dataStore.dataStoreType",
        ),
        (
            "/policyRules/0/backupParameters/backupType",
            json!("Full"),
            "policyRules[0].backupParameters.backupType",
        ),
        ("/policyRules/0/name", json!("x".repeat(151)), "policyRules[0].name"),
        (
            &format!("{tag}/0/taggingPriority"),
            json!(0),
            "policyRules[0].trigger.taggingCriteria[0].taggingPriority",
        ),
        (
            &format!("{tag}/0/taggingPriority"),
            json!(100),
            "policyRules[0].trigger.taggingCriteria[0].taggingPriority",
        ),
        (
            &format!("{tag}/1/taggingPriority"),
            json!(25),
            "policyRules[0].trigger.taggingCriteria[1].taggingPriority",
        ),
        (
            &format!("{tag}/0/tagInfo/tagName"),
            json!("Weekly"),
            "policyRules[0].trigger.taggingCriteria[0].tagInfo.tagName",
        ),
        (&format!("{tag}/0/criteria"), json!([]), "policyRules[0].trigger.taggingCriteria[0].criteria"),
        (
            &format!("{tag}/0/criteria/0/daysOfTheWeek"),
            json!(["Monday"]),
            "policyRules[0].trigger.taggingCriteria[0].criteria[0].daysOfTheWeek",
        ),
        (
            &format!("{tag}/1/criteria"),
            json!([{"absoluteCriteria": ["FirstOfDay"]}]),
            "policyRules[0].trigger.taggingCriteria[1].criteria",
        ),
        (
            "/policyRules/2/lifecycles/0/deleteAfter/duration",
            json!("P361D"),
            "policyRules[2].lifecycles[0].deleteAfter.duration",
        ),
        (
            "/policyRules/2/lifecycles/0/deleteAfter/duration",
            json!("7 days"),
            "policyRules[2].lifecycles[0].deleteAfter.duration",
        ),
        (
            "/policyRules/1/lifecycles/0/sourceDataStore/dataStoreType",
            json!("ArchiveStore"),
            "policyRules[1].lifecycles[0].sourceDataStore.dataStoreType",
        ),
        (
            "/policyRules/1/lifecycles/0/targetDataStoreCopySettings",
            json!([{"copyAfter": {"objectType": "ImmediateCopyOption"},
                    "dataStore": {"dataStoreType": "ArchiveStore"}}]),
            "policyRules[1].lifecycles[0].targetDataStoreCopySettings[0].dataStore.dataStoreType",
        ),
        (
            "/policyRules/2/lifecycles/0/sourceDataStore/dataStoreType",
            json!("VaultStore"),
            "policyRules[2].lifecycles",
        ),
        ("/policyRules/2/isDefault", json!(false), "policyRules"),
    ];

    for (pointer, value, target) in table {
        let found = faults(pointer, value.clone());
        assert!(found.iter().any(|one| one == target), "{pointer} = {value}: {found:?}");
    }
}

#[test]
fn a_policy_without_a_backup_rule_or_without_a_default_is_refused() {
    let mut no_backup = documented();
    no_backup["policyRules"].as_array_mut().unwrap().remove(0);
    let mut no_default = documented();
    no_default["policyRules"].as_array_mut().unwrap().remove(2);

    assert!(parsed(&no_backup).unwrap_err().message.contains("0 backup rules"));
    let faults = parsed(&no_default).unwrap_err().details;
    assert_eq!(faults.len(), 2, "the rule is missing, and the tag leads nowhere: {faults:?}");
}

#[test]
fn the_longest_operational_life_is_360_days() {
    let at = "/policyRules/2/lifecycles/0/deleteAfter/duration";

    assert_eq!(faults(at, json!("P360D")), Vec::<String>::new());
}

#[test]
fn a_shorter_life_is_found_per_tag() {
    let before = parsed(&documented()).unwrap();
    let with = |pointer: &str, value: &str| {
        let mut policy = documented();
        *policy.pointer_mut(pointer).unwrap() = json!(value);
        parsed(&policy).unwrap().shortens(&before)
    };

    assert_eq!(before.shortens(&before), None);
    assert_eq!(with("/policyRules/2/lifecycles/0/deleteAfter/duration", "P8D"), None);
    assert_eq!(with("/policyRules/2/lifecycles/0/deleteAfter/duration", "P6D"), Some("Default".into()));
    assert_eq!(with("/policyRules/1/lifecycles/0/deleteAfter/duration", "P6D"), Some("Daily".into()));
}

#[test]
fn recovery_points_that_would_get_another_tag_live_shorter_too() {
    let mut yearly = documented();
    *yearly.pointer_mut("/policyRules/1/lifecycles/0/deleteAfter/duration").unwrap() = json!("P30D");
    let mut without = yearly.clone();
    let criteria =
        without.pointer_mut("/policyRules/0/trigger/taggingCriteria").unwrap().as_array_mut().unwrap();
    criteria.retain(|one| one["isDefault"] == json!(true));
    let (before, after) = (parsed(&yearly).unwrap(), parsed(&without).unwrap());

    assert_eq!(after.retention, before.retention, "every tag lives as long as it did");
    assert_eq!(after.shortens(&before), Some("Daily".into()));
    assert_eq!(before.shortens(&after), None, "more recovery points live longer");
}

#[test]
fn a_policy_that_was_kept_with_the_vault_tier_still_means_what_it_says_of_the_operational_one() {
    let mut kept = documented();
    kept["policyRules"][1]["lifecycles"] = json!([
        {"deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
         "sourceDataStore": {"dataStoreType": "OperationalStore"},
         "targetDataStoreCopySettings": [{"copyAfter": {"objectType": "ImmediateCopyOption"},
            "dataStore": {"dataStoreType": "VaultStore"}}]},
        {"deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P84D"},
         "sourceDataStore": {"dataStoreType": "VaultStore"}}]);

    assert_eq!(parsed(&kept).unwrap(), parsed(&documented()).unwrap());
}
