//! What the vault counts, in the Prometheus text format. Labels come from closed lists: what a client sends never becomes
//! one.

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
        let slots_skipped = Counter::default();
        registry.register(
            "slots_skipped",
            "Slots of schedules that began nothing, because the job of an earlier slot was under way",
            slots_skipped.clone(),
        );
        Self { registry, answered, seconds, connections, slots_skipped, claimed, failed }
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
