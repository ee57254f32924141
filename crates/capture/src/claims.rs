//! The selected claims and the volumes behind them, read before the objects: snapshots are cut while the objects
//! are captured.

use crate::api::Api;
use crate::discovery::Kind;
use crate::facts::Facts;
use crate::filter::{Filter, Related, Verdict};
use crate::list::{Receive, Refusal};
use crate::object::Object;
use crate::survey::{Namespaces, collect};
use crate::{Budget, CaptureError, problems};
use bytes::Bytes;
use protection::claims::SelectedClaim;
use protection::{Problem, Selection};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What [`claims`] found.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// The selected claims with their volumes, sorted by namespace and name.
    pub claims: Vec<SelectedClaim>,
    /// Claims that opt out, by name, as information.
    pub problems: Vec<Problem>,
}

/// Reads the claims that `selection` chooses. Fails when the API server does; can be repeated at any time.
pub async fn claims(
    client: &kube::Client,
    selection: &Selection,
    budget: &Budget,
    cancel: &CancellationToken,
) -> Result<Claims, CaptureError> {
    let api = Api::new(client.clone(), cancel.clone(), budget.connections());
    let claims = Kind::core("PersistentVolumeClaim", "persistentvolumeclaims", true);
    let volumes = Kind::core("PersistentVolume", "persistentvolumes", false);
    let closing = Arc::new(Namespaces::read(&api, budget).await?.closing());
    let filter = Filter { selection: Arc::new(selection.clone()), closing, related: Related::No };
    let facts = match filter.can_take(&claims) {
        true => collect(&api, &claims, budget, || Reader::new(&claims, Some(&filter))).await?.facts,
        false => Facts::default(),
    };
    let volumes = match facts.volume_names().is_empty() {
        true => BTreeMap::new(),
        false => collect(&api, &volumes, budget, || Reader::new(&volumes, None)).await?.facts.volumes,
    };
    Ok(Claims { claims: facts.resolved_claims(&volumes), problems: problems::claims_left_out(&facts) })
}

/// Learns from the objects that the filter takes.
struct Reader<'a> {
    kind: &'a Kind,
    filter: Option<&'a Filter>,
    facts: Facts,
}

impl<'a> Reader<'a> {
    fn new(kind: &'a Kind, filter: Option<&'a Filter>) -> Self {
        Self { kind, filter, facts: Facts::default() }
    }
}

impl Receive for Reader<'_> {
    async fn item(&mut self, bytes: Bytes) -> Result<(), Refusal> {
        let refuse = |error: serde_json::Error| Refusal::Nonsense(error.to_string());
        let metadata = Object::read(&bytes).map_err(refuse)?.metadata;
        let verdict = match self.filter {
            Some(filter) => filter.judge(self.kind, &metadata, &bytes).map_err(refuse)?,
            None => Verdict::Take,
        };
        match verdict {
            Verdict::Take => self.facts.learn(self.kind, &metadata, &bytes).map_err(refuse)?,
            Verdict::LeaveOut(why) => self.facts.leave_out(why, self.kind, &metadata),
            Verdict::Pass => {}
        }
        Ok(())
    }
}
