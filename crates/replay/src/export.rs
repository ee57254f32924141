//! Objects of a recovery point as manifests for `kubectl apply`: the rules of a restore, for a cluster of which
//! nothing is known. Nothing of the source cluster stays in them: no owner references, managed fields, node names.

use crate::item::{Item, Place};
use crate::mapping::Mapping;
use crate::options::Budget;
use crate::order::{self, Stage, Wave};
use crate::select::{Selected, select};
use crate::source::{PointSource, bodies};
use crate::transform::{self, ClaimPlan, Facts, VolumeFate};
use crate::volumes::{captured_volumes, volume_facts};
use crate::{ReplayError, SourceError, codes, json, never};
use futures::stream::{self, Stream, StreamExt};
use protection::point::{VolumeProtection, VolumeRecord};
use protection::selection::Selection;
use protection::{Problem, code};
use resources::PersistentVolumeRestoreMode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// An object of the recovery point.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Where it is to stand.
    pub place: Place,
    /// When it is to be applied: after all objects of earlier stages.
    pub stage: Stage,
    /// The manifest, or why there is none.
    pub manifest: Result<Value, NotExported>,
    /// What the person should know about the manifest.
    pub notes: Vec<Problem>,
}

/// Why there is no manifest of an object.
#[derive(Debug, Clone)]
pub enum NotExported {
    /// The target makes it by itself, or it must not be made again.
    LeftOut(String),
    /// The recovery point is damaged here.
    Unreadable(SourceError),
}

/// What is exported, decided; bodies are read as they are asked for.
pub struct Export<'a> {
    source: &'a dyn PointSource,
    facts: Facts,
    items: Vec<Item>,
    uids: HashSet<Arc<str>>,
    never: Vec<Exported>,
    waves: Vec<Wave>,
    budget: Budget,
}

impl<'a> Export<'a> {
    /// Selects and orders. `mappings` lead from original namespaces to those of the manifests.
    pub async fn new(
        source: &'a dyn PointSource,
        selection: &Selection,
        mappings: &BTreeMap<String, String>,
    ) -> Result<Self, ReplayError> {
        let budget = Budget::default();
        let manifest = source.manifest().await?;
        let Selected { items, never, .. } = select(source, selection, &budget).await?;
        let mapping = Mapping::new(mappings, &BTreeSet::new());
        let captured = captured_volumes(source, &budget, &items).await;
        let mode = PersistentVolumeRestoreMode::RestoreWithVolumeData;
        let volumes = volume_facts(&manifest.volumes, &captured, mode, &mapping, &HashMap::new());
        let never = never
            .into_iter()
            .map(|(item, rule)| Exported {
                place: mapping.place(&item),
                stage: order::stage(&item.kind),
                manifest: Err(NotExported::LeftOut(rule.reason())),
                notes: Vec::new(),
            })
            .collect();
        Ok(Self {
            source,
            facts: Facts { mapping, volumes, foreign_bindings: HashSet::new() },
            uids: items.iter().map(|item| item.uid.clone()).collect(),
            waves: order::waves(&items).waves,
            never,
            items,
            budget,
        })
    }

    /// Every selected object once, stage by stage.
    pub fn objects(&self) -> impl Stream<Item = Exported> + '_ {
        let read = stream::iter(&self.waves).flat_map(move |wave| {
            bodies(self.source, &self.items, &wave.items, &self.budget)
                .filter_map(move |(index, body)| std::future::ready(self.export(wave.stage, index, body)))
        });
        stream::iter(self.never.iter().cloned()).chain(read)
    }

    fn export(&self, stage: Stage, index: usize, body: Result<Value, SourceError>) -> Option<Exported> {
        let item = self.items.get(index)?;
        let place = self.facts.mapping.place(item);
        let mut notes = Vec::new();
        let manifest = match (self.left_out(item), body) {
            (Some(why), _) => Err(NotExported::LeftOut(why)),
            (None, Err(error)) => Err(NotExported::Unreadable(error)),
            (None, Ok(body)) => match never::by_body(&item.kind, &body) {
                Some(rule) => Err(NotExported::LeftOut(rule.reason())),
                None => Ok(self.transform(item, body, &mut notes)),
            },
        };
        let name = manifest.as_ref().ok().and_then(|object| json::text(object, &["metadata", "name"]));
        let name = name.map_or_else(|| place.name.clone(), Arc::from);
        Some(Exported { place: Place { name, ..place }, stage, manifest, notes })
    }

    fn left_out(&self, item: &Item) -> Option<String> {
        if let Some((owner, rule)) = never::derived_from(item)
            && self.uids.contains(&owner.uid)
        {
            return Some(format!("{} are left to their controller.", rule.what));
        }
        let fate = self.facts.volumes.volumes.get(&*item.name);
        (item.kind.is("", "persistentvolumes") && fate == Some(&VolumeFate::Reprovisioned))
            .then(|| VolumeFate::REPROVISIONED.to_owned())
    }

    fn transform(&self, item: &Item, body: Value, notes: &mut Vec<Problem>) -> Value {
        let mut draft = transform::apply(&item.kind, body, &self.facts);
        let namespace = item.namespace.as_deref().map(|name| self.facts.mapping.target(name));
        transform::place(&mut draft.object, namespace);
        notes.append(&mut draft.notes);
        notes.extend(item.owners.iter().map(|owner| {
            Problem::information(
                codes::OWNER_ABSENT,
                format!("The reference to its owner, {} {}, was dropped.", owner.kind, owner.name),
            )
        }));
        if let (Some(namespace), true) = (&item.namespace, item.kind.is("", "persistentvolumeclaims"))
            && let Some(ClaimPlan::WithData(record)) = self.facts.volumes.claim(namespace, &item.name)
        {
            notes.push(without_data(record));
        }
        draft.object
    }
}

/// Manifests hold no data, wherever it is.
fn without_data(record: &VolumeRecord) -> Problem {
    let place = match &record.protection {
        VolumeProtection::Snapshot { handle, .. } => format!("in snapshot {handle}"),
        VolumeProtection::Files { path, .. } => format!("under {path} of the recovery point"),
        VolumeProtection::None { reason, .. } => format!("not protected: {reason}"),
    };
    Problem::warning(
        code::DATA_NOT_RESTORED,
        format!("The claim makes an empty volume; its data is {place}."),
    )
    .fix("Restore the claim from the recovery point instead, or fill the volume before it is used.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySource;
    use serde_json::json;

    fn shop() -> MemorySource {
        let owned_by = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": uid, "controller": true}]);
        let mut source = MemorySource::default();
        source.add(
            "namespaces",
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}),
        );
        source.add(
            "deployments",
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "shop", "uid": "deployment", "managedFields": [{}]},
                "spec": {}, "status": {"replicas": 1}}),
        );
        source.add(
            "replicasets",
            json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1",
                "namespace": "shop", "uid": "set", "ownerReferences": owned_by("Deployment", "deployment")}}),
        );
        source.add(
            "configmaps",
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made", "namespace": "shop",
                "uid": "map", "ownerReferences": owned_by("Deployment", "deployment")}}),
        );
        source
    }

    async fn exported(source: &MemorySource, mappings: &[(&str, &str)]) -> Vec<Exported> {
        let mappings = mappings.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        let export = Export::new(source, &Selection::everything("cofferdam"), &mappings).await.unwrap();
        export.objects().collect().await
    }

    fn named<'a>(all: &'a [Exported], name: &str) -> &'a Exported {
        all.iter().find(|one| &*one.place.name == name).unwrap()
    }

    #[tokio::test]
    async fn manifests_carry_nothing_of_the_source_cluster() {
        let all = exported(&shop(), &[]).await;

        let deployment = named(&all, "web").manifest.as_ref().unwrap();
        assert_eq!(
            *deployment,
            json!({"apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": {"name": "web", "namespace": "shop"}, "spec": {}})
        );
        let map = named(&all, "made");
        assert_eq!(map.manifest.as_ref().unwrap()["metadata"], json!({"name": "made", "namespace": "shop"}));
        assert_eq!(map.notes[0].code, codes::OWNER_ABSENT);
    }

    #[tokio::test]
    async fn what_a_controller_makes_is_left_out_and_named() {
        let all = exported(&shop(), &[]).await;

        assert!(
            matches!(&named(&all, "web-1").manifest, Err(NotExported::LeftOut(why)) if why.contains("left"))
        );
        assert_eq!(all.len(), 4, "every object is told once");
    }

    #[tokio::test]
    async fn stages_come_in_order_and_a_mapping_moves_namespaces() {
        let all = exported(&shop(), &[("shop", "copy")]).await;

        assert!(all.is_sorted_by_key(|one| one.stage));
        assert!(all.iter().all(|one| one.place.namespace.as_deref().is_none_or(|name| name == "copy")));
        assert!(named(&all, "copy").manifest.is_ok(), "the namespace itself is named anew");
    }
}
