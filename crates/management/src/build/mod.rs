//! Bodies of requests as the service documents them, made from what a person asked for. Pure; what means nothing is refused
//! here, before anything is sent.

pub mod cluster;
pub mod extension;
pub mod instance;
pub mod names;
pub mod policy;
pub mod restore;
mod selection;
pub mod strategy;
pub mod vault;

pub use selection::{Reference, Selection};

use crate::Error;
use arm::ResourceId;
use serde_json::{Map, Value, json};

/// The type of a cluster as data source.
pub const DATASOURCE_TYPE: &str = "Microsoft.ContainerService/managedClusters";

/// A cluster as the data source of an instance or the target of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datasource {
    /// The cluster.
    pub cluster: ResourceId,
    /// Where it is, as the cluster itself says.
    pub location: String,
}

impl Datasource {
    /// `dataSourceInfo` (`Datasource`) or `dataSourceSetInfo` (`DatasourceSet`).
    fn json(&self, object_type: &str) -> Value {
        json!({
            "objectType": object_type,
            "datasourceType": DATASOURCE_TYPE,
            "resourceID": self.cluster.as_str(),
            "resourceUri": self.cluster.as_str(),
            "resourceName": self.cluster.name(),
            "resourceType": DATASOURCE_TYPE,
            "resourceLocation": self.location,
        })
    }
}

/// Which identity of the vault works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The vault's own.
    System,
    /// A user-assigned one.
    User(ResourceId),
}

impl Identity {
    fn json(&self) -> Value {
        match self {
            Self::System => json!({"useSystemAssignedIdentity": true}),
            Self::User(id) => {
                json!({"useSystemAssignedIdentity": false, "userAssignedIdentityArmUrl": id.as_str()})
            }
        }
    }
}

/// Wraps a refusal.
fn invalid(reason: impl Into<String>) -> Error {
    Error::Invalid(reason.into())
}

/// `az` writes its files with names in snake case (`included_namespaces`); the service's are in camel case. Both are taken.
pub fn from_az(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let renamed: Map<String, Value> =
                members.into_iter().map(|(name, value)| (camel(&name), from_az(value))).collect();
            Value::Object(renamed)
        }
        Value::Array(members) => Value::Array(members.into_iter().map(from_az).collect()),
        other => other,
    }
}

fn camel(name: &str) -> String {
    if name == "resource_id" {
        return "resourceID".to_owned();
    }
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_az_are_taken() {
        let of_az = json!({"data_source_info": {"resource_id": "/x", "objectType": "Datasource"},
            "lists": [{"included_namespaces": ["a_b"]}]});

        let ours = from_az(of_az);

        assert_eq!(
            ours,
            json!({"dataSourceInfo": {"resourceID": "/x", "objectType": "Datasource"},
                "lists": [{"includedNamespaces": ["a_b"]}]})
        );
    }
}
