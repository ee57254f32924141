//! Admission webhooks and APIServices: created once what serves them is ready, and not at all while it is not,
//! because they would then reject what everyone else writes.

use super::Walk;
use super::hazards::{exists, is_ready, required_service};
use super::settle::{Settled, Subject};
use super::state::Need;
use crate::api::ApiError;
use crate::codes;
use crate::item::Place;
use crate::json;
use crate::row::{Action, Checked};
use crate::stop::Stopped;
use protection::Problem;
use serde_json::Value;
use std::time::Duration;
use tokio::time::Instant;

const POLL: Duration = Duration::from_secs(1);

/// A Service, as namespace and name.
type Service = (String, String);

enum Backend {
    Ready,
    /// It is there, or comes with this restore.
    Awaited,
    Missing,
}

/// Whether objects of this type reject requests while nothing serves them.
pub(super) fn has_backends(place: &Place) -> bool {
    matches!(
        (place.kind.group.as_str(), place.kind.resource.as_str()),
        ("admissionregistration.k8s.io", "validatingwebhookconfigurations" | "mutatingwebhookconfigurations")
            | ("apiregistration.k8s.io", "apiservices")
    )
}

fn backends(object: &Value) -> Vec<Service> {
    let owned = |(namespace, name): (&str, &str)| (namespace.to_owned(), name.to_owned());
    let service = json::at(object, &["spec", "service"])
        .and_then(|service| Some((json::text(service, &["namespace"])?, json::text(service, &["name"])?)));
    let mut all: Vec<Service> = json::items(object, &["webhooks"])
        .iter()
        .filter_map(required_service)
        .chain(service)
        .map(owned)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Walk<'_> {
    pub(super) async fn settle_extension(&self, subject: Subject<'_>) -> Result<Settled, Stopped> {
        match self.api.get(subject.place).await {
            Ok(Some(live)) if !super::world::is_terminating(&live) => {
                return self.meet(&subject, &live).await;
            }
            Ok(_) => {}
            Err(error) => return Ok(Settled::blocked(not_observed(&error))),
        }
        let until = Instant::now() + self.options.patience.backend;
        for service in backends(subject.desired) {
            loop {
                match self.backend(&service).await {
                    Err(error) => return Ok(Settled::blocked(not_observed(&error))),
                    Ok(Backend::Ready) => break,
                    Ok(Backend::Missing) => return Ok(Settled::blocked(missing(&service, "does not exist"))),
                    Ok(Backend::Awaited) if self.write.dry_run => {
                        let reason = format!("it waits until Service {}/{} is ready", service.0, service.1);
                        return Ok(Settled::unchecked(Action::Create, reason));
                    }
                    Ok(Backend::Awaited) if Instant::now() >= until => {
                        return Ok(Settled::blocked(missing(&service, "has no ready endpoint")));
                    }
                    Ok(Backend::Awaited) => self.stop.sleep(POLL).await?,
                }
            }
        }
        let settled = self.settle(subject).await?;
        debug_assert!(settled.checked != Checked::NothingToCheck);
        Ok(settled)
    }

    async fn backend(&self, (namespace, name): &Service) -> Result<Backend, ApiError> {
        let need =
            Need { resource: "services".to_owned(), namespace: Some(namespace.clone()), name: name.clone() };
        let comes = self.state.lock().made.contains(&need);
        if self.write.dry_run && !self.world.namespaces.contains_key(namespace) {
            return Ok(if comes { Backend::Awaited } else { Backend::Missing });
        }
        if is_ready(self.api, namespace, name).await? {
            return Ok(Backend::Ready);
        }
        let there = comes || exists(self.api, namespace, name).await?;
        Ok(if there { Backend::Awaited } else { Backend::Missing })
    }
}

fn missing((namespace, name): &Service, what: &str) -> Problem {
    Problem::error(
        codes::WEBHOOK_WITHOUT_BACKEND,
        format!(
            "Service {namespace}/{name}, which serves it, {what}: creating it would reject the requests of others."
        ),
    )
    .fix("Bring up what serves it, then restore it again with includedResourceTypes.")
}

fn not_observed(error: &ApiError) -> Problem {
    let what = format!("The target could not be asked about it: {}.", error.explain(true));
    Problem::error(codes::REFUSED, what).fix("Start the restore again.")
}
