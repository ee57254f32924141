//! What the vault counts, in the Prometheus text format. Labels come from closed lists: what a client sends never becomes
//! one.

use crate::self_backup::State;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::time::Duration;

/// Labels of an answer.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Answered {
    /// The action of the management API, or the part that answered.
    pub operation: &'static str,
    /// The HTTP status.
    pub status: u16,
}

/// Labels of a latency.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Operation {
    /// The action of the management API, or the part that answered.
    pub operation: &'static str,
}

/// Labels of work.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Kind {
    /// The kind of work.
    pub kind: String,
}

/// Labels of a message to a receiver of webhooks.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Webhook {
    /// Its name, as the operator chose it.
    pub receiver: String,
    /// How it ended.
    pub outcome: &'static str,
}

/// All metrics of the vault.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Operation, Histogram>,
    /// Connections that are open.
    pub connections: Gauge,
    /// Slots of schedules that began nothing, because the job of an earlier slot was under way.
    pub slots_skipped: Counter,
    claimed: Family<Kind, Counter>,
    failed: Family<Kind, Counter>,
    webhooks: Family<Webhook, Counter>,
    backed_up_at: Gauge,
    backup_bytes: Gauge,
    backup_failures: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cofferdam_vault");
        let answered = Family::default();
        let seconds = Family::<Operation, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.001, 2.0, 17))
        });
        let (connections, claimed, failed) = (Gauge::default(), Family::default(), Family::default());
        registry.register("requests", "Requests that were answered", answered.clone());
        registry.register("request_seconds", "Seconds from request to answer", seconds.clone());
        registry.register("connections", "Connections that are open", connections.clone());
        registry.register("work_claimed", "Work that this replica claimed", claimed.clone());
        registry.register("work_failed", "Steps of work that are tried again", failed.clone());
        let webhooks = Family::default();
        let help = "Attempts to tell a receiver of an alert, by how they ended";
        registry.register("webhooks", help, webhooks.clone());
        let slots_skipped = Counter::default();
        registry.register(
            "slots_skipped",
            "Slots of schedules that began nothing, because the job of an earlier slot was under way",
            slots_skipped.clone(),
        );
        let (backed_up_at, backup_bytes, backup_failures) =
            (Gauge::default(), Gauge::default(), Gauge::default());
        let help = "When the vault last backed itself up, in seconds since 1970; 0 when it never did";
        registry.register("self_backup_timestamp_seconds", help, backed_up_at.clone());
        registry.register("self_backup_bytes", "Bytes of its last self-backup", backup_bytes.clone());
        let help = "Self-backups that failed since the last one that did not";
        registry.register("self_backup_failures", help, backup_failures.clone());
        Self {
            registry,
            answered,
            seconds,
            connections,
            slots_skipped,
            claimed,
            failed,
            webhooks,
            backed_up_at,
            backup_bytes,
            backup_failures,
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, operation: &'static str, status: u16, took: Duration) {
        self.answered.get_or_create(&Answered { operation, status }).inc();
        self.seconds.get_or_create(&Operation { operation }).observe(took.as_secs_f64());
    }

    /// Work of a kind was claimed.
    pub fn claimed(&self, kind: &str) {
        self.claimed.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }

    /// A step of a kind of work failed.
    pub fn failed(&self, kind: &str) {
        self.failed.get_or_create(&Kind { kind: kind.to_owned() }).inc();
    }

    /// A receiver was told, or not.
    pub fn webhook(&self, receiver: &str, outcome: &'static str) {
        self.webhooks.get_or_create(&Webhook { receiver: receiver.to_owned(), outcome }).inc();
    }

    /// How self-backups went, as the database says it: the same on every replica.
    pub fn self_backup(&self, state: &State) {
        let last = state.last.as_ref();
        self.backed_up_at.set(last.map_or(0, |taken| taken.at.as_second()));
        self.backup_bytes.set(last.map_or(0, |taken| i64::try_from(taken.bytes).unwrap_or(i64::MAX)));
        self.backup_failures.set(state.failed.as_ref().map_or(0, |failed| i64::from(failed.times)));
    }

    /// All as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into memory does not fail.
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_backup::{Failed, Taken};
    use jiff::Timestamp;
    use std::collections::BTreeMap;

    /// Names with the endings that they are read by, and their labels.
    fn shown(text: &str) -> BTreeMap<String, Vec<String>> {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
        let named = types.map(|(name, kind)| {
            let (ending, sample) = match kind {
                "counter" => ("_total", "_total"),
                "histogram" => ("", "_count"),
                _ => ("", ""),
            };
            let begins = format!("{name}{sample}");
            let sample = text.lines().find_map(|line| line.strip_prefix(begins.as_str()));
            let labels =
                sample.and_then(|rest| rest.strip_prefix('{')?.split_once('}')).map(|(inner, _)| inner);
            let labels = labels.into_iter().flat_map(|inner| inner.split(','));
            let labels = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned())).collect();
            (format!("{name}{ending}"), labels)
        });
        named.collect()
    }

    #[test]
    fn the_table_in_the_documents_names_every_metric_with_its_labels_and_no_other() {
        let metrics = Metrics::default();
        metrics.answered("health", 200, Duration::from_millis(1));
        metrics.claimed("sync");
        metrics.failed("sync");
        metrics.webhook("pager", "delivered");

        let page = include_str!("../../../docs/vault.md");
        let rows = page.lines().filter(|line| line.starts_with("| `cofferdam_vault_"));
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        let documented: BTreeMap<String, Vec<String>> = rows
            .map(|row| {
                let mut cells = row.split('|').skip(1);
                let (name, labels) = (cells.next().unwrap(), cells.next().unwrap());
                (quoted(name).remove(0), quoted(labels))
            })
            .collect();

        assert_eq!(shown(&metrics.text()), documented);
    }

    #[test]
    fn a_self_backup_that_fails_is_seen_beside_the_last_one_that_did_not() {
        let (metrics, at) = (Metrics::default(), Timestamp::from_second(1_700_000_000).unwrap());
        let last = Taken { at, name: "n".into(), place: "p".into(), bytes: 5_000, rows: 7 };
        let failed = Failed { at, why: "full".into(), times: 3 };

        let never = metrics.text();
        metrics.self_backup(&State { last: Some(last), failed: Some(failed) });
        let text = metrics.text();

        assert!(never.contains("cofferdam_vault_self_backup_timestamp_seconds 0\n"), "{never}");
        for line in ["timestamp_seconds 1700000000", "bytes 5000", "failures 3"] {
            assert!(text.contains(&format!("cofferdam_vault_self_backup_{line}\n")), "{line}: {text}");
        }
    }
}
