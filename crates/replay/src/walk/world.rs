//! What a restore observes of the target before it begins.

use super::hazards::{self, Webhooks};
use crate::api::{ApiError, ClusterApi, Shape};
use crate::decide::origin;
use crate::item::{Item, Place};
use crate::json;
use crate::mapping::Mapping;
use crate::options::RestoreOptions;
use crate::source::PointSource;
use crate::target::{core, grouped, if_served};
use crate::transform::{Facts, VolumeFate};
use crate::volumes::{captured_volumes, volume_facts};
use protection::point::VolumeRecord;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// What the target looks like.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Namespaces that are there to stay, with their labels.
    pub(crate) namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// Those among them that an earlier attempt of this restore made.
    pub(crate) made_here: BTreeSet<String>,
    /// Namespaces that are being deleted.
    pub(crate) terminating: BTreeSet<String>,
    /// Names of storage classes.
    pub(crate) storage_classes: HashSet<String>,
    /// Whether one of them is the default.
    pub(crate) has_default_class: bool,
    /// Admission webhooks.
    pub(crate) webhooks: Webhooks,
}

impl World {
    /// Observes the target.
    pub(crate) async fn observe(api: &dyn ClusterApi, options: &RestoreOptions) -> Result<Self, ApiError> {
        let mut world = Self::default();
        let manager = options.field_manager();
        for namespace in api.list(&core("Namespace", "namespaces", false), None, Shape::Full).await? {
            let name = json::text(&namespace, &["metadata", "name"]).unwrap_or("").to_owned();
            if is_terminating(&namespace) {
                world.terminating.insert(name);
            } else {
                if origin(&namespace, &manager, options.requested).is_made_here() {
                    world.made_here.insert(name.clone());
                }
                world.namespaces.insert(name, labels(&namespace));
            }
        }
        let classes = grouped("storage.k8s.io", "StorageClass", "storageclasses", false);
        for class in if_served(api.list(&classes, None, Shape::Metadata).await)?.unwrap_or_default() {
            world.has_default_class |= json::annotation(&class, DEFAULT_CLASS) == Some("true");
            world.storage_classes.extend(json::text(&class, &["metadata", "name"]).map(str::to_owned));
        }
        world.webhooks = hazards::observe(api).await?;
        Ok(world)
    }

    /// Names of the namespaces that are there to stay.
    pub(crate) fn namespace_names(&self) -> BTreeSet<String> {
        self.namespaces.keys().cloned().collect()
    }
}

/// Whether a live object is on its way out.
pub(crate) fn is_terminating(object: &Value) -> bool {
    json::at(object, &["metadata", "deletionTimestamp"]).is_some_and(|time| !time.is_null())
        || json::text(object, &["status", "phase"]) == Some("Terminating")
}

fn labels(object: &Value) -> BTreeMap<String, String> {
    json::at(object, &["metadata", "labels"])
        .and_then(|labels| serde_json::from_value(labels.clone()).ok())
        .unwrap_or_default()
}

/// What the transformations need to know.
pub(crate) async fn facts(
    api: &dyn ClusterApi,
    source: &dyn PointSource,
    options: &RestoreOptions,
    mapping: Mapping,
    items: &[Item],
    records: &[VolumeRecord],
) -> Result<Facts, ApiError> {
    let foreign_bindings = match mapping.moved().next() {
        Some(_) => foreign_bindings(api, options).await?,
        None => HashSet::new(),
    };
    let captured = captured_volumes(source, &options.budget, items).await;
    let decided = |in_use: &HashMap<String, String>| {
        volume_facts(records, &captured, options.volume_mode, &mapping, in_use)
    };
    let mut in_use = HashMap::new();
    for (name, fate) in decided(&in_use).volumes {
        if fate == VolumeFate::Restored
            && let Some(claim) = live_claim_of(api, &name).await?
        {
            in_use.insert(name, claim);
        }
    }
    let volumes = decided(&in_use);
    Ok(Facts { mapping, volumes, foreign_bindings })
}

/// Cluster role bindings of the target, except those that this restore made in an earlier attempt.
async fn foreign_bindings(
    api: &dyn ClusterApi,
    options: &RestoreOptions,
) -> Result<HashSet<String>, ApiError> {
    let kind = grouped("rbac.authorization.k8s.io", "ClusterRoleBinding", "clusterrolebindings", false);
    let bindings = api.list(&kind, None, Shape::Metadata).await?;
    let manager = options.field_manager();
    let foreign = bindings
        .iter()
        .filter(|binding| !origin(binding, &manager, options.requested).is_made_here())
        .filter_map(|binding| json::text(binding, &["metadata", "name"]).map(str::to_owned));
    Ok(foreign.collect())
}

/// The claim that a live volume serves, as `<namespace>/<name>`.
async fn live_claim_of(api: &dyn ClusterApi, volume: &str) -> Result<Option<String>, ApiError> {
    let kind = Arc::new(core("PersistentVolume", "persistentvolumes", false));
    let live = api.get(&Place { kind, namespace: None, name: volume.into() }).await?;
    let claim = live.as_ref().and_then(|live| {
        json::text(live, &["spec", "claimRef", "namespace"])
            .zip(json::text(live, &["spec", "claimRef", "name"]))
    });
    Ok(claim.map(|(namespace, name)| format!("{namespace}/{name}")))
}
