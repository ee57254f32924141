//! One object of a recovery point as the restore carries it about: its place and its owners, not its body.

use protection::point::{IndexEntry, Owner, list_path, resource_folder};
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// A resource type: what the API server calls it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceType {
    /// API group, empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Object kind.
    pub kind: String,
    /// Plural resource name.
    pub resource: String,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
}

impl ResourceType {
    /// `<resource>.<group>`, or just `<resource>` for the core group.
    pub fn group_resource(&self) -> String {
        resource_folder(&self.resource, &self.group)
    }

    /// `<group>/<version>`, or just `<version>` for the core group.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether this is the type `resource` of `group`, in any version.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.group == group && self.resource == resource
    }
}

/// Splits an `apiVersion` into group and version.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Where an object stands in the target cluster, or stood in the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Its type.
    pub kind: Arc<ResourceType>,
    /// Its namespace, if it has one.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
}

impl std::fmt::Display for Place {
    /// `<resource>[.<group>]/[<namespace>/]<name>`, as problems name objects.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.kind.group_resource())?;
        f.write_str("/")?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// An owner reference of a captured object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerRef {
    /// Group of the owner's `apiVersion`.
    pub group: Arc<str>,
    /// Kind of the owner.
    pub kind: Arc<str>,
    /// Name of the owner.
    pub name: Arc<str>,
    /// UID of the owner in the source cluster.
    pub uid: Arc<str>,
    /// Whether the owner controls the object.
    pub controller: bool,
}

/// One selected object.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its type in the source cluster.
    pub kind: Arc<ResourceType>,
    /// Its namespace in the source cluster.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
    /// Its UID in the source cluster.
    pub uid: Arc<str>,
    /// First byte in its list.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Its owners.
    pub owners: Box<[OwnerRef]>,
    /// It comes along with others and changes nothing that exists.
    pub only_if_absent: bool,
}

impl Item {
    /// Path of the list that holds its body.
    pub fn list_path(&self) -> String {
        list_path(&self.kind.resource, &self.kind.group, self.namespace.as_deref())
    }

    /// Where it stood in the source cluster.
    pub fn place(&self) -> Place {
        Place { kind: self.kind.clone(), namespace: self.namespace.clone(), name: self.name.clone() }
    }
}

/// Shares equal strings and types between items, so that a large recovery point fits in memory.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: HashSet<Arc<str>>,
    kinds: HashSet<Arc<ResourceType>>,
}

impl Interner {
    /// The item that an index entry describes.
    pub(crate) fn item(&mut self, entry: &IndexEntry) -> Item {
        Item {
            kind: self.kind(ResourceType {
                group: entry.group.clone(),
                version: entry.version.clone(),
                kind: entry.kind.clone(),
                resource: entry.resource.clone(),
                namespaced: entry.namespace.is_some(),
            }),
            namespace: entry.namespace.as_deref().map(|namespace| self.text(namespace)),
            name: Arc::from(entry.name.as_str()),
            uid: Arc::from(entry.uid.as_str()),
            offset: entry.offset,
            length: entry.length,
            owners: entry.owners.iter().map(|owner| self.owner(owner)).collect(),
            only_if_absent: false,
        }
    }

    fn owner(&mut self, owner: &Owner) -> OwnerRef {
        let (group, _) = group_version(&owner.api_version);
        OwnerRef {
            group: self.text(group),
            kind: self.text(&owner.kind),
            name: self.text(&owner.name),
            uid: self.text(&owner.uid),
            controller: owner.controller,
        }
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let shared: Arc<str> = Arc::from(text);
        self.texts.insert(shared.clone());
        shared
    }

    fn kind(&mut self, kind: ResourceType) -> Arc<ResourceType> {
        if let Some(known) = self.kinds.get(&kind) {
            return known.clone();
        }
        let shared = Arc::new(kind);
        self.kinds.insert(shared.clone());
        shared
    }
}
