//! What is kept of an alert, and what becomes of it: all decisions, no store.

use super::{Event, Rule};
use arm::{IdError, ResourceId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// The type of an alert.
pub const KIND: &str = "Microsoft.AlertsManagement/alerts";
/// Modifications that an alert keeps; the first one always stays.
const MOST_MODIFICATIONS: usize = 50;
/// Undelivered notifications that an alert names.
const MOST_UNDELIVERED: usize = 20;
/// Characters of a text that a cluster or a client chose.
const LONGEST_TEXT: usize = 1_024;

/// Whether what an alert is about still holds. The vault says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Condition {
    /// It does.
    Fired,
    /// It does not.
    Resolved,
}

/// How far people are with an alert. They say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertState {
    /// Nobody has said anything.
    New,
    /// Somebody is at it.
    Acknowledged,
    /// Nobody needs it any more.
    Closed,
}

/// What happened to an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Modification {
    /// `AlertCreated`, `MonitorConditionChange`, `StateChange` or `ActionsTriggered`.
    pub event: String,
    /// What was.
    pub before: String,
    /// What is.
    pub after: String,
    /// When.
    pub at: Timestamp,
    /// Object id of who did it, or `vault`.
    pub by: String,
    /// What that one had to say.
    pub comments: String,
}

/// A notification that no receiver took within its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Undelivered {
    /// Name of the receiver.
    pub receiver: String,
    /// Id of the message.
    pub message: String,
    /// Why the last attempt failed.
    pub error: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// What is kept of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertRecord {
    /// Why it is there.
    pub rule: Rule,
    /// Of which vault.
    pub vault: ResourceId,
    /// About what of it: the vault itself, an instance, a policy.
    pub about: ResourceId,
    /// What happened, as a sentence.
    pub description: String,
    /// What else is known of it.
    pub context: BTreeMap<String, String>,
    /// Whether it holds.
    pub condition: Condition,
    /// How far people are.
    pub state: AlertState,
    /// When it happened first.
    pub fired_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// Who wrote it last.
    pub modified_by: String,
    /// How often it happened.
    pub occurrences: u64,
    /// How many instances have it in common; 0 where it is about one thing.
    #[serde(default)]
    pub instances: u64,
    /// When receivers were last told.
    pub told_at: Timestamp,
    /// What happened to it.
    #[serde(default)]
    pub history: Vec<Modification>,
    /// What was not delivered.
    #[serde(default)]
    pub undelivered: Vec<Undelivered>,
}

/// Says in the context how many instances have it in common.
const INSTANCES: &str = "affectedInstances";
/// What the alert of so many instances of a vault says, by what else is known of it.
pub type Describe = fn(u64, &ResourceId, &BTreeMap<String, String>) -> String;

/// Who writes when nobody asked.
const VAULT: &str = "vault";

impl AlertRecord {
    /// A new one.
    pub fn fired(event: Event, now: Timestamp) -> Self {
        let mut alert = Self {
            rule: event.rule,
            vault: event.vault,
            about: event.about,
            description: short(&event.description),
            context: bounded(event.context),
            condition: Condition::Fired,
            state: AlertState::New,
            fired_at: now,
            resolved_at: None,
            modified_at: now,
            modified_by: VAULT.to_owned(),
            occurrences: 1,
            instances: 0,
            told_at: now,
            history: Vec::new(),
            undelivered: Vec::new(),
        };
        alert.note("AlertCreated", "", "New", VAULT, "", now);
        alert
    }

    /// Whether the same thing happening again is counted in it.
    pub fn is_open(&self) -> bool {
        self.condition == Condition::Fired && self.state != AlertState::Closed
    }

    /// The same thing happened again. `true` when it is time to tell again.
    pub fn repeat(&mut self, event: Event, now: Timestamp) -> bool {
        self.occurrences = self.occurrences.saturating_add(1);
        let description = short(&event.description);
        // A grave step after a harmless one of the same kind is news.
        let is_news = !self.rule.is_of_job() && description != self.description;
        self.description = description;
        self.context = bounded(event.context);
        (self.modified_at, self.modified_by) = (now, VAULT.to_owned());
        if !self.rule.is_of_job() && self.state == AlertState::Acknowledged {
            // Whoever is at the first deletion has not seen the second one.
            self.note("StateChange", "Acknowledged", "New", VAULT, "it happened again", now);
            self.state = AlertState::New;
        }
        let is_time = is_news || now.duration_since(self.told_at) >= self.rule.silence();
        if is_time {
            self.told_at = now;
            self.note("ActionsTriggered", "", &self.occurrences.to_string(), VAULT, "", now);
        }
        is_time
    }

    /// The same, of the first instance of perhaps many.
    pub fn of_the_first(mut self, describe: Describe) -> Self {
        self.instances = 1;
        self.count(describe, self.fired_at);
        self
    }

    /// One more instance has it. `true` when it is time to tell again: one by one that would be a message for each, so it
    /// is told when ten times as many have it.
    pub fn join(&mut self, describe: Describe, now: Timestamp) -> bool {
        self.instances = self.instances.saturating_add(1);
        self.occurrences = self.occurrences.saturating_add(1);
        self.count(describe, now);
        let tenfold = 10_u64.checked_pow(self.instances.checked_ilog10().unwrap_or_default());
        let is_time = self.instances > 1 && tenfold == Some(self.instances);
        if is_time || now.duration_since(self.told_at) >= self.rule.silence() {
            self.told_at = now;
            self.note("ActionsTriggered", "", &self.instances.to_string(), VAULT, "", now);
            return true;
        }
        false
    }

    /// One instance less has it. `true` when it was the last one.
    pub fn leave(&mut self, describe: Describe, now: Timestamp) -> bool {
        self.instances = self.instances.saturating_sub(1);
        if self.instances == 0 {
            return true;
        }
        self.count(describe, now);
        false
    }

    fn count(&mut self, describe: Describe, now: Timestamp) {
        self.description = short(&describe(self.instances, &self.vault, &self.context));
        self.context.insert(INSTANCES.to_owned(), self.instances.to_string());
        (self.modified_at, self.modified_by) = (now, VAULT.to_owned());
    }

    /// What it is about does not hold any more.
    pub fn resolve(&mut self, why: &str, now: Timestamp) {
        self.condition = Condition::Resolved;
        self.resolved_at = Some(now);
        self.note("MonitorConditionChange", "Fired", "Resolved", VAULT, why, now);
    }

    /// Somebody says how far people are.
    pub fn change_state(&mut self, to: AlertState, by: &str, comments: &str, now: Timestamp) {
        let (before, after) = (self.state.text(), to.text());
        self.state = to;
        self.note("StateChange", before, after, by, &short(comments), now);
    }

    /// A notification was given up.
    pub fn give_up(&mut self, what: Undelivered) {
        self.modified_at = what.at;
        self.undelivered.push(what);
        let over = self.undelivered.len().saturating_sub(MOST_UNDELIVERED);
        self.undelivered.drain(..over);
    }

    fn note(&mut self, event: &str, before: &str, after: &str, by: &str, comments: &str, at: Timestamp) {
        (self.modified_at, self.modified_by) = (at, by.to_owned());
        let [event, before, after, by, comments] = [event, before, after, by, comments].map(str::to_owned);
        self.history.push(Modification { event, before, after, at, by, comments });
        if self.history.len() > MOST_MODIFICATIONS {
            self.history.remove(1);
        }
    }
}

impl Condition {
    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Fired => "Fired",
            Self::Resolved => "Resolved",
        }
    }
}

impl AlertState {
    /// All.
    pub const ALL: [Self; 3] = [Self::New, Self::Acknowledged, Self::Closed];

    /// As clients read it.
    pub fn text(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Acknowledged => "Acknowledged",
            Self::Closed => "Closed",
        }
    }
}

/// Where an alert is kept: at its subscription, so that it outlives the vault that it is about.
pub fn id_of(subscription: &str, name: &str) -> Result<ResourceId, IdError> {
    ResourceId::subscription(subscription)?.with(KIND, name)
}

/// Its id as clients read it, at its vault.
pub fn shown_id(vault: &ResourceId, name: &str) -> String {
    format!("{vault}/providers/{KIND}/{name}")
}

/// A new name. Names of later alerts come before those of earlier ones, so that lists begin with the newest.
pub fn new_name(now: Timestamp) -> String {
    let before_the_end = u64::MAX.wrapping_sub(u64::try_from(now.as_millisecond()).unwrap_or(0));
    let mut bytes = *Uuid::new_v4().as_bytes();
    // The last six bytes of the number: enough for some thousand years.
    for (byte, of_time) in bytes.iter_mut().zip(before_the_end.to_be_bytes().into_iter().skip(2)) {
        *byte = of_time;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

fn bounded(context: BTreeMap<String, String>) -> BTreeMap<String, String> {
    context.into_iter().map(|(name, value)| (name, short(&value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    fn at(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    fn event(rule: Rule) -> Event {
        let vault: ResourceId = "/subscriptions/s/resourceGroups/g".parse().unwrap();
        Event { rule, about: vault.clone(), vault, description: "d".repeat(5_000), context: BTreeMap::new() }
    }

    #[test]
    fn a_job_that_fails_again_is_told_of_once_a_day_and_a_deletion_once_an_hour() {
        for (rule, silence) in [(Rule::BackupFailure, 24), (Rule::DeleteBackupData, 1)] {
            let mut alert = AlertRecord::fired(event(rule), at(0));

            let soon = alert.repeat(event(rule), at(silence) - SignedDuration::from_secs(1));
            let later = alert.repeat(event(rule), at(silence));
            let soon_again = alert.repeat(event(rule), at(silence));

            assert_eq!((soon, later, soon_again), (false, true, false), "{rule:?}");
            assert_eq!(alert.occurrences, 4);
        }
    }

    #[test]
    fn a_graver_step_is_told_at_once_after_a_harmless_one() {
        let mut alert = AlertRecord::fired(event(Rule::SoftDeleteReduced), at(0));
        let graver = || Event { description: "14 days".into(), ..event(Rule::SoftDeleteReduced) };

        assert!(alert.repeat(graver(), at(0)));
        assert!(!alert.repeat(graver(), at(0)), "the same again is counted");
    }

    #[test]
    fn what_somebody_is_at_stays_so_for_a_job_and_is_new_again_for_a_deletion() {
        for (rule, state) in
            [(Rule::BackupFailure, AlertState::Acknowledged), (Rule::DeleteBackupData, AlertState::New)]
        {
            let mut alert = AlertRecord::fired(event(rule), at(0));
            alert.change_state(AlertState::Acknowledged, "anna", "", at(1));

            alert.repeat(event(rule), at(1));

            assert_eq!(alert.state, state, "{rule:?}");
        }
    }

    #[test]
    fn an_alert_does_not_grow_without_end_and_keeps_its_beginning() {
        let mut alert = AlertRecord::fired(event(Rule::BackupFailure), at(0));

        for n in 0..200 {
            let to = AlertState::ALL[n % 3];
            alert.change_state(to, "anna", &"c".repeat(5_000), at(1));
            let (receiver, message, error) = (n.to_string(), "m".to_owned(), "e".to_owned());
            alert.give_up(Undelivered { receiver, message, error, at: at(2) });
        }

        assert_eq!((alert.history.len(), alert.undelivered.len()), (50, 20));
        assert_eq!(alert.history[0].event, "AlertCreated");
        assert_eq!(alert.undelivered[19].receiver, "199");
        assert!(serde_json::to_string(&alert).unwrap().len() < 100_000);
    }

    #[test]
    fn what_thousands_have_in_common_is_told_a_few_times_and_ends_with_the_last_of_them() {
        let text: Describe = |number, _, _| format!("{number} instances");
        let mut alert = AlertRecord::fired(event(Rule::PrerequisiteFailure), at(0)).of_the_first(text);

        let told = (1..5_000).filter(|_| alert.join(text, at(0))).count();
        let (most, context) = (alert.description.clone(), alert.context.clone());
        let last: Vec<usize> = (0..5_000).filter(|_| alert.leave(text, at(1))).collect();

        assert_eq!(told, 3, "at 10, 100 and 1,000");
        assert_eq!((most.as_str(), context["affectedInstances"].as_str()), ("5000 instances", "5000"));
        assert_eq!(last, [4_999]);
        assert!(alert.history.len() < 10);
    }

    #[test]
    fn the_newest_alert_has_the_first_name() {
        let names: Vec<String> = (0..50).map(|n| new_name(at(n * 1_000))).collect();

        let mut sorted = names.clone();
        sorted.sort();
        sorted.reverse();
        assert_eq!(names, sorted);
        assert!(names.iter().all(|name| name.parse::<Uuid>().is_ok()));
    }
}
