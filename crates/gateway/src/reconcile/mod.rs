//! ServiceAccounts and rights in the cluster as the list of bindings says: observe, decide, act.

mod act;
mod decide;
mod observe;

pub use act::ReconcileError;
pub use decide::{Account, Observed, Rights, Step, decide};

use crate::Granted;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use std::collections::BTreeMap;

/// What a reconciliation found at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// UID of each ServiceAccount, by its name: a token lives as long as this one.
    pub accounts: BTreeMap<String, String>,
    /// What was made, changed and deleted.
    pub steps: Vec<String>,
}

/// The cluster's side of Trusted Access.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
}

/// Steps that are taken before one gives up: somebody else would be undoing them.
const ROUNDS: usize = 3;

impl Cluster {
    /// By the gateway's own rights.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub(crate) fn accounts(&self) -> Api<ServiceAccount> {
        Api::namespaced(self.client.clone(), crate::ACCESS_NAMESPACE)
    }

    /// Makes the cluster as `wanted` says; what is so already is left alone.
    pub async fn reconcile(&self, wanted: &BTreeMap<String, Granted>) -> Result<Settled, ReconcileError> {
        let mut done = Vec::new();
        for _ in 0..ROUNDS {
            let seen = observe::observe(&self.client).await?;
            let steps = decide(wanted, &seen)?;
            if steps.is_empty() {
                let uids = seen.accounts.into_iter().map(|(name, account)| (name, account.uid));
                return Ok(Settled { accounts: uids.collect(), steps: done });
            }
            for step in steps {
                tracing::info!(%step, "changes what Trusted Access is in this cluster");
                act::act(&self.client, &step).await?;
                done.push(step.to_string());
            }
        }
        Err(ReconcileError::Unsettled)
    }
}
