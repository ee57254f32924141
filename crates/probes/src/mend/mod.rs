//! Does what `prerequisites` planned: one act at a time, each looked at once more before it is done, so that a second
//! run changes nothing that the first one has changed.

#![allow(
    clippy::result_large_err,
    reason = "an error is made once per act; boxing would make every match harder to read"
)]

mod cluster;
mod definitions;
mod marks;
mod resource_manager;

pub use definitions::definitions;

use crate::short;
use kube::Client;
use prerequisites::Action;

/// With what is worked.
#[derive(Default)]
pub struct Hands<'a> {
    /// The cluster, as whoever runs the checks.
    pub cluster: Option<&'a Client>,
    /// The resource manager.
    pub arm: Option<&'a management::Client>,
}

/// What an act came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// What was changed, a line each; nothing where all of it was so already.
    pub lines: Vec<String>,
}

/// Why an act was not done, or not to its end.
#[derive(Debug)]
pub enum Trouble {
    /// The resource manager refused, or did not answer.
    Arm(management::Error),
    /// The cluster refused, or did not answer.
    Cluster(kube::Error),
    /// Some of it was done: what, and what was not.
    Partly(Vec<String>, String),
    /// It is not any more as it was seen.
    Otherwise(String),
    /// There is nobody to do it with.
    NoHands(&'static str),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Arm(error) => write!(f, "{error}"),
            Self::Cluster(error) => f.write_str(&short(error)),
            Self::Partly(done, why) => write!(f, "{} of it was done, then: {why}", done.len()),
            Self::Otherwise(why) => f.write_str(why),
            Self::NoHands(what) => write!(f, "there is no {what} to work with"),
        }
    }
}

impl From<management::Error> for Trouble {
    fn from(error: management::Error) -> Self {
        Self::Arm(error)
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        Self::Cluster(error)
    }
}

/// Lets the API server go through with it without keeping anything: what would be changed. A resource manager has no
/// such call; for its acts there is nothing to be said.
pub async fn rehearse(hands: &Hands<'_>, action: &Action) -> Result<Option<Done>, Trouble> {
    match is_of_cluster(action) {
        true => Box::pin(cluster::act(cluster_of(hands)?, action, true)).await.map(Some),
        false => Ok(None),
    }
}

/// Does it.
pub async fn act(hands: &Hands<'_>, action: &Action) -> Result<Done, Trouble> {
    match is_of_cluster(action) {
        true => Box::pin(cluster::act(cluster_of(hands)?, action, false)).await,
        false => {
            let client = hands.arm.ok_or(Trouble::NoHands("resource manager"))?;
            Box::pin(resource_manager::act(client, action)).await
        }
    }
}

fn cluster_of<'a>(hands: &Hands<'a>) -> Result<&'a Client, Trouble> {
    hands.cluster.ok_or(Trouble::NoHands("cluster"))
}

fn is_of_cluster(action: &Action) -> bool {
    matches!(
        action,
        Action::CreateSnapshotClass { .. }
            | Action::UnlabelSnapshotClass { .. }
            | Action::RemoveMarks { .. }
            | Action::AllowPods { .. }
            | Action::DeleteDefinitions { .. }
    )
}
