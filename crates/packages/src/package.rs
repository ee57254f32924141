//! What a package says, and the rules that it must follow before anything of it is used.

use crate::{
    error::PackageError,
    names,
    settings::SettingRule,
    template::{self, Condition},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How large things may be. An agent has 64 MiB for everything.
pub mod limits {
    /// Bytes of a package.
    pub const PACKAGE: usize = 1 << 20;
    /// Bytes of the manifest that names a package.
    pub const MANIFEST: usize = 64 << 10;
    /// Bytes of all rendered objects together.
    pub const RENDERED: usize = 2 << 20;
    /// Objects in a package.
    pub const OBJECTS: usize = 200;
    /// Settings in a package.
    pub const SETTINGS: usize = 200;
    /// Characters of a setting's value unless the package says less.
    pub const VALUE: usize = 16 << 10;
    /// Signatures under a package.
    pub const SIGNATURES: usize = 16;
    /// Seconds that a health rule may wait.
    pub const HEALTH_SECONDS: u32 = 1800;
}

/// The format that this code reads.
const FORMAT: u32 = 1;

/// A package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Package {
    /// Always 1.
    pub format_version: u32,
    /// Type of the extension, `microsoft.dataprotection.kubernetes`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Version of the extension.
    pub version: String,
    /// Which versions replace each other without being asked for.
    pub release_train: String,
    /// Namespace unless the desired state names another.
    pub namespace: String,
    /// The settings that it takes, by key.
    #[serde(default)]
    pub settings: BTreeMap<String, SettingRule>,
    /// Prerequisites without which it is not installed.
    #[serde(default)]
    pub gate: Gate,
    /// Field managers of other ways of installing it, whose objects are taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<String>,
    /// The objects, in the order in which they are applied.
    pub objects: Vec<Entry>,
    /// What must become ready.
    #[serde(default)]
    pub health: Vec<HealthRule>,
}

/// One object of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// Plural of its kind, as in URLs.
    pub resource: String,
    /// When it exists; always unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Condition>,
    /// The object, with settings to be filled in.
    pub object: Value,
}

/// Prerequisites by the ids of the catalogue, by who can see them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// Judged by the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster: Vec<String>,
    /// Judged by the vault before it asks for the extension.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vault: Vec<String>,
    /// The settings that say where in a store the extension will write: nobody else may write there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceSettings>,
}

/// The names of the settings that hold a place in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceSettings {
    /// The one with the bucket or container.
    pub bucket: String,
    /// The one with the folder in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl Gate {
    /// The check that admission lets the extension's pods in. Whoever judges it asks the API server about the pods.
    pub const ADMISSION: &'static str = "P20";

    /// Whether the API server is asked about the extension's pods.
    pub fn asks_about_pods(&self) -> bool {
        self.cluster.iter().any(|id| id == Self::ADMISSION)
    }
}

/// An object that must become ready, and in what time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthRule {
    /// `Deployment`, `DaemonSet` or `StatefulSet`.
    pub kind: String,
    /// Its name; it is one of the package's objects.
    pub name: String,
    /// How long it may take.
    pub within_seconds: u32,
}

impl Package {
    /// Reads a package. Everything that does not depend on settings is checked here.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackageError> {
        let package: Self = serde_json::from_slice(bytes)
            .map_err(|error| PackageError::malformed(format!("The package cannot be read: {error}.")))?;
        package.check()?;
        Ok(package)
    }

    /// Refuses a package that does not follow the format.
    pub fn check(&self) -> Result<(), PackageError> {
        let bad = |what: String| Err(PackageError::malformed(what));
        if self.format_version != FORMAT {
            return bad(format!(
                "The package has the format {}; this agent reads {FORMAT}.",
                self.format_version
            ));
        }
        if !names::is_type(&self.kind) {
            return bad(format!("{:?} is not a type of extensions.", self.kind));
        }
        if !names::is_version(&self.version) {
            return bad(format!("{:?} is not a version.", self.version));
        }
        if !names::is_label(&self.release_train) || !names::is_label(&self.namespace) {
            return bad("The release train or the namespace is not a plain name.".to_owned());
        }
        if self.objects.is_empty() || self.objects.len() > limits::OBJECTS {
            return bad(format!(
                "A package has 1 to {} objects, this one {}.",
                limits::OBJECTS,
                self.objects.len()
            ));
        }
        if self.settings.len() > limits::SETTINGS {
            return bad(format!("A package has at most {} settings.", limits::SETTINGS));
        }
        self.check_settings()?;
        let place =
            self.gate.place.iter().flat_map(|place| std::iter::once(&place.bucket).chain(&place.prefix));
        for key in place {
            if self.settings.get(key).is_none_or(|rule| rule.protected) {
                return bad(format!(
                    "The gate's place names {key:?}, which is no setting that may be shown."
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for entry in &self.objects {
            if !seen.insert(self.check_entry(entry)?) {
                return bad(format!("The package has an object twice: {}.", entry.describe()));
            }
        }
        for rule in &self.health {
            let known = ["Deployment", "DaemonSet", "StatefulSet"].contains(&rule.kind.as_str());
            let there =
                self.objects.iter().any(|entry| entry.kind() == rule.kind && entry.name() == rule.name);
            if !known || !there || rule.within_seconds == 0 || rule.within_seconds > limits::HEALTH_SECONDS {
                return bad(format!("The health rule for {} {} cannot be followed.", rule.kind, rule.name));
            }
        }
        Ok(())
    }

    fn check_settings(&self) -> Result<(), PackageError> {
        let mut names = BTreeSet::new();
        for (key, rule) in &self.settings {
            for name in std::iter::once(key).chain(&rule.aliases) {
                if !names::is_setting(name) || !names.insert(name.as_str()) {
                    return Err(PackageError::malformed(format!(
                        "The setting {name:?} is no name, or is there twice."
                    )));
                }
            }
            rule.check(key)?;
        }
        Ok(())
    }

    /// Checks an object; what must be different from every other one.
    fn check_entry(&self, entry: &Entry) -> Result<(String, String, String, String), PackageError> {
        let bad = |what: &str| PackageError::malformed(format!("{}: {what}", entry.describe()));
        let (group, _) = names::group_and_version(entry.text("/apiVersion"))
            .ok_or_else(|| bad("apiVersion is not group/version."))?;
        if !names::is_kind(entry.kind()) || entry.kind().ends_with("List") {
            return Err(bad("kind is not the kind of one object."));
        }
        if !names::is_resource(&entry.resource) {
            return Err(bad("resource is not a plural."));
        }
        let own_namespace =
            self.is_namespace(entry) && template::is_namespace(entry.object.pointer("/metadata/name"));
        if !own_namespace && !names::is_object_name(entry.name()) {
            return Err(bad("metadata.name is not a name that is written out."));
        }
        let namespace = match entry.object.pointer("/metadata/namespace") {
            None => "",
            node if template::is_namespace(node) => "$namespace",
            Some(Value::String(name)) if self.makes_namespace(name) => name,
            Some(_) => {
                return Err(bad(
                    "metadata.namespace is neither the extension's nor one that the package makes.",
                ));
            }
        };
        for field in ["/metadata/generateName", "/metadata/uid", "/metadata/ownerReferences", "/status"] {
            if entry.object.pointer(field).is_some() {
                return Err(bad(&format!(
                    "{} does not belong into a package.",
                    field.trim_start_matches('/')
                )));
            }
        }
        template::check(&entry.object, &self.settings).map_err(|what| bad(&what))?;
        if let Some(when) = &entry.when {
            when.check(&self.settings).map_err(|what| bad(&what))?;
        }
        Ok((group.to_owned(), entry.resource.clone(), namespace.to_owned(), entry.name().to_owned()))
    }

    fn is_namespace(&self, entry: &Entry) -> bool {
        entry.text("/apiVersion") == "v1" && entry.kind() == "Namespace" && entry.resource == "namespaces"
    }

    fn makes_namespace(&self, name: &str) -> bool {
        names::is_label(name)
            && self.objects.iter().any(|entry| self.is_namespace(entry) && entry.name() == name)
    }
}

impl Entry {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// Its name; empty for the namespace that the agent chooses.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    pub(crate) fn describe(&self) -> String {
        format!("{} {}", self.kind(), self.name()).chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

#[cfg(test)]
#[path = "package_tests.rs"]
pub(crate) mod tests;
