//! Reads what of Trusted Access is in the cluster.

use super::{
    act::ReconcileError,
    decide::{Account, Observed, Rights, SOURCE_ANNOTATION},
};
use crate::{ACCESS_NAMESPACE, CLUSTER_ROLE_BINDING, role::CLUSTER_ROLE};
use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{ClusterRole, ClusterRoleBinding},
};
use kube::{Api, Client, ResourceExt, api::ListParams};

pub(super) async fn observe(client: &Client) -> Result<Observed, ReconcileError> {
    let failed = |what| move |error| ReconcileError::Api { what, error };
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), ACCESS_NAMESPACE);
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let parameters = ListParams::default();
    let (accounts, rights, role) = tokio::try_join!(
        async { accounts.list(&parameters).await.map_err(failed("list the ServiceAccounts")) },
        async { bindings.get_opt(CLUSTER_ROLE_BINDING).await.map_err(failed("read the ClusterRoleBinding")) },
        async { roles.get_opt(CLUSTER_ROLE).await.map_err(failed("read the ClusterRole")) },
    )?;
    Ok(Observed {
        accounts: accounts
            .items
            .into_iter()
            .map(|account| (account.name_any(), account_of(&account)))
            .collect(),
        rights: rights.map(|rights| rights_of(&rights)),
        role_is_exact: role.map(|role| crate::role::is_exact(&role)),
    })
}

fn account_of(account: &ServiceAccount) -> Account {
    Account {
        uid: account.uid().unwrap_or_default(),
        source: account.annotations().get(SOURCE_ANNOTATION).cloned(),
        mounts_token: account.automount_service_account_token != Some(false),
    }
}

fn rights_of(binding: &ClusterRoleBinding) -> Rights {
    let subjects = binding.subjects.iter().flatten().map(|subject| {
        let kind = format!("{}/{}", subject.api_group.as_deref().unwrap_or_default(), subject.kind);
        (kind, subject.namespace.clone().unwrap_or_default(), subject.name.clone())
    });
    Rights {
        role: (binding.role_ref.kind.clone(), binding.role_ref.name.clone()),
        subjects: subjects.collect(),
    }
}
