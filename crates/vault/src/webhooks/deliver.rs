//! Delivers messages: tries, rests longer after each failure, and after a day says in the alert that it was not delivered.

use super::{Message, receiver::SendError};
use crate::{
    alerts::{AlertRecord, Undelivered},
    api::{Loaded, load},
    app::App,
    store::{StoreError, Work},
    work::{Answered, Step},
};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// The kind of this work.
pub const KIND: &str = "webhook";
/// For so long a message is tried.
const TRIED_FOR: SignedDuration = SignedDuration::from_hours(24);
const FIRST_REST: i64 = 5;
const LONGEST_REST: i64 = 60 * 60;
/// Until a receiver is asked again whether it has a place for one more attempt.
const QUEUE: SignedDuration = SignedDuration::from_secs(30);

/// One attempt.
pub fn step<'c>(app: &'c Arc<App>, work: &'c Work) -> Answered<'c> {
    Box::pin(one(app, work))
}

async fn one(app: &App, work: &Work) -> Result<Step, StoreError> {
    let mut message: Message = serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(format!("{}: {error}", work.id)))?;
    let now = app.clock.now();
    let sent = match app.webhooks.receiver(&message.receiver) {
        Some(receiver) => receiver.send(&message, now).await.map_err(Some),
        None => Err(None),
    };
    let name = message.receiver.clone();
    let why = match sent {
        Ok(()) => {
            app.metrics.webhook(&name, "delivered");
            return Ok(Step::Done(Vec::new()));
        }
        Err(Some(SendError::Busy)) => return later(now.checked_add(QUEUE).unwrap_or(now), &message),
        // Another replica may know it; so may this one after its next start.
        Err(None) => format!("no receiver is called '{name}' any more"),
        Err(Some(error)) => error.to_string(),
    };
    message.failed = message.failed.saturating_add(1);
    match again(&message, now) {
        Some(at) => {
            app.metrics.webhook(&name, "failed");
            tracing::warn!(receiver = name, message = message.id, why, %at, "an alert could not be told; trying again");
            later(at, &message)
        }
        None => {
            app.metrics.webhook(&name, "undelivered");
            tracing::error!(
                receiver = name,
                message = message.id,
                why,
                "an alert could not be told for a day; giving up"
            );
            give_up(app, work, message, why, now).await
        }
    }
}

/// When a message is tried again; `None` when it was tried for long enough.
fn again(message: &Message, now: Timestamp) -> Option<Timestamp> {
    let end = message.since.checked_add(TRIED_FOR).unwrap_or(message.since);
    let seconds = FIRST_REST.checked_shl(message.failed.saturating_sub(1).min(20)).unwrap_or(LONGEST_REST);
    let next = now.checked_add(SignedDuration::from_secs(seconds.min(LONGEST_REST))).unwrap_or(now);
    // The last attempt is at the end of the day.
    (now < end).then(|| next.min(end))
}

fn later(due_at: Timestamp, message: &Message) -> Result<Step, StoreError> {
    let document = serde_json::to_value(message).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Step::Later { due_at, advanced: true, document, changes: Vec::new() })
}

async fn give_up(
    app: &App,
    work: &Work,
    message: Message,
    error: String,
    at: Timestamp,
) -> Result<Step, StoreError> {
    let Some(mut alert): Option<Loaded<AlertRecord>> = load(app.store.as_ref(), &work.target).await? else {
        return Ok(Step::Done(Vec::new()));
    };
    let Message { receiver, id, .. } = message;
    alert.document.give_up(Undelivered { receiver, message: id, error, at });
    Ok(Step::Done(vec![alert.write()?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_tried_less_and_less_often_for_a_day_and_once_more_at_its_end() {
        let since = Timestamp::UNIX_EPOCH;
        let mut message = Message {
            id: "m".into(),
            receiver: "ops".into(),
            body: serde_json::Value::Null,
            since,
            failed: 0,
        };
        let (mut now, mut rests) = (since, Vec::new());

        loop {
            message.failed += 1;
            let Some(next) = again(&message, now) else { break };
            rests.push(next.duration_since(now).as_secs());
            now = next;
        }

        assert_eq!(rests[..5], [5, 10, 20, 40, 80]);
        assert!(rests.iter().all(|rest| *rest <= 3_600), "{rests:?}");
        assert_eq!(now, since + TRIED_FOR, "the last attempt");
        assert!(rests.len() < 40, "{}", rests.len());
    }

    #[test]
    fn a_vault_that_was_away_for_days_tries_once_and_no_number_of_failures_is_too_many() {
        let since = Timestamp::UNIX_EPOCH;
        let message = |failed| Message {
            id: "m".into(),
            receiver: "ops".into(),
            body: serde_json::Value::Null,
            since,
            failed,
        };

        assert_eq!(again(&message(1), since + SignedDuration::from_hours(72)), None);
        assert_eq!(again(&message(u32::MAX), since), Some(since + SignedDuration::from_hours(1)));
    }
}
