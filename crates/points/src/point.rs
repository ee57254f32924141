//! Recovery points in a repository: found by the tags of their snapshots, opened for reading.

use bytes::Bytes;
use engine::{EngineError, Node, Reader, Repo, Snapshot, SnapshotId};
use jiff::Timestamp;
use protection::point::{FORMAT_VERSION, INDEX, IndexEntry, MANIFEST, Manifest};
use serde::Serialize;

/// Tag: id of the recovery point.
pub const TAG_POINT: &str = "recovery-point";
/// Tag: UID of the `Backup` object.
pub const TAG_BACKUP: &str = "backup-uid";
/// Tag: UID of the cluster's `kube-system`.
pub const TAG_CLUSTER: &str = "cluster";
/// Tag: backup instance.
pub const TAG_INSTANCE: &str = "instance";

/// A recovery point as its snapshot file describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Point {
    /// Its id.
    pub id: String,
    /// Its backup instance.
    pub instance: String,
    /// When the backup began.
    pub time: Timestamp,
    /// The cluster it came from.
    pub cluster: String,
    /// The UID of the `Backup` object.
    pub backup_uid: String,
    /// Bytes of its objects and copied files; what volume snapshots hold lies in the storage system.
    pub bytes: Option<u64>,
    /// Bytes that it added to the repository; the rest was there already.
    pub stored: Option<u64>,
    /// The snapshot in the repository.
    pub snapshot: String,
    #[serde(skip)]
    file: (SnapshotId, Snapshot),
}

impl Point {
    /// The recovery point behind a snapshot; other snapshots of the repository are none.
    fn from(id: SnapshotId, snapshot: Snapshot) -> Option<Self> {
        let tag = |key: &str| snapshot.tag(key).unwrap_or_default().to_owned();
        Some(Self {
            id: snapshot.tag(TAG_POINT)?.to_owned(),
            instance: tag(TAG_INSTANCE),
            time: snapshot.time,
            cluster: tag(TAG_CLUSTER),
            backup_uid: tag(TAG_BACKUP),
            bytes: snapshot.summary.as_ref().map(|summary| summary.total_bytes_processed),
            stored: snapshot.summary.as_ref().map(|summary| summary.data_added_packed),
            snapshot: id.to_string(),
            file: (id, snapshot),
        })
    }

    /// The snapshot's id in the repository.
    pub fn snapshot_id(&self) -> SnapshotId {
        self.file.0
    }

    /// The snapshot file.
    pub fn snapshot_file(&self) -> &Snapshot {
        &self.file.1
    }
}

/// All recovery points, oldest first.
pub async fn list(repo: &Repo) -> Result<Vec<Point>, EngineError> {
    let snapshots = repo.snapshots().await?;
    Ok(snapshots.into_iter().filter_map(|(id, snapshot)| Point::from(id, snapshot)).collect())
}

/// The recovery point with this id.
pub async fn find(repo: &Repo, id: &str) -> Result<Option<Point>, EngineError> {
    Ok(list(repo).await?.into_iter().find(|point| point.id == id))
}

/// The recovery point that the `Backup` object with this UID made.
pub async fn of_backup(repo: &Repo, uid: &str) -> Result<Option<Point>, EngineError> {
    Ok(list(repo).await?.into_iter().find(|point| point.backup_uid == uid))
}

/// A recovery point open for reading.
#[derive(Debug, Clone)]
pub struct OpenPoint {
    /// The recovery point.
    pub point: Point,
    /// Reads its repository.
    pub reader: Reader,
}

/// Why a recovery point cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    /// The repository failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file that every recovery point has is missing.
    #[error("recovery point {point} has no {path}; run `cofferdam repository check` to see what is affected")]
    Missing {
        /// The recovery point.
        point: String,
        /// The path.
        path: String,
    },
    /// A file does not have the expected shape.
    #[error("{path} in recovery point {point} cannot be understood: {cause}")]
    Malformed {
        /// The recovery point.
        point: String,
        /// The path.
        path: String,
        /// The parser's complaint.
        cause: String,
    },
    /// It was written by a newer version.
    #[error(
        "recovery point {point} has format {found}; this version reads {FORMAT_VERSION}: use a newer Cofferdam"
    )]
    TooNew {
        /// The recovery point.
        point: String,
        /// Its format version.
        found: String,
    },
}

impl OpenPoint {
    /// Opens a recovery point.
    pub async fn open(repo: &Repo, point: Point) -> Result<Self, EngineError> {
        Ok(Self { point, reader: Reader::open(repo).await? })
    }

    /// What, when, which cluster, counts, volumes and warnings.
    pub async fn manifest(&self) -> Result<Manifest, PointError> {
        let bytes = self.file(MANIFEST).await?;
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| self.malformed(MANIFEST, &error))?;
        if manifest.format_version != FORMAT_VERSION {
            return Err(PointError::TooNew { point: self.point.id.clone(), found: manifest.format_version });
        }
        Ok(manifest)
    }

    /// One entry per object.
    pub async fn index(&self) -> Result<Vec<IndexEntry>, PointError> {
        let bytes = self.file(INDEX).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.malformed(INDEX, &error))
    }

    /// The stored bytes of one object.
    pub async fn object(&self, entry: &IndexEntry) -> Result<Bytes, PointError> {
        let path = entry.list_path();
        let node = self.node(&path).await?;
        Ok(self.reader.read(&node, entry.offset..entry.offset.saturating_add(entry.length)).await?)
    }

    /// A whole file of the recovery point.
    pub async fn file(&self, path: &str) -> Result<Bytes, PointError> {
        let node = self.node(path).await?;
        let size = node.content().map(|content| content.size).unwrap_or_default();
        Ok(self.reader.read(&node, 0..size).await?)
    }

    /// The entry at `path`.
    async fn node(&self, path: &str) -> Result<Node, PointError> {
        let mut tree = self.point.snapshot_file().tree;
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        for (position, name) in names.iter().enumerate() {
            let found = self.reader.tree(tree).await?.find(name.as_bytes()).cloned();
            match found {
                Some(node) if position + 1 == names.len() => return Ok(node),
                Some(node) => tree = node.subtree().ok_or_else(|| self.missing(path))?,
                None => return Err(self.missing(path)),
            }
        }
        Err(self.missing(path))
    }

    fn missing(&self, path: &str) -> PointError {
        PointError::Missing { point: self.point.id.clone(), path: path.to_owned() }
    }

    fn malformed(&self, path: &str, error: &serde_json::Error) -> PointError {
        PointError::Malformed {
            point: self.point.id.clone(),
            path: path.to_owned(),
            cause: error.to_string(),
        }
    }
}
