//! Which resource types are selected, in both spellings: `apps/v1/Deployment` and `deployments.apps`.

use super::SelectionError;
use super::labels::{is_dns_label, is_dns_subdomain};
use regex::Regex;
use std::fmt;
use std::sync::OnceLock;

/// Resources of the core group: a bare plural means these before any other group's.
const CORE: [&str; 17] = [
    "bindings",
    "componentstatuses",
    "configmaps",
    "endpoints",
    "events",
    "limitranges",
    "namespaces",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "serviceaccounts",
    "services",
];

/// The name of a resource type, as discovery gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResourceType<'a> {
    /// API group, empty for core.
    pub group: &'a str,
    /// Kind, like `Deployment`.
    pub kind: &'a str,
    /// Plural, like `deployments`.
    pub resource: &'a str,
}

/// Which resource types are selected.
#[derive(Debug, Clone, Default)]
pub struct TypeRule {
    included: Vec<TypePattern>,
    excluded: Vec<TypePattern>,
}

impl TypeRule {
    pub(super) fn parse(included: &[String], excluded: &[String], errors: &mut Vec<SelectionError>) -> Self {
        let included = patterns("includedResourceTypes", included, errors);
        let excluded = patterns("excludedResourceTypes", excluded, errors);
        if excluded.iter().any(|pattern| pattern.text == "*") {
            errors.push(SelectionError::new("excludedResourceTypes", "*", "leaves nothing to select"));
        }
        Self { included, excluded }
    }

    /// Whether objects of this type are selected.
    pub fn selects(&self, of: ResourceType<'_>) -> bool {
        (self.included.is_empty() || self.included.iter().any(|pattern| pattern.matches(of)))
            && !self.excludes(of)
    }

    /// Whether this type is left out by name: then not even related objects of it come along.
    pub fn excludes(&self, of: ResourceType<'_>) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(of))
    }

    /// The included entries; empty means all.
    pub fn included(&self) -> &[TypePattern] {
        &self.included
    }

    /// Whether every type is included.
    pub fn includes_all(&self) -> bool {
        self.included.is_empty() || self.included.iter().any(|pattern| pattern.text == "*")
    }
}

/// One entry that names resource types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypePattern {
    text: String,
    group: Group,
    name: Name,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Group {
    Any,
    Is(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    Kind(String),
    Resource(String),
}

impl TypePattern {
    /// Reads one entry of the field `field`, which errors name.
    pub fn parse(field: &'static str, text: &str) -> Result<Self, SelectionError> {
        let refuse = |reason: &str| {
            let spellings = "write group/version/Kind (`apps/v1/Deployment`, `v1/Secret`) or plural.group (`deployments.apps`, `secrets`)";
            SelectionError::new(field, text, format!("{reason}; {spellings}"))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (group, name) = match parts.as_slice() {
            [""] => return Err(refuse("is empty")),
            ["*"] => (Group::Any, Name::Any),
            [plural] => plural_and_group(plural).map_err(refuse)?,
            [version, name] => (Group::Is(String::new()), versioned(version, name).map_err(refuse)?),
            [group, version, name] if is_dns_subdomain(group) => {
                (Group::Is((*group).to_owned()), versioned(version, name).map_err(refuse)?)
            }
            [_, _, _] => return Err(refuse("does not begin with an API group")),
            _ => return Err(refuse("has too many parts")),
        };
        Ok(Self { text: text.to_owned(), group, name })
    }

    /// Whether this type is meant.
    pub fn matches(&self, of: ResourceType<'_>) -> bool {
        let group = match &self.group {
            Group::Any => true,
            Group::Is(group) => group == of.group,
        };
        group
            && match &self.name {
                Name::Any => true,
                Name::Kind(kind) => kind == of.kind,
                Name::Resource(resource) => resource == of.resource,
            }
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for TypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// `deployments.apps`, `secrets`, `*.apps`.
fn plural_and_group(text: &str) -> Result<(Group, Name), &'static str> {
    let (plural, group) = match text.split_once('.') {
        Some((plural, group)) if is_dns_subdomain(group) => (plural, Some(group)),
        Some(_) => return Err("does not end with an API group"),
        None => (text, None),
    };
    let name = match plural {
        "*" => Name::Any,
        plural if is_dns_label(plural) => Name::Resource(plural.to_owned()),
        _ => return Err("is not a plural in lower case"),
    };
    let group = match group {
        Some(group) => Group::Is(group.to_owned()),
        None if CORE.contains(&plural) => Group::Is(String::new()),
        None => Group::Any,
    };
    Ok((group, name))
}

/// The last two parts of `apps/v1/Deployment`. A plural is accepted in the kind's place.
fn versioned(version: &str, name: &str) -> Result<Name, &'static str> {
    static VERSION: OnceLock<Option<Regex>> = OnceLock::new();
    let pattern = VERSION.get_or_init(|| Regex::new("^v[0-9]+((alpha|beta)[0-9]+)?$").ok());
    if !pattern.as_ref().is_some_and(|pattern| pattern.is_match(version)) {
        return Err("does not name an API version");
    }
    let plain = name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric());
    match name.chars().next() {
        Some(first) if plain && first.is_ascii_uppercase() => Ok(Name::Kind(name.to_owned())),
        Some(_) if is_dns_label(name) => Ok(Name::Resource(name.to_owned())),
        _ => Err("does not name a kind"),
    }
}

fn patterns(field: &'static str, entries: &[String], errors: &mut Vec<SelectionError>) -> Vec<TypePattern> {
    entries
        .iter()
        .filter_map(|text| TypePattern::parse(field, text).map_err(|error| errors.push(error)).ok())
        .collect()
}
