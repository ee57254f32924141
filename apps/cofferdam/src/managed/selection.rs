//! What a backup instance or a restore takes, by the names of `az`.

use clap::Args;
use management::build::{Reference, Selection};
use serde_json::Value;

/// Namespaces, types, labels.
#[derive(Debug, Clone, Args)]
pub struct SelectArgs {
    /// Namespaces, with commas or blanks between them; all when absent
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "NAMES")]
    pub included_namespaces: Vec<String>,
    /// Namespaces to leave out
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "NAMES")]
    pub excluded_namespaces: Vec<String>,
    /// Resource types, such as apps/v1/Deployment; all when absent
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TYPES")]
    pub included_resource_types: Vec<String>,
    /// Resource types to leave out, such as v1/Secret
    #[arg(long, num_args = 1.., value_delimiter = ',', value_name = "TYPES")]
    pub excluded_resource_types: Vec<String>,
    /// Label requirements, such as env=prod; all must hold
    #[arg(long, num_args = 1.., value_name = "SELECTORS")]
    pub label_selectors: Vec<String>,
    /// Cluster-scoped objects: `true` for all, `false` for related ones only
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub include_cluster_scope_resources: bool,
}

impl SelectArgs {
    /// As a value.
    pub fn selection(&self) -> Selection {
        Selection {
            included_namespaces: self.included_namespaces.clone(),
            excluded_namespaces: self.excluded_namespaces.clone(),
            included_resource_types: self.included_resource_types.clone(),
            excluded_resource_types: self.excluded_resource_types.clone(),
            label_selectors: self.label_selectors.clone(),
            include_cluster_scope_resources: self.include_cluster_scope_resources,
        }
    }
}

/// One argument that names objects in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct References(pub Vec<Reference>);

/// Reads `namespace/name`, or what `az` takes: `[{"name": …, "namespace": …}]`.
pub fn references(text: &str) -> Result<References, String> {
    let short = text
        .split_once('/')
        .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !text.contains('{'));
    if let Some((namespace, name)) = short {
        return Ok(References(vec![Reference { name: name.to_owned(), namespace: namespace.to_owned() }]));
    }
    let wrong = || format!("{text:?} is neither namespace/name nor JSON with name and namespace");
    let document: Value = serde_json::from_str(text).map_err(|_| wrong())?;
    let members = match document {
        Value::Array(members) => members,
        one => vec![one],
    };
    let one = |member: &Value| {
        let text = |name: &str| member.get(name)?.as_str().map(str::to_owned);
        Some(Reference { name: text("name")?, namespace: text("namespace")? })
    };
    members.iter().map(one).collect::<Option<Vec<_>>>().map(References).ok_or_else(wrong)
}

/// Namespaces that get another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mappings(pub Vec<(String, String)>);

/// Reads `from=to`, several with commas, or what `az` takes: `{"from": "to"}`.
pub fn mappings(text: &str) -> Result<Mappings, String> {
    let wrong = || format!("{text:?} is neither from=to nor JSON {{\"from\": \"to\"}}");
    if text.trim_start().starts_with('{') {
        let map: std::collections::BTreeMap<String, String> =
            serde_json::from_str(text).map_err(|_| wrong())?;
        return Ok(Mappings(map.into_iter().collect()));
    }
    let pair = |part: &str| {
        let (from, to) = part.split_once('=').or_else(|| part.split_once(':'))?;
        (!from.is_empty() && !to.is_empty()).then(|| (from.to_owned(), to.to_owned()))
    };
    text.split(',').map(pair).collect::<Option<Vec<_>>>().map(Mappings).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_mappings_are_read_in_both_ways_of_writing() {
        let short = references("default/hook").unwrap();
        let pair = Mappings(vec![("a".into(), "b".into()), ("c".into(), "d".into())]);

        assert_eq!(references(r#"[{"name": "hook", "namespace": "default"}]"#), Ok(short));
        assert!(references("hook").is_err() && references("{}").is_err() && references("/hook").is_err());
        assert_eq!(mappings("a=b,c:d"), Ok(pair.clone()));
        assert_eq!(mappings(r#"{"a": "b", "c": "d"}"#), Ok(pair));
        assert!(mappings("a").is_err() && mappings("a=").is_err() && mappings("{1}").is_err());
    }
}
