//! CustomResourceDefinitions: what they promise in a plan, and the wait until they are served in a restore.

use super::Walk;
use crate::api::{Discovery, Resolved};
use crate::item::{Place, ResourceType};
use crate::json;
use crate::row::Action;
use crate::stop::Stopped;
use protection::{Problem, code};
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_millis(100);

/// The types that a definition will serve.
pub(crate) fn promised_kinds(definition: &Value) -> Vec<ResourceType> {
    let text = |path: &[&str]| json::text(definition, path).unwrap_or("").to_owned();
    json::items(definition, &["spec", "versions"])
        .iter()
        .filter(|version| json::is_true(version, &["served"]))
        .map(|version| ResourceType {
            group: text(&["spec", "group"]),
            version: json::text(version, &["name"]).unwrap_or("").to_owned(),
            kind: text(&["spec", "names", "kind"]),
            resource: text(&["spec", "names", "plural"]),
            namespaced: text(&["spec", "scope"]) == "Namespaced",
        })
        .collect()
}

impl Walk<'_> {
    /// Notes what a definition that is being restored will serve.
    pub(super) fn promise(&self, place: &Place, definition: &Value, action: &Action) {
        let comes = matches!(action, Action::Create | Action::Replace { .. } | Action::Patch { .. });
        if comes && place.kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
            let mut promised = self.promised.write();
            for kind in promised_kinds(definition) {
                promised.add(kind);
            }
        }
    }

    /// Waits until every promised type is served, and learns what the target serves now.
    pub(super) async fn wait_for_definitions(&self) -> Result<(), Stopped> {
        let promised = std::mem::take(&mut *self.promised.write());
        if self.write.dry_run || promised.is_empty() {
            *self.promised.write() = promised;
            return Ok(());
        }
        let until = Instant::now() + self.options.patience.established;
        loop {
            let found = self.api.discover().await;
            let late = Instant::now() >= until;
            let discovery = match found {
                Ok(discovery) => discovery,
                Err(error) if late => {
                    let what = format!("The served types could not be read again: {}.", error.explain(true));
                    self.sink.problem(Problem::warning(code::OBJECT_NOT_RESTORED, what));
                    return Ok(());
                }
                Err(_) => Discovery::default(),
            };
            let missing: Vec<String> = promised.missing_from(&discovery);
            if missing.is_empty() || late {
                for kind in missing {
                    self.sink.problem(
                        Problem::warning(
                            code::OBJECT_NOT_RESTORED,
                            format!("The definition of {kind} exists, but the API server does not serve it."),
                        )
                        .fix("Look at the conditions of the CustomResourceDefinition."),
                    );
                }
                *self.discovery.write() = discovery;
                return Ok(());
            }
            self.stop.sleep(POLL).await?;
        }
    }
}

impl Discovery {
    /// Types of this one that the other does not serve, for people.
    pub(super) fn missing_from(&self, other: &Self) -> Vec<String> {
        self.iter()
            .filter(|kind| {
                !matches!(other.resolve(&kind.group, &kind.version, &kind.kind), Resolved::Served(_))
            })
            .map(|kind| format!("{} of {}", kind.kind, kind.api_version()))
            .collect()
    }
}
