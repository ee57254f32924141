//! What the extension may do in the cluster: every rule with the reason for it.
//! `docs/permissions.md` shows the same table; a test compares the two.

use super::{InstallSettings, NAME, labels, location::typed};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::ObjectMeta;
use serde_json::{Value, json};

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole cluster, always.
    Backup,
    /// The whole cluster, unless the setting `restore.enabled` is `false`.
    Restore,
    /// The extension's namespace.
    Own,
    /// The movers' namespace.
    Movers,
}

impl Scope {
    /// The suffix of the role's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Own => "own",
            Self::Movers => "movers",
        }
    }
}

/// A rule and the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// Where it applies.
    pub scope: Scope,
    /// API groups; the empty one is the core group.
    pub groups: &'static [&'static str],
    /// Resources.
    pub resources: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Why it is needed.
    pub reason: &'static str,
}

const OURS: &[&str] = &[resources::GROUP];

const RULES: &[Explained] = &[
    Explained {
        scope: Scope::Backup,
        groups: &["*"],
        resources: &["*"],
        verbs: &["get", "list"],
        reason: "A backup reads every selected object of every kind, kinds that are defined later included. This includes Secrets.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &["snapshot.storage.k8s.io"],
        resources: &["volumesnapshots"],
        verbs: &["create", "patch", "delete"],
        reason: "Snapshots are requested in the claim's namespace, and leave it once they are retained.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &["snapshot.storage.k8s.io"],
        resources: &["volumesnapshotcontents"],
        verbs: &["create", "patch", "delete", "watch"],
        reason: "A snapshot is kept as a cluster-scoped content, watched until it is cut, and deleted when its recovery point expires.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &["snapshot.storage.k8s.io"],
        resources: &["volumesnapshotclasses"],
        verbs: &["create", "delete"],
        reason: "Snapshots are taken with a class of our own, which carries the snapshot resource group and retains them.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &["groupsnapshot.storage.k8s.io"],
        resources: &["volumegroupsnapshots", "volumegroupsnapshotcontents", "volumegroupsnapshotclasses"],
        verbs: &["create", "patch", "delete"],
        reason: "The same for volumes that are cut at one instant.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &[""],
        resources: &["pods/exec"],
        verbs: &["create", "get"],
        reason: "Hooks run commands in the application's containers. A WebSocket connection is opened with GET, which needs the verb get; newer API servers also check create.",
    },
    Explained {
        scope: Scope::Backup,
        groups: &[""],
        resources: &["persistentvolumes"],
        verbs: &["create", "patch", "delete"],
        reason: "File copies read a volume through a second, read-only PersistentVolume with the same handle, which is removed afterwards; on restore a filled volume is handed to the application's claim.",
    },
    Explained {
        scope: Scope::Restore,
        groups: &["*"],
        resources: &["*"],
        verbs: &["create", "patch", "update", "delete"],
        reason: "A restore writes objects of any kind that a recovery point may hold; it deletes only under the conflict policy Replace.",
    },
    Explained {
        scope: Scope::Restore,
        groups: &["rbac.authorization.k8s.io"],
        resources: &["roles", "clusterroles"],
        verbs: &["bind", "escalate"],
        reason: "Without these the API server refuses to restore a role that grants what the extension itself may not do.",
    },
    Explained {
        scope: Scope::Own,
        groups: OURS,
        resources: &["backups", "restores", "deletebackups", "validateforbackups", "validateforrestores"],
        verbs: &["get", "list", "watch", "patch"],
        reason: "The work itself; patch sets the finalizer that guarantees thawing.",
    },
    Explained {
        scope: Scope::Own,
        groups: OURS,
        resources: &[
            "backups/status",
            "restores/status",
            "deletebackups/status",
            "validateforbackups/status",
            "validateforrestores/status",
        ],
        verbs: &["patch"],
        reason: "Reports how the work goes.",
    },
    Explained {
        scope: Scope::Own,
        groups: &["coordination.k8s.io"],
        resources: &["leases"],
        verbs: &["get", "create", "update"],
        reason: "Leader election.",
    },
    Explained {
        scope: Scope::Own,
        groups: &["events.k8s.io"],
        resources: &["events"],
        verbs: &["create", "patch"],
        reason: "Events on the custom resources.",
    },
    Explained {
        scope: Scope::Own,
        groups: &[""],
        resources: &["configmaps"],
        verbs: &["patch"],
        reason: "Notes at a storage location whether it can be used.",
    },
    Explained {
        scope: Scope::Own,
        groups: &[""],
        resources: &["configmaps", "secrets"],
        verbs: &["watch"],
        reason: "A corrected location or credential counts at once.",
    },
    Explained {
        scope: Scope::Movers,
        groups: &["batch"],
        resources: &["jobs"],
        verbs: &["create", "delete"],
        reason: "One mover Job per volume that is copied.",
    },
    Explained {
        scope: Scope::Movers,
        groups: &[""],
        resources: &["persistentvolumeclaims", "secrets"],
        verbs: &["create", "delete"],
        reason: "The claim through which a mover reaches the volume, and the Secret with what it needs to open the repository.",
    },
];

/// Every rule with its reason.
pub fn explained_rules() -> &'static [Explained] {
    RULES
}

/// The rules of one scope, as Kubernetes knows them.
pub fn policy_rules(scope: Scope) -> Vec<PolicyRule> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    RULES
        .iter()
        .filter(|rule| rule.scope == scope)
        .map(|rule| PolicyRule {
            api_groups: Some(owned(rule.groups)),
            resources: Some(owned(rule.resources)),
            verbs: owned(rule.verbs),
            ..PolicyRule::default()
        })
        .collect()
}

pub(super) fn render(settings: &InstallSettings) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = vec![service_account(settings)];
    for scope in [Scope::Backup, Scope::Restore] {
        if scope == Scope::Restore && !settings.restore {
            continue;
        }
        let name = format!("{NAME}-{}", scope.name());
        let role = ClusterRole {
            metadata: metadata(&name, None),
            rules: Some(policy_rules(scope)),
            ..ClusterRole::default()
        };
        documents.push(labelled(typed("rbac.authorization.k8s.io/v1", "ClusterRole", &role)?));
        documents.push(binding("ClusterRole", &name, None, settings));
    }
    for (scope, namespace) in
        [(Scope::Own, settings.namespace.as_str()), (Scope::Movers, super::MOVERS_NAMESPACE)]
    {
        let name = format!("{NAME}-{}", scope.name());
        let role = Role { metadata: metadata(&name, Some(namespace)), rules: Some(policy_rules(scope)) };
        documents.push(labelled(typed("rbac.authorization.k8s.io/v1", "Role", &role)?));
        documents.push(binding("Role", &name, Some(namespace), settings));
    }
    Ok(documents)
}

fn metadata(name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        ..ObjectMeta::default()
    }
}

fn labelled(mut document: Value) -> Value {
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("labels".to_owned(), labels());
    }
    document
}

fn service_account(settings: &InstallSettings) -> Value {
    let mut account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": NAME, "namespace": settings.namespace, "labels": labels()},
    });
    let mut annotations = serde_json::Map::new();
    if let Some(client) = &settings.client_id {
        annotations.insert("azure.workload.identity/client-id".to_owned(), client.clone().into());
    }
    if let Some(tenant) = &settings.tenant_id {
        annotations.insert("azure.workload.identity/tenant-id".to_owned(), tenant.clone().into());
    }
    if !annotations.is_empty()
        && let Some(metadata) = account.get_mut("metadata").and_then(Value::as_object_mut)
    {
        metadata.insert("annotations".to_owned(), annotations.into());
    }
    account
}

fn binding(kind: &str, name: &str, namespace: Option<&str>, settings: &InstallSettings) -> Value {
    let mut metadata = json!({"name": name});
    if let (Some(metadata), Some(namespace)) = (metadata.as_object_mut(), namespace) {
        metadata.insert("namespace".to_owned(), namespace.into());
    }
    labelled(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": settings.namespace}],
    }))
}
