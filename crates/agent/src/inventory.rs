//! The one Secret in which the agent keeps what it knows: a key per extension. It is a Secret because settings can be
//! secrets, and one object because the agent's right is on its name.

use crate::{
    error::{ActError, Failure, code},
    record::Record,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Name of the Secret. The agent's manifest makes it, empty.
pub const NAME: &str = "cofferdam-agent-inventory";
/// Bytes of all records together; the API server takes 1 MiB.
const LARGEST: usize = 900 << 10;

/// Reads and writes the records.
#[derive(Debug, Clone)]
pub struct Inventory {
    secrets: Api<Secret>,
    version: Option<String>,
    records: BTreeMap<String, Record>,
}

impl Inventory {
    /// Reads what is there.
    pub async fn load(client: &Client, namespace: &str) -> Result<Self, ActError> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let secret =
            secrets.get(NAME).await.map_err(|error| ActError::api(&format!("read Secret {NAME}"), &error))?;
        let mut records = BTreeMap::new();
        for (name, value) in secret.data.unwrap_or_default() {
            let record = serde_json::from_slice(&value.0).map_err(|error| {
                ActError::Permanent(Failure::new(
                    code::APPLY,
                    format!("Key {name} of Secret {namespace}/{NAME} is no record of an extension: {error}. Remove the key; the extension is then installed anew."),
                ))
            })?;
            records.insert(name, record);
        }
        Ok(Self { secrets, version: secret.metadata.resource_version, records })
    }

    /// All records by the name of the extension.
    pub fn records(&self) -> &BTreeMap<String, Record> {
        &self.records
    }

    /// The record of one extension.
    pub fn get(&self, name: &str) -> Option<&Record> {
        self.records.get(name)
    }

    /// Writes a record, or takes it away. Refused when somebody else has written since it was read.
    pub async fn put(&mut self, name: &str, record: Option<Record>) -> Result<(), ActError> {
        let value = match &record {
            None => Value::Null,
            Some(record) => {
                let text = serde_json::to_vec(record).map_err(|error| {
                    ActError::Permanent(Failure::new(
                        code::APPLY,
                        format!("The record of {name} cannot be written: {error}."),
                    ))
                })?;
                self.check_size(name, text.len())?;
                Value::String(STANDARD.encode(text))
            }
        };
        let patch = json!({"metadata": {"resourceVersion": self.version}, "data": {name: value}});
        let written = self.secrets.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await;
        let written = written.map_err(|error| match &error {
            kube::Error::Api(status) if status.code == 409 => ActError::Stale,
            other => ActError::api(&format!("write Secret {NAME}"), other),
        })?;
        self.version = written.metadata.resource_version;
        match record {
            Some(record) => drop(self.records.insert(name.to_owned(), record)),
            None => drop(self.records.remove(name)),
        }
        Ok(())
    }

    fn check_size(&self, name: &str, size: usize) -> Result<(), ActError> {
        let others: usize = self
            .records
            .iter()
            .filter(|(other, _)| *other != name)
            .filter_map(|(_, record)| serde_json::to_vec(record).ok())
            .map(|text| text.len())
            .sum();
        if others.saturating_add(size) <= LARGEST {
            return Ok(());
        }
        Err(ActError::Permanent(Failure::new(
            code::STATE_LARGE,
            "The extensions of this cluster are more than the agent can keep track of: remove one.",
        )))
    }
}
