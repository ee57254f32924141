//! The owner marker: which cluster may write into a location, so that two clusters never share one by accident.

use crate::{Store, StoreError, StoreErrorKind, StorePath, location::REPOSITORY_FOLDER};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The marker's name, beside the repository's folder.
pub const OWNER_FILE: &str = "cofferdam-owner.json";
/// What the names of probe objects begin with; they lie beside the marker and mean nothing.
pub const PROBE_PREFIX: &str = "cofferdam-probe-";
/// How many unrelated names a survey shows.
const NAMES_SHOWN: usize = 10;

/// The content of the marker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerMarker {
    /// Always `cofferdam`.
    pub product: String,
    /// The UID of the owning cluster's namespace `kube-system`.
    pub cluster: String,
    /// When the location was claimed.
    pub created: Timestamp,
}

/// Whose a location is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// The asking cluster's: it may write.
    OwnedBySelf,
    /// Another cluster's: only reading is allowed.
    OwnedByOther {
        /// That cluster's UID.
        cluster: String,
    },
    /// Nobody's yet.
    Unowned,
}

/// What lies in a location before anything is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The marker, if there is one.
    pub owner: Option<OwnerMarker>,
    /// Whether the repository's folder exists.
    pub has_repository: bool,
    /// Names that are not ours, at most ten; a folder ends with `/`.
    pub unrelated: Vec<String>,
    /// Whether there are more unrelated names than shown.
    pub more_unrelated: bool,
}

impl Survey {
    /// Whether nothing at all is there.
    pub fn is_empty(&self) -> bool {
        self.owner.is_none() && !self.has_repository && self.unrelated.is_empty()
    }
}

/// Makes `cluster` the owner unless somebody is already; returns who owns the location afterwards.
pub async fn claim(root: &dyn Store, cluster: &str, now: Timestamp) -> Result<Ownership, StoreError> {
    let found = verify(root, cluster).await?;
    if found != Ownership::Unowned {
        return Ok(found);
    }
    let marker = OwnerMarker { product: "cofferdam".into(), cluster: cluster.into(), created: now };
    let text = serde_json::to_vec_pretty(&marker).map_err(|error| {
        StoreError::new(
            "create",
            format!("{OWNER_FILE} in {}", root.describe()),
            StoreErrorKind::Other,
            error.to_string(),
        )
    })?;
    match root.create(&path(OWNER_FILE)?, text.into()).await {
        // Somebody was faster: theirs counts.
        Err(error) if error.kind == StoreErrorKind::Exists => verify(root, cluster).await,
        Err(error) => Err(error),
        Ok(()) => Ok(Ownership::OwnedBySelf),
    }
}

/// Asks the store whether it takes a write, and leaves nothing behind: the marker is created once more with its own
/// content, which changes nothing. Without a marker nothing is asked.
pub async fn may_write(root: &dyn Store) -> Result<(), StoreError> {
    let path = path(OWNER_FILE)?;
    match root.read(&path).await {
        Ok(marker) => root.create(&path, marker).await,
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whose the location is, seen from `cluster`.
pub async fn verify(root: &dyn Store, cluster: &str) -> Result<Ownership, StoreError> {
    Ok(match read(root).await? {
        None => Ownership::Unowned,
        Some(marker) if marker.cluster == cluster => Ownership::OwnedBySelf,
        Some(marker) => Ownership::OwnedByOther { cluster: marker.cluster },
    })
}

/// Looks at the top level of a location without writing anything.
pub async fn survey(root: &dyn Store) -> Result<Survey, StoreError> {
    let folder = format!("{REPOSITORY_FOLDER}/");
    let names = root.top_level(NAMES_SHOWN + 3).await?;
    let has_repository = names.contains(&folder);
    let ours = |name: &String| *name == folder || name == OWNER_FILE || name.starts_with(PROBE_PREFIX);
    let mut unrelated: Vec<String> = names.into_iter().filter(|name| !ours(name)).collect();
    let more_unrelated = unrelated.len() > NAMES_SHOWN;
    unrelated.truncate(NAMES_SHOWN);
    Ok(Survey { owner: read(root).await?, has_repository, unrelated, more_unrelated })
}

async fn read(root: &dyn Store) -> Result<Option<OwnerMarker>, StoreError> {
    let text = match root.read(&path(OWNER_FILE)?).await {
        Ok(text) => text,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let broken = |cause: String| {
        StoreError::new(
            "read",
            format!("{OWNER_FILE} in {}", root.describe()),
            StoreErrorKind::Corrupt,
            cause,
        )
        .with_remedy("Find out who owns the location, then write the marker anew or delete it.")
    };
    let marker: OwnerMarker = serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
    if marker.product != "cofferdam" {
        return Err(broken(format!("it was written by {:?}", marker.product)));
    }
    Ok(Some(marker))
}

fn path(name: &str) -> Result<StorePath, StoreError> {
    StorePath::parse(name)
        .map_err(|bad| StoreError::new("open", name, StoreErrorKind::Other, bad.to_string()))
}
