//! Whether something of others lives in a namespace. The agent may not read Secrets and the like everywhere, so it does
//! not look: a ResourceQuota with limits that nothing reaches makes the API server count.

use crate::{MANAGER, error::ActError};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use std::collections::BTreeMap;

/// Name of the quota.
pub(crate) const QUOTA: &str = "cofferdam-agent-count";
/// Since when it counts.
const SINCE: &str = "cofferdam.io/since";
/// How long counting may take before the namespace is left alone.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// More than any namespace holds.
const MANY: &str = "1000000000";

/// What is counted, and how many of them every namespace has by itself.
const COUNTED: [(&str, u64); 18] = [
    ("count/secrets", 0),
    ("count/configmaps", 1),
    ("count/persistentvolumeclaims", 0),
    ("count/pods", 0),
    ("count/services", 0),
    ("count/serviceaccounts", 1),
    ("count/replicationcontrollers", 0),
    ("count/deployments.apps", 0),
    ("count/statefulsets.apps", 0),
    ("count/daemonsets.apps", 0),
    ("count/replicasets.apps", 0),
    ("count/jobs.batch", 0),
    ("count/cronjobs.batch", 0),
    ("count/ingresses.networking.k8s.io", 0),
    ("count/networkpolicies.networking.k8s.io", 0),
    ("count/roles.rbac.authorization.k8s.io", 0),
    ("count/rolebindings.rbac.authorization.k8s.io", 0),
    ("count/horizontalpodautoscalers.autoscaling", 0),
];

/// What is in a namespace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Nothing that is worth keeping.
    Nothing,
    /// Something, or nobody could tell.
    Something(String),
    /// It is being counted.
    NotCounted,
}

/// Asks for the counts, and judges them once they are there.
pub(crate) async fn look(client: &Client, namespace: &str, now: Timestamp) -> Result<Contents, ActError> {
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
    let failed = |error| ActError::api(&format!("count what is in namespace {namespace}"), &error);
    let Some(found) = quotas.get_opt(QUOTA).await.map_err(failed)? else {
        let hard: BTreeMap<&str, &str> = COUNTED.iter().map(|(name, _)| (*name, MANY)).collect();
        let quota = json!({
            "apiVersion": "v1", "kind": "ResourceQuota",
            // By the agent's own clock: those of different machines are never compared.
            "metadata": {"name": QUOTA, "namespace": namespace, "annotations": {SINCE: now.to_string()}},
            "spec": {"hard": hard},
        });
        quotas
            .patch(QUOTA, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&quota))
            .await
            .map_err(failed)?;
        return Ok(Contents::NotCounted);
    };
    let since = found.annotations().get(SINCE).and_then(|text| text.parse::<Timestamp>().ok());
    let age = since.map_or(PATIENCE, |since| now.duration_since(since));
    let used = found.status.and_then(|status| status.used).unwrap_or_default();
    let used = used.into_iter().filter_map(|(name, amount)| Some((name, amount.0.parse().ok()?))).collect();
    Ok(judge(&used, age))
}

/// Takes the quota away from a namespace that stays.
pub(crate) async fn forget(client: &Client, namespace: &str) -> Result<(), ActError> {
    let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
    match quotas.delete(QUOTA, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ActError::api(&format!("remove ResourceQuota {namespace}/{QUOTA}"), &error)),
    }
}

fn judge(used: &BTreeMap<String, u64>, age: SignedDuration) -> Contents {
    let mut others = Vec::new();
    for (name, own) in COUNTED {
        match used.get(name) {
            None if age < PATIENCE => return Contents::NotCounted,
            None => {
                let what = "it could not be counted in time whether something of others lives there.";
                return Contents::Something(what.to_owned());
            }
            Some(count) if *count > own => {
                let kind = name.trim_start_matches("count/");
                others.push(format!("{} {kind}", count - own));
            }
            Some(_) => {}
        }
    }
    if others.is_empty() {
        return Contents::Nothing;
    }
    // Counts lag behind: what the agent itself has just removed may still be among them.
    if age < PATIENCE {
        return Contents::NotCounted;
    }
    Contents::Something(format!("others have objects there: {}.", others.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(changed: &[(&str, u64)]) -> BTreeMap<String, u64> {
        let mut used: BTreeMap<String, u64> =
            COUNTED.iter().map(|(name, own)| ((*name).to_owned(), *own)).collect();
        used.extend(changed.iter().map(|(name, count)| ((*name).to_owned(), *count)));
        used
    }

    #[test]
    fn only_a_namespace_that_was_counted_and_is_empty_counts_as_empty() {
        let (young, old) = (SignedDuration::from_secs(1), SignedDuration::from_secs(61));
        let mut partly = used(&[]);
        partly.remove("count/secrets");

        assert_eq!(judge(&used(&[]), young), Contents::Nothing);
        assert_eq!(judge(&BTreeMap::new(), young), Contents::NotCounted);
        assert_eq!(judge(&partly, young), Contents::NotCounted);
        assert!(matches!(judge(&partly, old), Contents::Something(_)));
        assert_eq!(judge(&used(&[("count/secrets", 1)]), young), Contents::NotCounted);
        let found = judge(&used(&[("count/secrets", 1), ("count/pods", 2)]), old);
        assert_eq!(found, Contents::Something("others have objects there: 1 secrets, 2 pods.".to_owned()));
    }
}
