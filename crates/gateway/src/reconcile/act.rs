//! Performs one change of what Trusted Access is in the cluster.

use super::decide::{SOURCE_ANNOTATION, Step};
use crate::{ACCESS_NAMESPACE, CLUSTER_ROLE_BINDING, MANAGER, NAME, role::CLUSTER_ROLE};
use k8s_openapi::api::{core::v1::ServiceAccount, rbac::v1::ClusterRoleBinding};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Why the cluster is not as the list of bindings says.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server said no, or nothing.
    #[error("could not {what}: {error}")]
    Api {
        /// What was tried.
        what: &'static str,
        /// What happened.
        error: kube::Error,
    },
    /// The manifest is not applied in full.
    #[error("the ClusterRole {CLUSTER_ROLE} is not there; apply the manifest of the connection again")]
    NoRole,
    /// Somebody changed it.
    #[error(
        "the ClusterRole {CLUSTER_ROLE} grants something else than Trusted Access does, so nobody is bound to it; apply the manifest of the connection again"
    )]
    OtherRole,
    /// Somebody undoes it.
    #[error("what was changed did not stay so; something else writes the same objects in {ACCESS_NAMESPACE}")]
    Unsettled,
    /// A document of ours.
    #[error("a manifest could not be made: {0}")]
    Document(#[from] serde_json::Error),
}

impl ReconcileError {
    /// Whether bindings would grant something else than they should.
    pub fn is_about_rights(&self) -> bool {
        matches!(self, Self::NoRole | Self::OtherRole)
    }

    /// Whether the API server could not be reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Api { error, .. } if !matches!(error, kube::Error::Api(_)))
    }
}

pub(super) async fn act(client: &Client, step: &Step) -> Result<(), ReconcileError> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), ACCESS_NAMESPACE);
    let rights: Api<ClusterRoleBinding> = Api::all(client.clone());
    let apply = PatchParams::apply(MANAGER).force();
    match step {
        Step::ApplyAccount { name, source } => {
            let account = json!({
                "apiVersion": "v1", "kind": "ServiceAccount",
                "metadata": {
                    "name": name, "namespace": ACCESS_NAMESPACE, "labels": labels(),
                    "annotations": {SOURCE_ANNOTATION: source},
                },
                "automountServiceAccountToken": false,
            });
            done("apply a ServiceAccount", accounts.patch(name, &apply, &Patch::Apply(&account)).await)
        }
        Step::DeleteAccount { name, uid } => {
            let only = Preconditions { uid: Some(uid.clone()), resource_version: None };
            let parameters = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
            gone("delete a ServiceAccount", accounts.delete(name, &parameters).await.map(drop))
        }
        Step::DeleteRights => {
            let deleted = rights.delete(CLUSTER_ROLE_BINDING, &DeleteParams::default()).await;
            gone("delete the ClusterRoleBinding", deleted.map(drop))
        }
        Step::CreateRights(names) => {
            let binding = serde_json::from_value(cluster_role_binding(names))?;
            let parameters = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
            let created = rights.create(&parameters, &binding).await;
            match created {
                // Another round looks at it.
                Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
                created => done("create the ClusterRoleBinding", created),
            }
        }
        // Not by server-side apply, which would leave the subjects that another manager added.
        Step::ReplaceSubjects(names) => {
            let document = cluster_role_binding(names);
            let patch = json!({"subjects": document.get("subjects"), "metadata": {"labels": labels()}});
            let parameters =
                PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            let patched = rights.patch(CLUSTER_ROLE_BINDING, &parameters, &Patch::Merge(&patch)).await;
            done("bind the ServiceAccounts", patched)
        }
    }
}

fn cluster_role_binding(names: &BTreeSet<String>) -> Value {
    let subject = |name| json!({"kind": "ServiceAccount", "namespace": ACCESS_NAMESPACE, "name": name});
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": CLUSTER_ROLE_BINDING, "labels": labels()},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER_ROLE},
        "subjects": names.iter().map(subject).collect::<Vec<_>>(),
    })
}

fn labels() -> Value {
    json!({"app.kubernetes.io/part-of": "cofferdam", "app.kubernetes.io/managed-by": NAME})
}

fn done<T>(what: &'static str, result: Result<T, kube::Error>) -> Result<(), ReconcileError> {
    result.map(drop).map_err(|error| ReconcileError::Api { what, error })
}

/// What is not there any more, or is another one by now, needs no deletion; another round looks at it.
fn gone(what: &'static str, result: Result<(), kube::Error>) -> Result<(), ReconcileError> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        other => done(what, other),
    }
}
