//! One run of probes, by a name that everything it makes carries.

use super::place::{LABEL, VALUE};
use std::collections::BTreeMap;

/// The label that says which run something belongs to.
pub const RUN: &str = "clusterbackup.dataprotection.microsoft.com/probe-run";

/// The name of a run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId(String);

impl RunId {
    /// One that no other run has.
    pub fn fresh() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self(id.get(..12).unwrap_or_default().to_owned())
    }

    /// Whose an object is; what says nothing belongs to nobody.
    pub(super) fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        labels.get(RUN).map(|id| Self(id.clone()))
    }

    /// The labels of what it makes.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        BTreeMap::from([pair(LABEL, VALUE), pair(RUN, &self.0)])
    }

    /// The name of its Lease.
    pub(super) fn lease(&self) -> String {
        format!("run-{}", self.0)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
impl RunId {
    pub(super) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }
}
