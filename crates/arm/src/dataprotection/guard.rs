//! Resource guards on the wire.

use crate::{ArmError, Fields};
use serde_json::Value;
use std::collections::BTreeMap;

/// Operations that can be left out, and more.
const MOST_EXCLUSIONS: usize = 100;
/// Requests that approve one call.
const MOST_REQUESTS: usize = 100;
const LONGEST_ID: usize = crate::id::LONGEST;

/// What a PUT or PATCH of a guard says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuardGiven {
    /// Where.
    pub location: Option<String>,
    /// Labels.
    pub tags: Option<BTreeMap<String, String>>,
    /// Operations that are not guarded.
    pub exclusions: Option<Vec<String>>,
    /// A note.
    pub description: Option<String>,
}

/// The body of `unlockDelete`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnlockDelete {
    /// Approved requests.
    pub requests: Vec<String>,
    /// What will be deleted; when it is left out, the mapping itself.
    pub resource: Option<String>,
}

impl GuardGiven {
    /// Reads a body.
    pub fn read(body: &Value) -> Result<Self, ArmError> {
        let mut faults = crate::Faults::default();
        let fields = Fields::of(body)?;
        let mut given = Self {
            location: faults.get(fields.text("location")).map(str::to_owned),
            tags: faults.get(fields.texts("tags")),
            ..Self::default()
        };
        if let Some(inside) = faults.get(fields.object("properties")) {
            let exclusions =
                inside.short_texts("vaultCriticalOperationExclusionList", MOST_EXCLUSIONS, LONGEST_ID);
            let exclusions = faults.get(exclusions);
            given.exclusions = exclusions.map(|list| list.into_iter().map(str::to_owned).collect());
            given.description = faults.get(inside.text("description")).map(str::to_owned);
        }
        faults.end().map(|()| given)
    }
}

impl UnlockDelete {
    /// Reads a body.
    pub fn read(body: &Value) -> Result<Self, ArmError> {
        let fields = Fields::of(body)?;
        let requests = fields.short_texts("resourceGuardOperationRequests", MOST_REQUESTS, LONGEST_ID)?;
        let requests = requests.unwrap_or_default();
        Ok(Self {
            requests: requests.into_iter().map(str::to_owned).collect(),
            resource: fields.text("resourceToBeDeleted")?.filter(|text| !text.is_empty()).map(str::to_owned),
        })
    }
}
