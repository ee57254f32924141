//! What the agent may do in a cluster: every rule with the reason for it, and for each package the objects of that
//! package by name. `docs/permissions.md` shows the same table; a test compares the two.

use super::{NAMESPACE, labels};
use crate::{inventory, start::NAME};
use packages::{Package, rights};
use serde_json::{Value, json};

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The agent's own namespace.
    Own,
    /// The whole cluster.
    Cluster,
}

/// A rule and the reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explained {
    /// Where it applies.
    pub place: Place,
    /// API group.
    pub group: &'static str,
    /// Resources.
    pub resources: &'static [&'static str],
    /// The only objects; all when empty.
    pub names: &'static [&'static str],
    /// Verbs.
    pub verbs: &'static [&'static str],
    /// Why it is needed.
    pub reason: &'static str,
}

const RULES: &[Explained] = &[
    Explained {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        names: &[NAME, inventory::NAME],
        verbs: &["get", "patch"],
        reason: "The agent's own key and certificate, and what it knows about the extensions.",
    },
    Explained {
        place: Place::Cluster,
        group: "",
        resources: &["namespaces"],
        names: &[NAMESPACE],
        verbs: &["get"],
        reason: "Its UID is the cluster's name.",
    },
    Explained {
        place: Place::Cluster,
        group: "",
        resources: &["nodes"],
        names: &[],
        verbs: &["list"],
        reason: "Number, architectures and operating systems are reported.",
    },
    Explained {
        place: Place::Cluster,
        group: "storage.k8s.io",
        resources: &["csidrivers"],
        names: &[],
        verbs: &["list"],
        reason: "They are reported, and a prerequisite.",
    },
    Explained {
        place: Place::Cluster,
        group: "snapshot.storage.k8s.io",
        resources: &["volumesnapshotclasses"],
        names: &[],
        verbs: &["list"],
        reason: "They are reported, and a prerequisite.",
    },
    Explained {
        place: Place::Cluster,
        group: "",
        resources: &["pods", "events"],
        names: &[],
        verbs: &["list"],
        reason: "When an extension does not start, the report says what its pods say.",
    },
    Explained {
        place: Place::Cluster,
        group: "",
        resources: &["resourcequotas"],
        names: &[crate::QUOTA],
        verbs: &["get", "create", "patch", "delete"],
        reason: "Before a namespace is removed, the API server counts what lives there. The agent itself cannot look.",
    },
    Explained {
        place: Place::Cluster,
        group: "apps",
        resources: &["deployments"],
        names: &[],
        verbs: &["list"],
        reason: "Prerequisites: a snapshot controller must run, and no Velero that gets in the way.",
    },
    Explained {
        place: Place::Cluster,
        group: "",
        resources: &["persistentvolumes"],
        names: &[],
        verbs: &["list"],
        reason: "Prerequisite: each driver that volumes use is there.",
    },
    Explained {
        place: Place::Cluster,
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        verbs: &["list"],
        reason: "Prerequisite: a snapshot controller that runs outside the cluster holds a lease in it.",
    },
    Explained {
        place: Place::Cluster,
        group: "velero.io",
        resources: &["backupstoragelocations"],
        names: &[],
        verbs: &["list"],
        reason: "Prerequisite: no Velero writes to our place.",
    },
    Explained {
        place: Place::Cluster,
        group: "admissionregistration.k8s.io",
        resources: &["validatingadmissionpolicies", "validatingwebhookconfigurations"],
        names: &[],
        verbs: &["list"],
        reason: "Prerequisite: what could refuse the extension's pods is named.",
    },
];

/// Every rule with its reason.
pub fn explained_rules() -> &'static [Explained] {
    RULES
}

fn rules(place: Place) -> Vec<Value> {
    let of = |rule: &Explained| {
        let mut value = json!({"apiGroups": [rule.group], "resources": rule.resources, "verbs": rule.verbs});
        if let (false, Some(fields)) = (rule.names.is_empty(), value.as_object_mut()) {
            fields.insert("resourceNames".to_owned(), json!(rule.names));
        }
        value
    };
    let mut rules: Vec<Value> = RULES.iter().filter(|rule| rule.place == place).map(of).collect();
    if place == Place::Cluster {
        // Every ServiceAccount may read these unless somebody took the right away.
        rules.push(json!({
            "nonResourceURLs": ["/.well-known/openid-configuration", "/openid/v1/jwks"], "verbs": ["get"],
        }));
    }
    rules
}

/// The role with which the agent can install, change and remove this package, and nothing else.
pub fn package_role(package: &Package, namespace: &str) -> Value {
    let rules: Vec<Value> = rights(package, namespace)
        .into_iter()
        .map(|right| {
            json!({
                "apiGroups": [right.group], "resources": [right.resource],
                "resourceNames": right.names, "verbs": right.verbs,
            })
        })
        .collect();
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": format!("{NAME}:{}", package.kind), "labels": labels()},
        "rules": rules,
    })
}

pub(super) fn render(packages: &[(Package, String)]) -> Result<Vec<Value>, serde_json::Error> {
    let mut documents = vec![
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels()},
            "rules": rules(Place::Own),
        }),
        binding("Role", NAME, Some(NAMESPACE)),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": NAME, "labels": labels()},
            "rules": rules(Place::Cluster),
        }),
        binding("ClusterRole", NAME, None),
    ];
    for (package, namespace) in packages {
        documents.push(package_role(package, namespace));
        documents.push(binding("ClusterRole", &format!("{NAME}:{}", package.kind), None));
    }
    Ok(documents)
}

fn binding(kind: &str, role: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({"name": role, "labels": labels()});
    if let (Some(namespace), Some(fields)) = (namespace, metadata.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    })
}
