//! How the objects of two recovery points differ, by field path. What the API server keeps for itself
//! (resource versions, managed fields, status) is not a difference.

use crate::points::{OpenPoint, PointError};
use protection::point::{IndexEntry, resource_folder};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Field paths that one difference names; beyond it only the fact counts.
const FIELDS: usize = 20;

/// One object that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `<resource>[.<group>]/[<namespace>/]<name>`.
    pub object: String,
    /// How.
    #[serde(flatten)]
    pub change: Change,
}

/// How an object differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub enum Change {
    /// Only in the newer recovery point.
    Added,
    /// Only in the older one.
    Removed,
    /// In both, with other content.
    Changed {
        /// JSON pointers of the fields.
        fields: Vec<String>,
    },
    /// In both with the same content, but another object.
    Recreated,
}

/// All objects that differ, sorted by name.
pub async fn compare(old: &OpenPoint, new: &OpenPoint) -> Result<Vec<Difference>, PointError> {
    let (before, after) = (keyed(old.index().await?), keyed(new.index().await?));
    let mut differences = Vec::new();
    for (key, entry) in &before {
        let Some(now) = after.get(key) else {
            differences.push(Difference { object: key.clone(), change: Change::Removed });
            continue;
        };
        let (was, is) = (object(old, entry).await?, object(new, now).await?);
        let mut fields = Vec::new();
        differing("", &was, &is, &mut fields);
        if !fields.is_empty() {
            fields.truncate(FIELDS);
            differences.push(Difference { object: key.clone(), change: Change::Changed { fields } });
        } else if entry.uid != now.uid {
            differences.push(Difference { object: key.clone(), change: Change::Recreated });
        }
    }
    let added = after.keys().filter(|key| !before.contains_key(*key));
    differences.extend(added.map(|key| Difference { object: key.clone(), change: Change::Added }));
    differences.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(differences)
}

fn keyed(entries: Vec<IndexEntry>) -> BTreeMap<String, IndexEntry> {
    entries.into_iter().map(|entry| (key(&entry), entry)).collect()
}

fn key(entry: &IndexEntry) -> String {
    let resource = resource_folder(&entry.resource, &entry.group);
    match &entry.namespace {
        Some(namespace) => format!("{resource}/{namespace}/{}", entry.name),
        None => format!("{resource}/{}", entry.name),
    }
}

async fn object(point: &OpenPoint, entry: &IndexEntry) -> Result<Value, PointError> {
    let bytes = point.object(entry).await?;
    let mut object: Value = serde_json::from_slice(&bytes).map_err(|error| PointError::Malformed {
        point: point.point.id.clone(),
        path: entry.list_path(),
        cause: error.to_string(),
    })?;
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for own in
                ["resourceVersion", "managedFields", "generation", "uid", "creationTimestamp", "selfLink"]
            {
                metadata.remove(own);
            }
        }
    }
    Ok(object)
}

/// Collects the pointers of the deepest fields that differ.
fn differing(path: &str, old: &Value, new: &Value, fields: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (name, was) in old {
                let path = format!("{path}/{}", escaped(name));
                match new.get(name) {
                    Some(is) => differing(&path, was, is, fields),
                    None => fields.push(path),
                }
            }
            let added = new.keys().filter(|name| !old.contains_key(*name));
            fields.extend(added.map(|name| format!("{path}/{}", escaped(name))));
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (position, (was, is)) in old.iter().zip(new).enumerate() {
                differing(&format!("{path}/{position}"), was, is, fields);
            }
        }
        (old, new) if old != new => fields.push(path.to_owned()),
        _ => {}
    }
}

/// A name as part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_named_by_the_deepest_field() {
        let old = json!({"spec": {"replicas": 1, "ports": [{"port": 80}], "gone": 1}, "a/b": 1});
        let new = json!({"spec": {"replicas": 2, "ports": [{"port": 81}], "new": 1}, "a/b": 2});

        let mut fields = Vec::new();
        differing("", &old, &new, &mut fields);
        fields.sort();

        assert_eq!(fields, ["/a~1b", "/spec/gone", "/spec/new", "/spec/ports/0/port", "/spec/replicas"]);
    }
}
