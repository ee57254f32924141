//! What the extension counts, in the Prometheus text format.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Labels of counted operations.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Ended {
    /// `Backup`, `Restore`, `Plan` …
    pub kind: &'static str,
    /// The final phase.
    pub phase: String,
}

/// Labels by kind.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Kind {
    /// `Backup`, `Restore` …
    pub kind: &'static str,
}

/// Labels by backup instance.
#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Instance {
    /// The backup instance.
    pub instance: String,
}

/// All metrics of the extension.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Operations that reached a final phase.
    pub ended: Family<Ended, Counter>,
    /// Operations under way.
    pub running: Family<Kind, Gauge>,
    /// Seconds from begin to end.
    pub seconds: Family<Kind, Histogram>,
    /// When the last backup of an instance completed, in seconds since 1970.
    pub last_backup: Family<Instance, Gauge>,
    /// Seconds during which an application was frozen by hooks.
    pub frozen_seconds: Histogram,
    /// Objects captured.
    pub objects: Counter,
    /// 1 while this process leads.
    pub leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cofferdam");
        let ended = Family::<Ended, Counter>::default();
        let running = Family::<Kind, Gauge>::default();
        let seconds = Family::<Kind, Histogram>::new_with_constructor(|| {
            Histogram::new([1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0])
        });
        let last_backup = Family::<Instance, Gauge>::default();
        let frozen_seconds = Histogram::new([0.1, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0]);
        let (objects, leader) = (Counter::default(), Gauge::default());
        registry.register("operations", "Operations that ended, by final phase", ended.clone());
        registry.register("operations_running", "Operations under way", running.clone());
        registry.register("operation_seconds", "Seconds from begin to end", seconds.clone());
        registry.register(
            "last_backup_timestamp_seconds",
            "When the last backup completed",
            last_backup.clone(),
        );
        registry.register(
            "frozen_seconds",
            "Seconds between pre-hooks and post-hooks",
            frozen_seconds.clone(),
        );
        registry.register("objects_captured", "Objects captured", objects.clone());
        registry.register("leader", "1 while this process leads", leader.clone());
        Self { registry, ended, running, seconds, last_backup, frozen_seconds, objects, leader }
    }
}

impl Metrics {
    /// The text that a scrape returns.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_what_was_counted() {
        let metrics = Metrics::default();

        metrics.ended.get_or_create(&Ended { kind: "Backup", phase: "Completed".to_owned() }).inc();
        let text = metrics.text().unwrap();

        assert!(text.contains(r#"cofferdam_operations_total{kind="Backup",phase="Completed"} 1"#), "{text}");
        assert!(text.contains("cofferdam_leader 0"), "{text}");
    }
}
