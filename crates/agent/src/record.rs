//! What the agent knows about one extension, as it stands in the cluster.

use crate::error::{ActError, Failure, code};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use packages::{HealthRule, ObjectKey, wire::Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Level of compression: releases are written rarely, and on few CPU.
const LEVEL: i32 = 3;
/// Bytes that a stored release may have: the Secret that holds all of them may have 1 MiB.
const STORED: usize = 192 << 10;

/// One extension.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The release that was installed last and became healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Release>,
    /// What is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<Work>,
    /// The last generation that failed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
    /// Namespaces that the agent made for it, and may remove.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub made: BTreeSet<String>,
}

/// A package with its settings filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The generation of the desired state that it is for.
    pub generation: i64,
    /// Version of the package.
    pub version: String,
    /// Namespace of the extension.
    pub namespace: String,
    /// Its objects, in the order in which they are applied.
    pub objects: Vec<ObjectKey>,
    /// What must become ready.
    pub health: Vec<HealthRule>,
    /// Warnings about its settings.
    #[serde(default)]
    pub statuses: Vec<Status>,
    /// The egress proxy that was put into them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<EgressSeen>,
    /// The objects themselves, compressed: to return to them, no registry is needed.
    stored: String,
}

/// An egress proxy that was put into a release, without what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EgressSeen {
    /// Tells it from another one.
    pub digest: String,
    /// Since when releases have it: pods that carry this start anew with another one.
    pub since: Timestamp,
}

/// A generation that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Which.
    pub generation: i64,
    /// Why.
    pub failure: Failure,
    /// When it is begun once more. The gate stopped it before more was written than namespaces and accounts, and what it
    /// missed may have come; or it is what is installed, with another egress proxy, and goes on with the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
    /// The digest of the egress proxy with which it failed, empty for none: with another one it is begun at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step")]
pub enum Work {
    /// A release is being applied.
    #[serde(rename_all = "camelCase")]
    Apply {
        /// Which.
        release: Release,
        /// Objects of attempts before it, which may be there.
        strays: Vec<ObjectKey>,
        /// Since when.
        since: Timestamp,
        /// Checks of the gate that are judged when the namespaces and the pods' accounts are there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        later: Vec<String>,
    },
    /// A release was applied and is not healthy yet.
    #[serde(rename_all = "camelCase")]
    Wait {
        /// Which.
        release: Release,
        /// Objects of attempts before it, which may be there.
        strays: Vec<ObjectKey>,
        /// Since when.
        since: Timestamp,
    },
    /// A release failed: back to the one that is installed, or to nothing.
    #[serde(rename_all = "camelCase")]
    Return {
        /// The generation that failed.
        generation: i64,
        /// Why.
        failure: Failure,
        /// Objects that may be there because of it.
        strays: Vec<ObjectKey>,
        /// Since when.
        since: Timestamp,
        /// The digest of the egress proxy in the release that failed, empty for none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proxy: Option<String>,
    },
    /// Everything is being removed.
    #[serde(rename_all = "camelCase")]
    Remove {
        /// The generation that asked for it.
        generation: i64,
        /// Objects that may be there.
        objects: Vec<ObjectKey>,
        /// Since when.
        since: Timestamp,
    },
}

impl Release {
    /// A release of these objects.
    pub fn new(
        generation: i64,
        version: &str,
        namespace: &str,
        objects: Vec<(ObjectKey, Value)>,
        health: Vec<HealthRule>,
        statuses: Vec<Status>,
    ) -> Result<Self, ActError> {
        let (keys, values): (Vec<_>, Vec<_>) = objects.into_iter().unzip();
        let text = serde_json::to_vec(&values).map_err(|error| broken(&error.to_string()))?;
        let packed = zstd::bulk::compress(&text, LEVEL).map_err(|error| broken(&error.to_string()))?;
        if packed.len() > STORED {
            return Err(ActError::Permanent(Failure::new(
                code::STATE_LARGE,
                format!(
                    "The objects of the extension have {} bytes compressed; at most {STORED} can be kept to return to them.",
                    packed.len()
                ),
            )));
        }
        Ok(Self {
            generation,
            version: version.to_owned(),
            namespace: namespace.to_owned(),
            objects: keys,
            health,
            statuses,
            egress: None,
            stored: STANDARD.encode(packed),
        })
    }

    /// The same, with an egress proxy in its objects.
    pub fn with_egress(self, egress: Option<EgressSeen>) -> Self {
        Self { egress, ..self }
    }

    /// What tells the egress proxy in it from another one.
    pub fn egress_digest(&self) -> Option<&str> {
        self.egress.as_ref().map(|seen| seen.digest.as_str())
    }

    /// The objects with their places, in order.
    pub fn documents(&self) -> Result<Vec<(ObjectKey, Value)>, ActError> {
        let packed = STANDARD.decode(&self.stored).map_err(|error| broken(&error.to_string()))?;
        let text = zstd::bulk::decompress(&packed, packages::limits::RENDERED * 2)
            .map_err(|error| broken(&error.to_string()))?;
        let values: Vec<Value> = serde_json::from_slice(&text).map_err(|error| broken(&error.to_string()))?;
        if values.len() != self.objects.len() {
            return Err(broken("objects are missing"));
        }
        Ok(self.objects.iter().cloned().zip(values).collect())
    }
}

fn broken(why: &str) -> ActError {
    ActError::Permanent(Failure::new(
        code::APPLY,
        format!(
            "The objects of a release cannot be read from the agent's own Secret: {why}. Change the extension's settings or version to have it applied anew."
        ),
    ))
}

impl Work {
    /// Since when it is under way.
    pub fn since(&self) -> Timestamp {
        match self {
            Self::Apply { since, .. }
            | Self::Wait { since, .. }
            | Self::Return { since, .. }
            | Self::Remove { since, .. } => *since,
        }
    }

    /// The generation that it is for.
    pub fn generation(&self) -> i64 {
        match self {
            Self::Apply { release, .. } | Self::Wait { release, .. } => release.generation,
            Self::Return { generation, .. } | Self::Remove { generation, .. } => *generation,
        }
    }

    /// What the failure of this turns it into: the way back.
    pub fn given_up(&self, failure: Failure, now: Timestamp) -> Self {
        let proxy = match self {
            Self::Apply { release, .. } | Self::Wait { release, .. } => {
                Some(release.egress_digest().unwrap_or_default().to_owned())
            }
            Self::Return { proxy, .. } => proxy.clone(),
            Self::Remove { .. } => None,
        };
        Self::Return { generation: self.generation(), failure, strays: self.objects(), since: now, proxy }
    }

    /// Everything that may be there because of it.
    pub fn objects(&self) -> Vec<ObjectKey> {
        match self {
            Self::Apply { release, strays, .. } | Self::Wait { release, strays, .. } => {
                union(strays, &release.objects)
            }
            Self::Return { strays, .. } => strays.clone(),
            Self::Remove { objects, .. } => objects.clone(),
        }
    }
}

impl Failed {
    /// Whether it failed with another egress proxy than this one.
    pub fn is_of_another_proxy(&self, egress: Option<&str>) -> bool {
        self.proxy.as_deref().is_some_and(|proxy| proxy != egress.unwrap_or_default())
    }
}

impl Record {
    /// Everything that may be there.
    pub fn objects(&self) -> Vec<ObjectKey> {
        let installed = self.installed.as_ref().map(|release| release.objects.as_slice()).unwrap_or_default();
        match &self.work {
            Some(work) => union(installed, &work.objects()),
            None => installed.to_vec(),
        }
    }
}

/// Both lists, each object once, in the order of the first and then of the second.
pub fn union(first: &[ObjectKey], second: &[ObjectKey]) -> Vec<ObjectKey> {
    let mut all = first.to_vec();
    all.extend(without(second, first));
    all
}

/// What of `all` is not in `kept`.
pub fn without(all: &[ObjectKey], kept: &[ObjectKey]) -> Vec<ObjectKey> {
    all.iter().filter(|key| !kept.iter().any(|other| other.is_same(key))).cloned().collect()
}
