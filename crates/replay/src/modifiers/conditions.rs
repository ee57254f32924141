//! When a rule applies.

use super::ModifierError;
use crate::item::ResourceType;
use crate::json;
use globset::{GlobBuilder, GlobMatcher};
use json_patch::jsonptr::PointerBuf;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::{Selector, SelectorExt};
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(super) struct Conditions {
    kinds: GlobMatcher,
    names: Option<Regex>,
    namespaces: Vec<GlobMatcher>,
    labels: Option<Selector>,
    matches: Vec<(PointerBuf, Value)>,
}

impl Conditions {
    pub(super) fn new(
        group_resource: &str,
        name_regex: Option<&str>,
        namespaces: &[String],
        labels: Option<LabelSelector>,
        matches: Vec<(PointerBuf, Value)>,
    ) -> Result<Self, ModifierError> {
        let names = name_regex.filter(|regex| !regex.is_empty()).map(Regex::new).transpose();
        Ok(Self {
            kinds: glob(&dotted(group_resource))?,
            names: names.map_err(|error| ModifierError::new(format!("resourceNameRegex: {error}")))?,
            namespaces: namespaces.iter().map(|pattern| glob(pattern)).collect::<Result<_, _>>()?,
            labels: labels
                .map(Selector::try_from)
                .transpose()
                .map_err(|error| ModifierError::new(format!("labelSelector: {error}")))?,
            matches,
        })
    }

    /// Everything that can be told without the body.
    pub(super) fn match_place(&self, kind: &ResourceType, namespace: Option<&str>, name: &str) -> bool {
        let namespace = namespace.unwrap_or("");
        self.kinds.is_match(dotted(&kind.group_resource()))
            && self.names.as_ref().is_none_or(|names| names.is_match(name))
            && (self.namespaces.is_empty()
                || self.namespaces.iter().any(|pattern| pattern.is_match(namespace)))
    }

    /// `captured` is the object as it stands in the recovery point.
    pub(super) fn match_object(&self, kind: &ResourceType, captured: &Value) -> bool {
        let name = json::text(captured, &["metadata", "name"]).unwrap_or("");
        self.match_place(kind, json::text(captured, &["metadata", "namespace"]), name)
            && self.labels.as_ref().is_none_or(|labels| labels.matches(&labels_of(captured)))
            && self.matches.iter().all(|(path, value)| path.resolve(captured).is_ok_and(|v| v == value))
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = json::at(object, &["metadata", "labels"]).and_then(Value::as_object);
    let texts = labels.into_iter().flatten();
    texts.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A `*` in a group resource does not reach over a dot: to the glob, a dot is a path separator.
fn dotted(text: &str) -> String {
    text.replace('.', "/")
}

fn glob(pattern: &str) -> Result<GlobMatcher, ModifierError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    Ok(glob
        .map_err(|error| ModifierError::new(format!("pattern {pattern:?}: {}", error.kind())))?
        .compile_matcher())
}
