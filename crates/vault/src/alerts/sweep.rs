//! Keeps alerts bounded: what is over goes a month later, and of too many the least needed go first.

use super::{
    KIND,
    change::index,
    record::{AlertRecord, AlertState, Condition},
};
use crate::api::Each;
use crate::{
    api::{Loaded, read},
    app::App,
    store::{AuditEntry, AuditOutcome, Change, Expected, StoreError},
};
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};

/// How long an alert stays that is resolved or closed.
const STAYS: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Alerts of a subscription.
const MOST: usize = 10_000;
/// Alerts that go in one commit.
const AT_ONCE: usize = 100;

/// What decides whether an alert stays.
#[derive(Debug, Clone)]
struct Facts {
    id: ResourceId,
    version: i64,
    is_over: bool,
    is_of_job: bool,
    modified_at: Timestamp,
    /// The setting that names it as open, if it is.
    index: Option<String>,
}

/// Lets old alerts of all subscriptions go. Several replicas may do so at once.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    for subscription in app.store.subscriptions().await? {
        let leaving = leaving(facts(app, &subscription.id).await?, now, MOST);
        for some in leaving.chunks(AT_ONCE) {
            let mut changes = Vec::new();
            for one in some {
                changes.push(Change::Remove(one.id.clone(), Expected::Version(one.version)));
                if let Some(index) = &one.index
                    && app.store.setting(index).await?.as_deref() == Some(one.id.name())
                {
                    changes.push(Change::Unset(index.clone()));
                }
            }
            match app.store.commit(&changes, &audit(&subscription.id, now)).await {
                // Another replica was faster, or somebody wrote to one of them: the next sweep looks again.
                Err(StoreError::Conflict(what)) => tracing::info!(what, "old alerts wait for the next sweep"),
                other => other?,
            }
        }
    }
    Ok(())
}

async fn facts(app: &App, subscription: &ResourceId) -> Result<Vec<Facts>, StoreError> {
    let mut all = Vec::new();
    let mut each = Each::of(app.store.as_ref(), KIND, subscription);
    while let Some(stored) = each.next().await? {
        let alert: Loaded<AlertRecord> = read(stored)?;
        let record = &alert.document;
        all.push(Facts {
            version: alert.version,
            is_over: record.condition == Condition::Resolved || record.state == AlertState::Closed,
            is_of_job: record.rule.is_of_job(),
            modified_at: record.modified_at,
            index: record.is_open().then(|| index(record.rule, &record.about)),
            id: alert.id,
        });
    }
    Ok(all)
}

/// Those that go: what is over and old; of more than `most`, first what is over, then what is about jobs, the longest
/// untouched first.
fn leaving(all: Vec<Facts>, now: Timestamp, most: usize) -> Vec<Facts> {
    let is_old = |one: &Facts| one.is_over && now.duration_since(one.modified_at) > STAYS;
    let (mut leaving, mut staying): (Vec<_>, Vec<_>) = all.into_iter().partition(is_old);
    let over = staying.len().saturating_sub(most);
    staying.sort_by_key(|one| (!one.is_over, !one.is_of_job, one.modified_at));
    leaving.extend(staying.into_iter().take(over));
    leaving
}

fn audit(subscription: &ResourceId, now: Timestamp) -> AuditEntry {
    AuditEntry {
        at: now,
        principal: "vault".to_owned(),
        action: "forget old alerts".to_owned(),
        scope: subscription.to_string(),
        outcome: AuditOutcome::Changed,
        correlation: uuid::Uuid::new_v4().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str, is_over: bool, is_of_job: bool, days: i64) -> Facts {
        let modified_at = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(days * 24);
        let id = super::super::id_of("s", name).unwrap();
        Facts { id, version: 1, is_over, is_of_job, modified_at, index: None }
    }

    fn names(found: &[Facts]) -> Vec<&str> {
        found.iter().map(|one| one.id.name()).collect()
    }

    #[test]
    fn what_is_over_goes_after_a_month_and_what_is_open_stays() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100 * 24);
        let all =
            vec![fact("old", true, true, 60), fact("young", true, false, 80), fact("open", false, true, 1)];

        assert_eq!(names(&leaving(all, now, 10)), ["old"]);
    }

    #[test]
    fn of_too_many_the_oldest_that_are_over_go_first_and_open_security_alerts_last() {
        let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(100 * 24);
        let all = vec![
            fact("security", false, false, 1),
            fact("job", false, true, 2),
            fact("later job", false, true, 3),
            fact("over", true, false, 99),
        ];
        let gone = |most| names(&leaving(all.clone(), now, most)).join(", ");

        assert_eq!(gone(4), "");
        assert_eq!(gone(3), "over");
        assert_eq!(gone(2), "over, job");
        assert_eq!(gone(1), "over, job, later job");
    }
}
