//! Resource providers and their registration.

use super::{At, Call, Failure, Needs, Operation, operations::row, versions};
use crate::{reply::Reply, store::Change};
use arm::ArmError;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ONE: &str = "/subscriptions/{subscription}/providers/{namespace}";
const READ: Needs = Needs::Action("Microsoft.Resources/subscriptions/providers/read");

/// The calls.
pub const OPERATIONS: &[Operation] = &[
    row(
        "Providers_List",
        &Method::GET,
        "/subscriptions/{subscription}/providers",
        READ,
        At::Subscription,
        |call| Box::pin(list(call)),
    ),
    row("Providers_Get", &Method::GET, ONE, READ, At::Subscription, |call| Box::pin(get(call))),
    row(
        "Providers_Register",
        &Method::POST,
        "/subscriptions/{subscription}/providers/{namespace}/register",
        Needs::NamespaceAction("register/action"),
        At::Subscription,
        |call| Box::pin(register(call)),
    ),
    row(
        "Providers_Unregister",
        &Method::POST,
        "/subscriptions/{subscription}/providers/{namespace}/unregister",
        Needs::NamespaceAction("unregister/action"),
        At::Subscription,
        |call| Box::pin(unregister(call)),
    ),
];

/// A namespace and its resource types.
struct Provider {
    namespace: &'static str,
    /// Registered in every subscription from the start, for good.
    always: bool,
    types: &'static [&'static str],
}

const PROVIDERS: [Provider; 8] = [
    Provider { namespace: "Microsoft.AlertsManagement", always: true, types: &["alerts"] },
    Provider {
        namespace: "Microsoft.Authorization",
        always: true,
        types: &["roleAssignments", "roleDefinitions", "denyAssignments", "permissions", "locks"],
    },
    Provider {
        namespace: "Microsoft.ContainerService",
        always: false,
        types: &[
            "managedClusters",
            "managedClusters/trustedAccessRoleBindings",
            "locations/trustedAccessRoles",
        ],
    },
    Provider {
        namespace: "Microsoft.DataProtection",
        always: false,
        types: &[
            "backupVaults",
            "backupVaults/backupInstances",
            "backupVaults/backupPolicies",
            "backupVaults/backupResourceGuardProxies",
            "backupVaults/backupJobs",
            "backupVaults/deletedBackupInstances",
            "resourceGuards",
            "locations",
            "locations/deletedVaults",
            "locations/checkNameAvailability",
            "locations/checkFeatureSupport",
            "operations",
        ],
    },
    Provider {
        namespace: "Microsoft.KubernetesConfiguration",
        always: false,
        types: &["extensions", "extensionTypes"],
    },
    Provider {
        namespace: "Microsoft.ManagedIdentity",
        always: false,
        types: &["userAssignedIdentities", "userAssignedIdentities/federatedIdentityCredentials"],
    },
    Provider {
        namespace: "Microsoft.Resources",
        always: true,
        types: &["subscriptions", "subscriptions/resourceGroups", "resourceGroups", "tenants"],
    },
    Provider {
        namespace: "Microsoft.Storage",
        always: false,
        types: &["storageAccounts", "storageAccounts/blobServices", "checkNameAvailability"],
    },
];

/// The newest version that an official client is known to send.
const NEWEST: [(&str, &str); 8] = [
    ("Microsoft.AlertsManagement", "2023-07-12-preview"),
    ("Microsoft.Authorization", "2022-04-01"),
    ("Microsoft.ContainerService", "2026-08-01"),
    ("Microsoft.DataProtection", "2026-07-01"),
    ("Microsoft.KubernetesConfiguration", "2025-03-01"),
    ("Microsoft.ManagedIdentity", "2025-05-31-preview"),
    ("Microsoft.Resources", "2025-04-01"),
    ("Microsoft.Storage", "2026-09-01"),
];

/// All.
pub async fn list(call: &Call<'_>) -> Result<Reply, Failure> {
    let registered = call.app.store.registrations(&call.subscription()?.id).await?;
    let value = PROVIDERS.iter().map(|one| shown(call, one, &registered)).collect::<Result<Vec<_>, _>>()?;
    Ok(Reply::json(200, json!({"value": value})))
}

/// One.
pub async fn get(call: &Call<'_>) -> Result<Reply, Failure> {
    let provider = known(call)?;
    let registered = call.app.store.registrations(&call.subscription()?.id).await?;
    Ok(Reply::json(200, shown(call, provider, &registered)?))
}

/// Registers at once; again changes nothing.
pub async fn register(call: &Call<'_>) -> Result<Reply, Failure> {
    let provider = known(call)?;
    let subscription = &call.subscription()?.id;
    if !provider.always {
        call.commit(&[Change::Register(subscription.clone(), provider.namespace.to_owned())]).await?;
    }
    get(call).await
}

/// Takes the registration back; again changes nothing.
pub async fn unregister(call: &Call<'_>) -> Result<Reply, Failure> {
    let provider = known(call)?;
    if provider.always {
        let message =
            format!("'{}' belongs to every subscription and cannot be unregistered.", provider.namespace);
        return Err(ArmError::new(400, "InvalidResourceNamespace", message).into());
    }
    let subscription = &call.subscription()?.id;
    call.commit(&[Change::Unregister(subscription.clone(), provider.namespace.to_owned())]).await?;
    get(call).await
}

fn known(call: &Call<'_>) -> Result<&'static Provider, ArmError> {
    let given = call.params.get("namespace");
    let found = PROVIDERS.iter().find(|one| one.namespace.eq_ignore_ascii_case(given));
    found.ok_or_else(|| {
        let known = PROVIDERS.map(|one| one.namespace).join(", ");
        let message =
            format!("The resource namespace '{given}' is not offered by this vault; offered are: {known}.");
        ArmError::new(404, "InvalidResourceNamespace", message)
    })
}

fn shown(call: &Call<'_>, provider: &Provider, registered: &BTreeSet<String>) -> Result<Value, ArmError> {
    let namespace = provider.namespace;
    let is_registered = provider.always || registered.contains(&namespace.to_lowercase());
    let newest = NEWEST.iter().find(|(name, _)| *name == namespace).map(|(_, version)| *version);
    let versions: Vec<&str> = newest.into_iter().chain(versions::oldest(namespace)).collect();
    let one_type = |name: &&str| {
        json!({
            "resourceType": name,
            "locations": [call.app.location],
            "apiVersions": versions,
            "defaultApiVersion": newest,
            "capabilities": "None",
        })
    };
    Ok(json!({
        "id": format!("{}/providers/{namespace}", call.subscription()?.id),
        "namespace": namespace,
        "registrationPolicy": if provider.always { "RegistrationFree" } else { "RegistrationRequired" },
        "registrationState": if is_registered { "Registered" } else { "NotRegistered" },
        "resourceTypes": provider.types.iter().map(one_type).collect::<Vec<_>>(),
    }))
}
