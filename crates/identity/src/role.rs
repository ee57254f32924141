//! Role definitions: named sets of permissions.

use crate::action::{Action, ActionPattern};
use serde::{Deserialize, Serialize};

/// The GUID of a role definition, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoleId(String);

impl RoleId {
    /// The id, whatever its case.
    pub fn new(guid: &str) -> Self {
        Self(guid.to_lowercase())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is granted, less what is taken out of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Permission {
    /// Granted actions.
    pub actions: Vec<ActionPattern>,
    /// Those of them that are not granted after all.
    pub not_actions: Vec<ActionPattern>,
    /// Granted actions on data.
    pub data_actions: Vec<ActionPattern>,
    /// Those of them that are not granted after all.
    pub not_data_actions: Vec<ActionPattern>,
}

/// A role that can be assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its id.
    pub id: RoleId,
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What it grants: the sum of all.
    pub permissions: Vec<Permission>,
}

impl RoleDefinition {
    /// Whether it grants an action. What one permission takes out, another may still grant.
    pub fn grants(&self, action: &Action) -> bool {
        self.permissions.iter().any(|permission| permission.grants(action))
    }
}

impl Permission {
    fn grants(&self, action: &Action) -> bool {
        let (granted, withheld) = match action.is_data {
            true => (&self.data_actions, &self.not_data_actions),
            false => (&self.actions, &self.not_actions),
        };
        let names = |patterns: &[ActionPattern]| patterns.iter().any(|pattern| pattern.matches(&action.name));
        names(granted) && !names(withheld)
    }
}
