//! One object of a plan or of a result: what happens to it, how sure that is, and why.

use crate::item::Place;
use crate::order::Stage;
use protection::Problem;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::sync::Arc;

/// What happens to an object.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// It does not exist and is created.
    Create,
    /// It exists and is changed in these fields.
    Patch {
        /// Paths of the fields.
        fields: Vec<String>,
    },
    /// It exists and is deleted and created anew.
    Replace {
        /// Paths of the fields that differ.
        fields: Vec<String>,
    },
    /// It exists and is as in the recovery point.
    Unchanged,
    /// It exists, differs in these fields, and stays as it is.
    Skip {
        /// Paths of the fields.
        fields: Vec<String>,
    },
    /// It exists and serves others too; it differs in these fields and stays as it is.
    SharedLeftAlone {
        /// Paths of the fields.
        fields: Vec<String>,
    },
    /// A claim of this name exists: its data was not restored.
    DataNotRestored,
    /// It is not restored, because a controller makes it or because it must not be.
    Leave {
        /// Why, as a sentence.
        why: String,
    },
    /// It cannot be restored.
    Blocked(Box<Problem>),
}

/// How an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Did not exist and was created.
    Created,
    /// Existed and was changed or replaced.
    Updated,
    /// Existed, differs, and was left alone.
    Skipped,
    /// Existed and already was as in the recovery point.
    Unchanged,
    /// Could not be restored, or not with its data.
    Failed,
    /// Left to a controller, or never restored.
    Left,
}

impl Action {
    /// How an object to which this happens ends.
    pub fn ending(&self) -> Ending {
        match self {
            Self::Create => Ending::Created,
            Self::Patch { .. } | Self::Replace { .. } => Ending::Updated,
            Self::Unchanged => Ending::Unchanged,
            Self::Skip { .. } | Self::SharedLeftAlone { .. } => Ending::Skipped,
            Self::DataNotRestored | Self::Blocked(_) => Ending::Failed,
            Self::Leave { .. } => Ending::Left,
        }
    }

    /// The word for it in plans and results.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Patch { .. } => "patch",
            Self::Replace { .. } => "replace",
            Self::Unchanged => "unchanged",
            Self::Skip { .. } => "skip",
            Self::SharedLeftAlone { .. } => "sharedLeftAlone",
            Self::DataNotRestored => "dataNotRestored",
            Self::Leave { .. } => "leave",
            Self::Blocked(_) => "blocked",
        }
    }

    /// The fields that it changes or leaves different.
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Patch { fields }
            | Self::Replace { fields }
            | Self::Skip { fields }
            | Self::SharedLeftAlone { fields } => fields,
            _ => &[],
        }
    }

    pub(crate) fn blocked(problem: Problem) -> Self {
        Self::Blocked(Box::new(problem))
    }
}

/// How sure a row of a plan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The API server was asked and answered.
    ByServer,
    /// Only the restore itself will tell.
    NotCheckable {
        /// Why.
        reason: String,
    },
    /// Nothing is written, so nothing had to be checked.
    NothingToCheck,
}

/// One object.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where it stands in the target.
    pub place: Place,
    /// Its original namespace.
    pub original_namespace: Option<Arc<str>>,
    /// The stage in which its turn comes.
    pub stage: Stage,
    /// What happens to it.
    pub action: Action,
    /// How sure that is; in a result, that the server did it.
    pub checked: Checked,
    /// Whether its volume data comes with it.
    pub with_data: bool,
    /// What else the person should know.
    pub notes: Vec<Problem>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("apiVersion", &self.place.kind.api_version())?;
        map.serialize_entry("kind", &self.place.kind.kind)?;
        map.serialize_entry("resource", &self.place.kind.group_resource())?;
        if let Some(namespace) = &self.place.namespace {
            map.serialize_entry("namespace", &**namespace)?;
        }
        map.serialize_entry("name", &*self.place.name)?;
        if let Some(original) =
            self.original_namespace.as_ref().filter(|one| Some(*one) != self.place.namespace.as_ref())
        {
            map.serialize_entry("originalNamespace", &**original)?;
        }
        map.serialize_entry("stage", &self.stage)?;
        map.serialize_entry("action", self.action.word())?;
        map.serialize_entry("ending", &self.action.ending())?;
        if !self.action.fields().is_empty() {
            map.serialize_entry("fields", self.action.fields())?;
        }
        match &self.action {
            Action::Leave { why } => map.serialize_entry("reason", why)?,
            Action::Blocked(problem) => map.serialize_entry("problem", problem)?,
            _ => {}
        }
        if self.with_data {
            map.serialize_entry("withData", &true)?;
        }
        match &self.checked {
            Checked::ByServer => map.serialize_entry("checked", "by the server")?,
            Checked::NotCheckable { reason } => {
                map.serialize_entry("checked", &format!("not checkable: {reason}"))?;
            }
            Checked::NothingToCheck => {}
        }
        if !self.notes.is_empty() {
            map.serialize_entry("notes", &self.notes)?;
        }
        map.end()
    }
}
