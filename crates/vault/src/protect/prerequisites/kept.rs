//! What is kept of an instance's prerequisites between two looks.

use super::{
    changes::{Standings, merged},
    row::Row,
};
use crate::store::{StoreError, Work};
use arm::ResourceId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is kept of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// When it is looked at next.
    pub next: Timestamp,
    /// When it has its turn, where others that are due come before it.
    #[serde(default)]
    pub(super) place: Option<Timestamp>,
    /// When it was last looked at.
    #[serde(default)]
    pub looked_at: Option<Timestamp>,
    /// When its cluster last answered.
    #[serde(default)]
    pub answered_at: Option<Timestamp>,
    /// Why the cluster was not asked, or did not answer.
    #[serde(default)]
    pub why: Option<String>,
    /// What the vault saw.
    #[serde(default)]
    pub vault: Vec<Row>,
    /// What the cluster saw.
    #[serde(default)]
    pub cluster: Vec<Row>,
    /// What failed lately.
    #[serde(default)]
    pub standings: Standings,
    /// The question that is under way.
    #[serde(default)]
    pub(super) round: Option<Round>,
    /// Rounds in a row that the extension left unanswered.
    #[serde(default)]
    pub(super) silent: u32,
    /// The cluster that was asked last.
    #[serde(default)]
    pub(super) asked: Option<ResourceId>,
    /// Names of questions that could not be taken back.
    #[serde(default)]
    pub(super) left: Vec<String>,
}

/// A question under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Round {
    pub name: String,
    pub began: Timestamp,
    #[serde(default)]
    pub made_at: Option<Timestamp>,
}

impl Kept {
    pub(super) fn first(next: Timestamp) -> Self {
        Self {
            next,
            place: None,
            looked_at: None,
            answered_at: None,
            why: None,
            vault: Vec::new(),
            cluster: Vec::new(),
            standings: Standings::new(),
            round: None,
            silent: 0,
            asked: None,
            left: Vec::new(),
        }
    }

    /// All checks, the worst first.
    pub fn rows(&self, now: Timestamp) -> Vec<Row> {
        let unasked = match (&self.why, self.answered_at) {
            (Some(why), _) => why,
            (None, Some(_)) => "The cluster's extension does not look at it.",
            (None, None) => "The cluster has not been asked yet.",
        };
        merged(&self.vault, &self.cluster, unasked, self.looked_at.unwrap_or(now))
    }

    /// Whether nobody looks at this any more: the cluster answered, and neither it nor the vault lists it.
    pub(super) fn is_unlisted(&self, id: &str) -> bool {
        let has_answered = self.answered_at.is_some() && self.why.is_none();
        has_answered && !self.vault.iter().chain(&self.cluster).any(|row| row.id == id)
    }

    /// The cluster could not be asked, or did not answer.
    pub(super) fn unasked(&mut self, why: String, now: Timestamp) {
        self.cluster = self.cluster.iter().map(|row| row.not_seen_again(&why, now)).collect();
        self.why = Some(why);
        self.round = None;
    }
}

/// Reads it from its work.
pub(super) fn read(work: &Work) -> Result<Kept, StoreError> {
    serde_json::from_value(work.document.clone())
        .map_err(|error| StoreError::Damaged(format!("work {}: {error}", work.id)))
}

/// Writes it.
pub(super) fn document(kept: &Kept) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(kept).map_err(|error| StoreError::Damaged(error.to_string()))
}
