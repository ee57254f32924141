//! What is known along the way, and how each step is shown.

use super::unmet;
use crate::{exit::Failure, managed::Session, note};
use arm::ResourceId;
use management::versions;
use serde_json::{Value, json};

/// One run.
pub struct Steps<'s> {
    pub session: &'s Session,
    pub cluster: ResourceId,
    pub location: String,
    /// The identity of the cluster.
    pub principal: Option<String>,
    /// Nothing is made.
    pub dry: bool,
    /// Whether a role was given or the vault let in: both take a while to be known everywhere.
    pub granted: bool,
    rows: Vec<Value>,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Did {
    /// It was there.
    Found,
    /// It is made now.
    Made,
    /// It would be made.
    Missing,
}

impl Did {
    fn mark(self) -> &'static str {
        match self {
            Self::Found => "✓",
            Self::Made => "+",
            Self::Missing => "…",
        }
    }

    fn said(self) -> &'static str {
        match self {
            Self::Found => "there already",
            Self::Made => "made",
            Self::Missing => "would be made",
        }
    }
}

impl<'s> Steps<'s> {
    /// Looks at the cluster.
    pub async fn begin(session: &'s Session, cluster: &ResourceId, dry: bool) -> Result<Self, Failure> {
        if !cluster.kind().is("Microsoft.ContainerService/managedClusters") {
            return Err(Failure::usage(format!("{cluster} is no cluster"))
                .next("Write its id: `cofferdam cluster list --query '[].id'`."));
        }
        let found = session.client.get(cluster.as_str(), versions::CLUSTERS).await?;
        let location = found.get("location").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut steps = Self {
            session,
            cluster: cluster.clone(),
            location,
            principal: principal(&found),
            dry,
            granted: false,
            rows: Vec::new(),
        };
        if steps.principal.is_none() {
            return Err(unmet(
                format!("cluster {} has no managed identity; backups need one", cluster.name()),
                "Give it one: PUT the cluster with \"identity\": {\"type\": \"SystemAssigned\"} (`az aks update --enable-managed-identity`).",
            ));
        }
        steps.show("cluster", cluster.name(), Did::Found);
        Ok(steps)
    }

    /// Says how a step ended.
    pub fn show(&mut self, what: &str, name: &str, did: Did) {
        note!("{} {what} {name}: {}", did.mark(), did.said());
        self.rows.push(json!({"part": what, "name": name, "result": did.said()}));
    }

    /// `Made`, or `Missing` in a dry run.
    pub fn made(&self) -> Did {
        if self.dry { Did::Missing } else { Did::Made }
    }

    /// All steps, for programs.
    pub fn rows(&self) -> &[Value] {
        &self.rows
    }
}

/// The principal of a resource's identity: its own, or the first user-assigned one.
pub fn principal(resource: &Value) -> Option<String> {
    let own = resource.pointer("/identity/principalId").and_then(Value::as_str);
    let assigned = resource.pointer("/identity/userAssignedIdentities").and_then(Value::as_object);
    let first = assigned.and_then(|all| all.values().find_map(|one| one.get("principalId")?.as_str()));
    own.or(first).filter(|id| !id.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_of_a_cluster_is_its_own_or_the_first_that_it_was_given() {
        let table = [
            (json!({"identity": {"type": "SystemAssigned", "principalId": "p"}}), Some("p")),
            (json!({"identity": {"userAssignedIdentities": {"/x": {"principalId": "u"}}}}), Some("u")),
            (json!({"identity": {"type": "None"}}), None),
            (json!({"servicePrincipalProfile": {}}), None),
        ];

        for (cluster, expected) in table {
            assert_eq!(principal(&cluster).as_deref(), expected, "{cluster}");
        }
    }
}
