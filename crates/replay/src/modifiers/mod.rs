//! Resource modifiers: rules in Velero's format that change objects on their way to the target. Conditions are
//! matched against the captured object; the changes of all matching rules add up, in their order.

mod conditions;
mod parse;
mod schema;
mod strategic;
mod value;

pub use parse::ModifierError;
pub use schema::{Schemas, TypeSchema};
pub use strategic::{MergeError, merge as strategic_merge};

use crate::item::ResourceType;
use conditions::Conditions;
use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;
use std::collections::BTreeMap;

/// The rules of one ConfigMap.
#[derive(Debug, Clone, Default)]
pub struct Modifiers {
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Line of the ConfigMap's value in which the rule begins, from 1.
    pub line: u64,
    conditions: Conditions,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    /// Nothing.
    None,
    /// RFC 6902.
    Json(Vec<PatchOperation>),
    /// RFC 7386.
    Merge(Vec<Value>),
    /// The API server's strategic merge.
    Strategic(Vec<Value>),
}

/// A rule that could not be applied to an object that it matches. Never quotes the object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the resource modifier in line {line} cannot be applied: {what}")]
pub struct ApplyError {
    /// Line of the rule.
    pub line: u64,
    /// What went wrong.
    pub what: String,
}

impl Modifiers {
    /// Reads the data of a ConfigMap.
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, ModifierError> {
        parse::config_map(data)
    }

    /// Whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules that match a captured object.
    pub fn matching(&self, kind: &ResourceType, captured: &Value) -> Vec<&Rule> {
        self.rules.iter().filter(|rule| rule.conditions.match_object(kind, captured)).collect()
    }

    /// The lines of rules with strategic merge patches that could match an object of this type and place.
    pub fn strategic_rules(&self, kind: &ResourceType, namespace: Option<&str>, name: &str) -> Vec<u64> {
        self.rules
            .iter()
            .filter(|rule| rule.is_strategic() && rule.conditions.match_place(kind, namespace, name))
            .map(|rule| rule.line)
            .collect()
    }
}

impl Rule {
    /// Whether it needs the schema of the object's type.
    pub fn is_strategic(&self) -> bool {
        matches!(self.change, Change::Strategic(_))
    }

    /// Changes an object. A JSON patch whose `test` fails changes nothing, and that is no error.
    pub fn apply(&self, object: &mut Value, schema: Option<&TypeSchema<'_>>) -> Result<(), ApplyError> {
        let changed = match &self.change {
            Change::None => return Ok(()),
            Change::Json(operations) => self.apply_json(object, operations)?,
            Change::Merge(patches) => {
                let mut changed = object.clone();
                for patch in patches {
                    json_patch::merge(&mut changed, patch);
                }
                changed
            }
            Change::Strategic(patches) => self.apply_strategic(object, patches, schema)?,
        };
        if let Some(what) = other_identity(object, &changed) {
            return Err(self.error(format!("it would change {what}")));
        }
        *object = changed;
        Ok(())
    }

    fn apply_json(&self, object: &Value, operations: &[PatchOperation]) -> Result<Value, ApplyError> {
        let mut changed = object.clone();
        match json_patch::patch(&mut changed, operations) {
            Ok(()) => Ok(changed),
            Err(error) if matches!(error.kind, PatchErrorKind::TestFailed) => Ok(object.clone()),
            Err(error) => Err(self.error(format!(
                "operation {} on {} failed: {}",
                error.operation + 1,
                error.path,
                error.kind
            ))),
        }
    }

    fn apply_strategic(
        &self,
        object: &Value,
        patches: &[Value],
        schema: Option<&TypeSchema<'_>>,
    ) -> Result<Value, ApplyError> {
        let schema = schema.ok_or_else(|| {
            self.error("strategic merge patches need a built-in type; use mergePatches for this one")
        })?;
        let mut changed = object.clone();
        for patch in patches {
            strategic::merge(&mut changed, patch, schema).map_err(|error| self.error(error.to_string()))?;
        }
        Ok(changed)
    }

    fn error(&self, what: impl Into<String>) -> ApplyError {
        ApplyError { line: self.line, what: what.into() }
    }
}

/// What of an object's identity differs. A modifier may choose another version of the same kind, nothing else: other
/// objects refer to this one, and namespaces have their mapping.
fn other_identity(before: &Value, after: &Value) -> Option<&'static str> {
    let group = |object: &Value| {
        let version = crate::json::text(object, &["apiVersion"])?;
        Some(crate::item::group_version(version).0.to_owned())
    };
    let differs = |path: &[&str]| crate::json::at(before, path) != crate::json::at(after, path);
    if !after.is_object() || differs(&["kind"]) || group(before) != group(after) {
        Some("the object's kind or group")
    } else if differs(&["metadata", "name"]) {
        Some("/metadata/name, by which others refer to the object")
    } else if differs(&["metadata", "namespace"]) {
        Some("/metadata/namespace; use namespaceMappings to restore into another namespace")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
