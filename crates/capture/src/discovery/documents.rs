//! The API server's discovery documents, in the aggregated and in the older form, brought to one shape.

use serde::Deserialize;

/// One API group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Empty for core.
    pub name: String,
    /// In order of preference.
    pub versions: Vec<Version>,
}

/// One version of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub name: String,
    pub resources: Vec<Resource>,
    /// The server behind it did not answer lately.
    pub stale: bool,
}

/// One resource of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    pub name: String,
    pub kind: String,
    pub namespaced: bool,
    pub verbs: Vec<String>,
}

/// What `/api` and `/apis` answer, depending on the server.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Root {
    Aggregated(AggregatedList),
    Legacy(Legacy),
}

/// `APIGroupDiscoveryList`.
#[derive(Debug, Deserialize)]
pub(super) struct AggregatedList {
    items: Vec<AggregatedGroup>,
}

#[derive(Debug, Deserialize)]
struct AggregatedGroup {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Debug, Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Debug, Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    resources: Option<Vec<AggregatedResource>>,
    #[serde(default)]
    freshness: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    #[serde(default)]
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    verbs: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct ResponseKind {
    kind: String,
}

impl AggregatedList {
    pub(super) fn groups(self) -> Vec<Group> {
        self.items.into_iter().map(AggregatedGroup::group).collect()
    }
}

impl AggregatedGroup {
    fn group(self) -> Group {
        let versions = self.versions.into_iter().map(|version| Version {
            name: version.version,
            resources: version
                .resources
                .unwrap_or_default()
                .into_iter()
                .map(AggregatedResource::resource)
                .collect(),
            stale: version.freshness == "Stale",
        });
        Group { name: self.metadata.name, versions: versions.collect() }
    }
}

impl AggregatedResource {
    fn resource(self) -> Resource {
        Resource {
            name: self.resource,
            kind: self.response_kind.map(|kind| kind.kind).unwrap_or_default(),
            namespaced: self.scope == "Namespaced",
            verbs: self.verbs.unwrap_or_default(),
        }
    }
}

/// `APIVersions` (of `/api`) or `APIGroupList` (of `/apis`).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Legacy {
    Core { versions: Vec<String> },
    Groups { groups: Vec<LegacyGroup> },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LegacyGroup {
    name: String,
    versions: Vec<LegacyVersion>,
    #[serde(default)]
    preferred_version: Option<LegacyVersion>,
}

#[derive(Debug, Deserialize)]
struct LegacyVersion {
    version: String,
}

/// A group whose resources are not known yet; versions in order of preference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GroupList {
    pub name: String,
    pub versions: Vec<String>,
}

impl Legacy {
    pub(super) fn groups(self) -> Vec<GroupList> {
        match self {
            Self::Core { versions } => vec![GroupList { name: String::new(), versions }],
            Self::Groups { groups } => groups.into_iter().map(LegacyGroup::list).collect(),
        }
    }
}

impl LegacyGroup {
    fn list(self) -> GroupList {
        let mut versions: Vec<String> = self.versions.into_iter().map(|version| version.version).collect();
        if let Some(LegacyVersion { version: preferred }) = self.preferred_version {
            versions.retain(|version| *version != preferred);
            versions.insert(0, preferred);
        }
        GroupList { name: self.name, versions }
    }
}

/// `APIResourceList`.
#[derive(Debug, Deserialize)]
pub(super) struct Resources {
    resources: Vec<LegacyResource>,
}

#[derive(Debug, Deserialize)]
struct LegacyResource {
    name: String,
    kind: String,
    namespaced: bool,
    #[serde(default)]
    verbs: Option<Vec<String>>,
}

impl Resources {
    pub(super) fn resources(self) -> Vec<Resource> {
        let resource = |resource: LegacyResource| Resource {
            name: resource.name,
            kind: resource.kind,
            namespaced: resource.namespaced,
            verbs: resource.verbs.unwrap_or_default(),
        };
        self.resources.into_iter().map(resource).collect()
    }
}
