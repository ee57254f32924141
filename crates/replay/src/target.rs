//! The cluster that is restored to.

use crate::ReplayError;
use crate::api::{ApiError, ClusterApi, KubeApi, Pacing, Refusal, Retrying};
use crate::item::{Place, ResourceType};
use crate::modifiers::{ModifierError, Modifiers};
use resources::NamespacedName;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A cluster to restore to. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) api: Arc<dyn ClusterApi>,
}

impl Target {
    /// The cluster of this client. Temporary failures are tried again.
    pub fn connect(client: kube::Client, pacing: Pacing) -> Self {
        Self::new(Arc::new(Retrying::new(Arc::new(KubeApi::new(client)), pacing)))
    }

    /// Any cluster that answers.
    pub fn new(api: Arc<dyn ClusterApi>) -> Self {
        Self { api }
    }

    /// Reads resource modifiers from a ConfigMap of this cluster.
    pub async fn load_modifiers(&self, from: &NamespacedName) -> Result<Modifiers, ReplayError> {
        let place = Place {
            kind: Arc::new(core("ConfigMap", "configmaps", true)),
            namespace: Some(from.namespace.as_str().into()),
            name: from.name.as_str().into(),
        };
        let Some(map) = self.api.get(&place).await? else {
            let what = format!("there is no ConfigMap {}/{}", from.namespace, from.name);
            return Err(ModifierError { line: None, what }.into());
        };
        let data: BTreeMap<String, String> = crate::json::at(&map, &["data"])
            .and_then(|data| serde_json::from_value(data.clone()).ok())
            .unwrap_or_default();
        Ok(Modifiers::parse(&data)?)
    }
}

/// A type of the core group.
pub(crate) fn core(kind: &str, resource: &str, namespaced: bool) -> ResourceType {
    ResourceType {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        namespaced,
    }
}

/// A type of another group.
pub(crate) fn grouped(group: &str, kind: &str, resource: &str, namespaced: bool) -> ResourceType {
    ResourceType { group: group.to_owned(), ..core(kind, resource, namespaced) }
}

/// An answer, or none where the type is not served at all.
pub(crate) fn if_served<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.refusal == Refusal::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
