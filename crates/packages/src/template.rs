//! Objects with places for settings. A place is a JSON object of its own and is replaced by a typed value, so that no
//! value can become anything but a value.

use crate::{
    error::{PackageError, code},
    names,
    object::ObjectKey,
    package::{Package, limits},
    settings::SettingRule,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What the agent itself puts in, beside the settings.
pub const AGENT_VALUES: [&str; 13] = [
    "namespace",
    "extension",
    "clusterUid",
    "vaultUrl",
    "vaultAuthorities",
    "tenantId",
    "clientId",
    "principalId",
    "audience",
    "httpsProxy",
    "noProxy",
    "proxyAuthorities",
    "proxySince",
];

/// When something exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Condition {
    /// The setting has a value.
    Set(String),
    /// The agent knows this value.
    Known(String),
    /// The setting has this value.
    #[allow(missing_docs)]
    Equals { setting: String, value: Value },
    /// One of these holds.
    Any(Vec<Condition>),
}

/// What is put into the places.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    /// The settings.
    pub settings: BTreeMap<String, Value>,
    /// What the agent knows; keys are those of [`AGENT_VALUES`].
    pub agent: BTreeMap<&'static str, String>,
}

/// A place in an object.
enum Place<'a> {
    Setting(&'a str),
    Agent(&'a str),
    Concat(&'a [Value]),
    If { condition: Condition, then: &'a Value, otherwise: Option<&'a Value> },
    Literal(&'a Value),
}

/// The objects of a package with every place filled in, in order, each with where it belongs.
pub fn render(package: &Package, values: &Values) -> Result<Vec<(ObjectKey, Value)>, PackageError> {
    let mut left = limits::RENDERED;
    let mut objects = Vec::new();
    for entry in &package.objects {
        if entry.when.as_ref().is_some_and(|when| !when.holds(values)) {
            continue;
        }
        let cannot = |what: &str| {
            PackageError::new(
                code::RENDER,
                format!("{}: {what}", entry.describe()),
                "Correct the settings, or ask the package's author.",
            )
        };
        let object = fill(&entry.object, values, &mut left).map_err(|what| cannot(&what))?;
        let object = object.ok_or_else(|| cannot("nothing is left of the object."))?;
        let key =
            key_of(&entry.resource, &object).ok_or_else(|| cannot("its name or namespace is not one."))?;
        objects.push((key, object));
    }
    Ok(objects)
}

fn key_of(resource: &str, object: &Value) -> Option<ObjectKey> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (group, version) = names::group_and_version(text("/apiVersion")?)?;
    let namespace = match object.pointer("/metadata/namespace") {
        None => None,
        Some(namespace) => Some(namespace.as_str().filter(|name| names::is_label(name))?.to_owned()),
    };
    Some(ObjectKey {
        group: group.to_owned(),
        version: version.to_owned(),
        resource: resource.to_owned(),
        kind: text("/kind")?.to_owned(),
        namespace,
        name: text("/metadata/name").filter(|name| names::is_object_name(name))?.to_owned(),
    })
}

impl Condition {
    fn holds(&self, values: &Values) -> bool {
        match self {
            Self::Set(key) => values.settings.contains_key(key),
            Self::Known(key) => values.agent.contains_key(key.as_str()),
            Self::Equals { setting, value } => values.settings.get(setting) == Some(value),
            Self::Any(all) => all.iter().any(|one| one.holds(values)),
        }
    }

    pub(crate) fn check(&self, settings: &BTreeMap<String, SettingRule>) -> Result<(), String> {
        match self {
            Self::Set(key) | Self::Equals { setting: key, .. } if !settings.contains_key(key) => {
                Err(format!("there is no setting {key:?}."))
            }
            Self::Known(key) if !AGENT_VALUES.contains(&key.as_str()) => {
                Err(format!("the agent knows no {key:?}."))
            }
            Self::Any(all) if all.is_empty() => {
                Err("a condition that is any of none never holds.".to_owned())
            }
            Self::Any(all) => all.iter().try_for_each(|one| one.check(settings)),
            Self::Set(_) | Self::Known(_) | Self::Equals { .. } => Ok(()),
        }
    }
}

/// Whether a node is the place of the extension's namespace.
pub(crate) fn is_namespace(node: Option<&Value>) -> bool {
    let fields = node.and_then(Value::as_object);
    fields.is_some_and(|fields| matches!(place(fields), Ok(Some(Place::Agent("namespace")))))
}

/// Refuses an object with a place that nothing can fill.
pub(crate) fn check(node: &Value, settings: &BTreeMap<String, SettingRule>) -> Result<(), String> {
    match node {
        Value::Array(items) => items.iter().try_for_each(|item| check(item, settings)),
        Value::Object(fields) => match place(fields)? {
            None => fields.values().try_for_each(|value| check(value, settings)),
            Some(Place::Literal(_)) => Ok(()),
            Some(Place::Setting(key)) => Condition::Set(key.to_owned()).check(settings),
            Some(Place::Agent(key)) => Condition::Known(key.to_owned()).check(settings),
            Some(Place::Concat(parts)) => parts.iter().try_for_each(|part| check(part, settings)),
            Some(Place::If { condition, then, otherwise }) => {
                condition.check(settings)?;
                check(then, settings)?;
                otherwise.map_or(Ok(()), |node| check(node, settings))
            }
        },
        _ => Ok(()),
    }
}

/// What place an object is; `None` for an ordinary one.
fn place(fields: &Map<String, Value>) -> Result<Option<Place<'_>>, String> {
    if !fields.keys().any(|key| key.starts_with('$')) {
        return Ok(None);
    }
    let odd =
        || format!("{} is not a place for a setting.", fields.keys().cloned().collect::<Vec<_>>().join(", "));
    if let Some(condition) = fields.get("$if") {
        let known = fields.keys().all(|key| ["$if", "then", "else"].contains(&key.as_str()));
        let condition = Condition::deserialize(condition).map_err(|error| format!("$if: {error}."))?;
        let then = fields.get("then").filter(|_| known).ok_or_else(odd)?;
        return Ok(Some(Place::If { condition, then, otherwise: fields.get("else") }));
    }
    let mut only = fields.iter();
    let (Some((key, value)), None) = (only.next(), only.next()) else { return Err(odd()) };
    match (key.as_str(), value) {
        ("$setting", Value::String(key)) => Ok(Some(Place::Setting(key))),
        ("$agent", Value::String(key)) => Ok(Some(Place::Agent(key))),
        ("$concat", Value::Array(parts)) => Ok(Some(Place::Concat(parts))),
        ("$literal", value) => Ok(Some(Place::Literal(value))),
        _ => Err(odd()),
    }
}

/// A node with its places filled in; `None` where there is nothing to fill in.
fn fill(node: &Value, values: &Values, left: &mut usize) -> Result<Option<Value>, String> {
    match node {
        Value::Array(items) => {
            let mut filled = Vec::with_capacity(items.len());
            for item in items {
                filled.extend(fill(item, values, left)?);
            }
            Ok(Some(Value::Array(filled)))
        }
        Value::Object(fields) => match place(fields)? {
            None => {
                let mut filled = Map::new();
                for (key, value) in fields {
                    spend(left, key.len())?;
                    if let Some(value) = fill(value, values, left)? {
                        filled.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(filled)))
            }
            Some(Place::Literal(value)) => spent(Some(value.clone()), left),
            Some(Place::Setting(key)) => spent(values.settings.get(key).cloned(), left),
            Some(Place::Agent(key)) => spent(values.agent.get(key).cloned().map(Value::String), left),
            Some(Place::Concat(parts)) => concat(parts, values, left),
            Some(Place::If { condition, then, otherwise }) => match (condition.holds(values), otherwise) {
                (true, _) => fill(then, values, left),
                (false, Some(node)) => fill(node, values, left),
                (false, None) => Ok(None),
            },
        },
        other => spent(Some(other.clone()), left),
    }
}

/// Texts joined; nothing when one of them is missing.
fn concat(parts: &[Value], values: &Values, left: &mut usize) -> Result<Option<Value>, String> {
    let mut text = String::new();
    for part in parts {
        match fill(part, values, left)? {
            Some(Value::String(part)) => text.push_str(&part),
            Some(part @ (Value::Bool(_) | Value::Number(_))) => text.push_str(&part.to_string()),
            Some(_) => return Err("$concat joins single values only.".to_owned()),
            None => return Ok(None),
        }
    }
    Ok(Some(Value::String(text)))
}

fn spent(value: Option<Value>, left: &mut usize) -> Result<Option<Value>, String> {
    match &value {
        Some(Value::String(text)) => spend(left, text.len())?,
        Some(Value::Array(_) | Value::Object(_)) => {
            let size = value.as_ref().map(Value::to_string).map_or(0, |text| text.len());
            spend(left, size)?;
        }
        _ => spend(left, 0)?,
    }
    Ok(value)
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), String> {
    *left = left
        .checked_sub(bytes.saturating_add(8))
        .ok_or_else(|| format!("the objects have more than {} bytes together.", limits::RENDERED))?;
    Ok(())
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
