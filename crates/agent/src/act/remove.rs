//! Removal: exactly what is written down, in an order in which the extension can still end its work.

use super::{Actor, Done, empty};
use crate::{
    error::{ActError, code},
    objects,
    record::{Record, Work},
};
use packages::{
    ObjectKey,
    wire::{Level, Status},
};
use std::collections::BTreeSet;

/// How far a removal has come.
pub(super) struct Removed {
    /// What is still there; nothing when all is gone.
    pub waiting: Option<String>,
    /// The namespaces that the agent has made and not removed.
    pub made: BTreeSet<String>,
    /// What was left, and why.
    pub noticed: Vec<Status>,
}

impl Actor {
    /// Writes down that everything will be removed.
    pub fn begin_removal(&self, record: &Record, generation: i64) -> Done {
        let work = Work::Remove { generation, objects: record.objects(), since: self.now() };
        Done::record(Record { work: Some(work), ..record.clone() })
    }

    /// Removes what can be removed now.
    pub async fn remove(&self, name: &str, record: &Record) -> Result<Done, ActError> {
        let Some(Work::Remove { objects, .. }) = &record.work else {
            return Ok(Done::record(record.clone()));
        };
        let removed = self.remove_all(name, record, objects).await?;
        Ok(match removed.waiting {
            Some(left) => Done::NotYet(left),
            None => Done::Noticed(None, removed.noticed),
        })
    }

    /// Removes `objects` in stages; a stage begins when nothing of the one before is left.
    pub(super) async fn remove_all(
        &self,
        name: &str,
        record: &Record,
        objects: &[ObjectKey],
    ) -> Result<Removed, ActError> {
        let mut removed = Removed { waiting: None, made: record.made.clone(), noticed: Vec::new() };
        for stage in stages(objects) {
            let mut left = Vec::new();
            for key in stage {
                if !objects::remove(&self.client, &key, name, &self.points).await? {
                    left.push(key.to_string());
                }
            }
            if !left.is_empty() {
                removed.waiting = Some(format!("Still there: {}.", left.join(", ")));
                return Ok(removed);
            }
        }
        for key in objects.iter().rev().filter(|key| key.is_namespace() && record.made.contains(&key.name)) {
            match self.remove_namespace(name, key).await? {
                Fate::Gone => drop(removed.made.remove(&key.name)),
                Fate::Going(why) => removed.waiting = Some(why),
                Fate::Left(why) => {
                    removed.made.remove(&key.name);
                    let text = format!("{key} was left: {why}");
                    tracing::info!(namespace = key.name, why, "namespace left");
                    removed.noticed.push(Status::new(
                        code::NAMESPACE_LEFT,
                        "Namespace left",
                        Level::Warning,
                        text,
                    ));
                }
            }
        }
        Ok(removed)
    }

    async fn remove_namespace(&self, name: &str, key: &ObjectKey) -> Result<Fate, ActError> {
        let Some(found) = objects::metadata(&self.client, key).await? else { return Ok(Fate::Gone) };
        if found.metadata.deletion_timestamp.is_some() {
            return Ok(Fate::Going(format!("{key} is ending.")));
        }
        match empty::look(&self.client, &key.name, self.now()).await? {
            empty::Contents::Nothing => {}
            empty::Contents::NotCounted => {
                return Ok(Fate::Going(format!("What is in {key} is being counted.")));
            }
            empty::Contents::Something(what) => {
                empty::forget(&self.client, &key.name).await?;
                return Ok(Fate::Left(what));
            }
        }
        let gone = objects::remove(&self.client, key, name, &self.points).await?;
        Ok(if gone { Fate::Gone } else { Fate::Going(format!("{key} is ending.")) })
    }
}

/// What becomes of a namespace.
enum Fate {
    Gone,
    Going(String),
    Left(String),
}

/// Definitions first: the extension still runs and ends what it works on. Then workloads, whose pods get their time.
/// Then the rest, the last applied first. Namespaces are not among them.
fn stages(objects: &[ObjectKey]) -> [Vec<ObjectKey>; 3] {
    let (mut definitions, mut workloads, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for key in objects.iter().rev().filter(|key| !key.is_namespace()) {
        let stage = match key {
            key if key.is_definition() => &mut definitions,
            key if key.is_workload() => &mut workloads,
            _ => &mut rest,
        };
        stage.push(key.clone());
    }
    [definitions, workloads, rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, resource: &str, name: &str) -> ObjectKey {
        ObjectKey {
            group: group.to_owned(),
            version: "v1".to_owned(),
            resource: resource.to_owned(),
            kind: resource.to_owned(),
            namespace: None,
            name: name.to_owned(),
        }
    }

    #[test]
    fn definitions_go_before_workloads_before_the_rest_and_namespaces_apart() {
        let objects = [
            key("", "namespaces", "ns"),
            key("apiextensions.k8s.io", "customresourcedefinitions", "crd"),
            key("", "serviceaccounts", "account"),
            key("rbac.authorization.k8s.io", "clusterroles", "role"),
            key("apps", "deployments", "deployment"),
        ];

        let names = stages(&objects).map(|stage| stage.into_iter().map(|key| key.name).collect::<Vec<_>>());

        assert_eq!(names, [vec!["crd"], vec!["deployment"], vec!["role", "account"]]);
    }
}
