//! Waits until an object that is being deleted is gone, and says meanwhile what holds its deletion up.

use super::{Sink, Walk};
use crate::codes;
use crate::item::Place;
use crate::json;
use crate::stop::Stopped;
use protection::Problem;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(250);
/// A deletion that takes no longer than this is not worth a word.
const USUAL: Duration = Duration::from_secs(2);
/// How long a deletion is waited for when the restore has to stop.
const GRACE: Duration = Duration::from_secs(5);

impl Walk<'_> {
    /// Waits until an object with the UID of `live` is gone, or says why that takes too long.
    pub(super) async fn wait_until_gone(
        &self,
        place: &Place,
        live: &Value,
    ) -> Result<Result<(), Problem>, Stopped> {
        let uid = json::text(live, &["metadata", "uid"]);
        let began = Instant::now();
        let until = began + self.options.patience.deletion;
        let soon = until.min(began + GRACE);
        let mut notice = Notice { sink: self.sink, name: place.to_string(), given: None };
        loop {
            match self.api.get(place).await {
                Ok(None) => return Ok(Ok(())),
                Ok(Some(now)) if json::text(&now, &["metadata", "uid"]) != uid => return Ok(Ok(())),
                // What was deleted to be replaced is not left so for want of a moment, whoever stops the restore.
                Ok(Some(now)) if Instant::now() >= self.at_most(until, soon) => {
                    return Ok(Err(held_up(place, &now)));
                }
                Ok(Some(now)) if began.elapsed() >= USUAL => notice.give(held_up(place, &now)),
                Ok(Some(_)) => {}
                Err(error) => {
                    let what =
                        format!("{place} could not be watched while it is deleted: {}.", error.explain(true));
                    return Ok(Err(Problem::error(codes::REFUSED, what)));
                }
            }
            if self.stop.sleep(POLL).await.is_err() {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// The later instant, unless the restore has to stop.
    fn at_most(&self, until: Instant, soon: Instant) -> Instant {
        if self.stop.check().is_ok() { until } else { soon }
    }
}

/// Tells the watcher what is waited for, and takes it back when the wait ends, however it ends.
struct Notice<'a> {
    sink: &'a dyn Sink,
    name: String,
    given: Option<Problem>,
}

impl Notice<'_> {
    fn give(&mut self, why: Problem) {
        if self.given.as_ref() != Some(&why) {
            self.sink.waits(&self.name, &why);
            self.given = Some(why);
        }
    }
}

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        if self.given.is_some() {
            self.sink.waited(&self.name);
        }
    }
}

/// What keeps an object from going that was deleted.
fn held_up(place: &Place, live: &Value) -> Problem {
    let finalizers = finalizers(live);
    let mut what = format!("{place} is being deleted and does not go; finalizers: ");
    what.push_str(&if finalizers.is_empty() { "none".to_owned() } else { finalizers.join(", ") });
    for remains in remains(live) {
        what.push_str("; ");
        what.push_str(remains.trim_end_matches('.'));
    }
    what.push('.');
    Problem::error(codes::REFUSED, what).fix("Let its deletion end, then start the restore again.")
}

/// Those of every object, and those of a namespace's specification.
fn finalizers(live: &Value) -> Vec<&str> {
    let of = |path: &[&str]| json::items(live, path).iter().filter_map(Value::as_str);
    of(&["metadata", "finalizers"]).chain(of(&["spec", "finalizers"])).collect()
}

/// What the conditions of a namespace say is left in it. They name types, counts and finalizers, no content.
fn remains(live: &Value) -> impl Iterator<Item = &str> {
    json::items(live, &["status", "conditions"])
        .iter()
        .filter(|condition| {
            let is_true = json::text(condition, &["status"]) == Some("True");
            is_true && json::text(condition, &["type"]).is_some_and(|kind| kind.starts_with("Namespace"))
        })
        .filter_map(|condition| json::text(condition, &["message"]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::core;
    use serde_json::json;
    use std::sync::Arc;

    #[test]
    fn a_namespace_that_does_not_go_names_what_is_left_in_it() {
        let kind = Arc::new(core("Namespace", "namespaces", false));
        let place = Place { kind, namespace: None, name: Arc::from("shop") };
        let live = json!({
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"conditions": [
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "fine"},
                {"type": "NamespaceContentRemaining", "status": "True", "message": "widgets.example.com has 1 resource instances"},
                {"type": "NamespaceFinalizersRemaining", "status": "True", "message": "example.com/hold in 1 resource instances"},
            ]},
        });

        let said = held_up(&place, &live).message;

        for named in ["finalizers: kubernetes", "widgets.example.com has 1", "example.com/hold in 1"] {
            assert!(said.contains(named), "{said}");
        }
        assert!(!said.contains("fine"), "{said}");
    }
}
