//! What a list asks for, in the parameters of its query.

use crate::{
    alerts::{AlertRecord, AlertState, Condition, Severity},
    request::Address,
};
use arm::{ArmError, ResourceId};
use jiff::{SignedDuration, Timestamp};

/// What a list asks for; what is absent does not matter.
#[derive(Debug, Default)]
pub struct Wanted {
    target: Option<ResourceId>,
    target_type: Option<String>,
    group: Option<String>,
    service: Option<String>,
    condition: Option<Condition>,
    severity: Option<Severity>,
    state: Option<AlertState>,
    rule: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Wanted {
    /// Reads the query.
    pub fn read(address: &Address, now: Timestamp) -> Result<Self, ArmError> {
        let text = |name: &str| address.parameter(name).filter(|text| !text.is_empty());
        let target = text("targetResource").map(str::parse).transpose();
        let target = target.map_err(|error: arm::IdError| wrong("targetResource", &error.to_string()))?;
        // Newest first is how alerts are kept; the original's default is the same.
        for (name, only) in [("sortBy", "startDateTime"), ("sortOrder", "desc")] {
            if text(name).is_some_and(|given| !given.eq_ignore_ascii_case(only)) {
                return Err(wrong(name, &format!("only {only} is offered")));
            }
        }
        let mut wanted = Self {
            target,
            target_type: text("targetResourceType").map(str::to_owned),
            group: text("targetResourceGroup").map(str::to_owned),
            service: text("monitorService").map(str::to_owned),
            condition: one_of(
                address,
                "monitorCondition",
                &[Condition::Fired, Condition::Resolved],
                |one| one.text(),
            )?,
            severity: one_of(address, "severity", &Severity::ALL, |one| one.text())?,
            state: one_of(address, "alertState", &AlertState::ALL, |one| one.text())?,
            rule: text("alertRule").map(str::to_owned),
            since: None,
            until: None,
        };
        if let Some(range) = text("timeRange") {
            let hours = match range.to_ascii_lowercase().as_str() {
                "1h" => 1,
                "1d" => 24,
                "7d" => 7 * 24,
                "30d" => 30 * 24,
                _ => return Err(wrong("timeRange", "write 1h, 1d, 7d or 30d")),
            };
            wanted.since = now.checked_sub(SignedDuration::from_hours(hours)).ok();
        }
        if let Some(range) = text("customTimeRange") {
            let (from, to) = range
                .split_once('/')
                .and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)))
                .ok_or_else(|| wrong("customTimeRange", "write START/END, as 2026-01-01T00:00:00Z"))?;
            (wanted.since, wanted.until) = (Some(from), Some(to));
        }
        Ok(wanted)
    }

    /// Whether an alert is asked for.
    pub fn fits(&self, alert: &AlertRecord) -> bool {
        let same = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is))
        };
        // A prerequisite is one of its instance.
        let is_about = |target: &ResourceId| {
            *target == alert.vault || *target == alert.about || alert.about.parent().as_ref() == Some(target)
        };
        self.target.as_ref().is_none_or(is_about)
            && same(&self.target_type, alert.vault.kind().as_str())
            && same(&self.group, alert.vault.resource_group().unwrap_or_default())
            && same(&self.service, "Azure Backup")
            && self.condition.is_none_or(|condition| condition == alert.condition)
            && self.severity.is_none_or(|severity| severity == alert.rule.severity())
            && self.state.is_none_or(|state| state == alert.state)
            && same(&self.rule, alert.rule.name())
            && self.since.is_none_or(|since| alert.fired_at >= since)
            && self.until.is_none_or(|until| alert.fired_at <= until)
    }
}

/// A word out of a closed list, in any case.
pub fn one_of<T: Copy>(
    address: &Address,
    name: &str,
    all: &[T],
    text: impl Fn(T) -> &'static str,
) -> Result<Option<T>, ArmError> {
    let Some(given) = address.parameter(name).filter(|given| !given.is_empty()) else { return Ok(None) };
    let found = all.iter().copied().find(|one| text(*one).eq_ignore_ascii_case(given));
    let known = all.iter().map(|one| text(*one)).collect::<Vec<_>>().join(", ");
    found.map(Some).ok_or_else(|| wrong(name, &format!("'{given}' is none of {known}")))
}

/// A parameter that cannot be used.
pub fn wrong(name: &str, reason: &str) -> ArmError {
    let message = format!("The query parameter '{name}' cannot be used: {reason}.");
    ArmError::new(400, "InvalidQueryParameter", message).about(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{Event, Rule};
    use std::collections::BTreeMap;

    fn alert() -> AlertRecord {
        let vault: ResourceId =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v"
                .parse()
                .unwrap();
        let event = Event {
            rule: Rule::BackupFailure,
            about: vault.child("backupInstances", "i").unwrap(),
            vault,
            description: String::new(),
            context: BTreeMap::new(),
        };
        AlertRecord::fired(event, Timestamp::UNIX_EPOCH)
    }

    fn fits(query: &str) -> Result<bool, ArmError> {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(2);
        let wanted = Wanted::read(&Address::read("/", Some(query)).unwrap(), now)?;
        Ok(wanted.fits(&alert()))
    }

    #[test]
    fn each_parameter_takes_what_it_names_and_leaves_the_rest() {
        let vault = "/subscriptions/s/resourceGroups/G/providers/Microsoft.DataProtection/backupVaults/v";
        for (name, is, other) in [
            ("targetResource", vault.to_owned(), format!("{vault}2")),
            ("targetResource", format!("{vault}/backupInstances/i"), format!("{vault}/backupInstances/j")),
            ("targetResourceType", "microsoft.dataprotection/backupvaults".into(), "x".into()),
            ("targetResourceGroup", "g".into(), "h".into()),
            ("monitorService", "Azure Backup".into(), "Platform".into()),
            ("monitorCondition", "fired".into(), "Resolved".into()),
            ("severity", "sev1".into(), "Sev0".into()),
            ("alertState", "New".into(), "Closed".into()),
            ("alertRule", "backup failure".into(), "Restore Failure".into()),
            ("timeRange", "1d".into(), "1h".into()),
            (
                "customTimeRange",
                "1969-12-31T00:00:00Z/1970-01-02T00:00:00Z".into(),
                "1970-01-02T00:00:00Z/1970-01-03T00:00:00Z".into(),
            ),
        ] {
            assert_eq!(fits(&format!("{name}={is}")), Ok(true), "{name}={is}");
            assert_eq!(fits(&format!("{name}={other}")), Ok(false), "{name}={other}");
        }
    }

    #[test]
    fn what_cannot_be_asked_for_is_refused_by_name() {
        for query in [
            "severity=5",
            "alertState=Open",
            "timeRange=2h",
            "customTimeRange=now",
            "sortBy=severity",
            "targetResource=x",
        ] {
            let error = fits(query).unwrap_err();
            assert_eq!(error.target.as_deref(), query.split('=').next(), "{error}");
        }
    }
}
