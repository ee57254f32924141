//! Makes a whole recovery point of what was captured: the root directory and its manifest.

use crate::record::small_file;
use crate::{CaptureError, Captured, problems};
use engine::{FileContent, Metadata, Node, TreeId, Writer};
use protection::point::{BackupIdentity, FORMAT_VERSION, MANIFEST, Manifest, VolumeRecord};
use protection::{Problem, RecoveryPointId};
use std::collections::{BTreeMap, BTreeSet};

/// Whose recovery point it is.
#[derive(Debug, Clone)]
pub struct PointIdentity {
    /// The recovery point.
    pub recovery_point: RecoveryPointId,
    /// The `Backup` object.
    pub backup: BackupIdentity,
    /// The backup instance.
    pub instance: String,
    /// The `Backup` object's spec.
    pub selection: serde_json::Value,
}

/// The data of one file-copied volume, already in the repository.
#[derive(Debug, Clone)]
pub struct VolumeContent {
    /// Namespace of the claim.
    pub namespace: String,
    /// Name of the claim.
    pub claim: String,
    /// What was copied.
    pub data: VolumeData,
}

/// What was copied of a volume.
#[derive(Debug, Clone)]
pub enum VolumeData {
    /// Its files.
    Files {
        /// The entries of its root directory.
        tree: TreeId,
        /// Owner, mode, times and attributes of the root directory itself.
        meta: Metadata,
    },
    /// Its blocks.
    Blocks(FileContent),
}

/// A whole recovery point: what the commit names.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The root directory.
    pub root: TreeId,
    /// What `/manifest.json` says.
    pub manifest: Manifest,
}

/// Writes the manifest and the root directory. `volumes` says what became of each claim, `contents` holds the
/// file copies among them, `more` is what else went wrong. A captured claim that `volumes` does not know
/// becomes a warning.
pub async fn assemble(
    writer: &Writer,
    identity: PointIdentity,
    captured: Captured,
    volumes: Vec<VolumeRecord>,
    contents: Vec<VolumeContent>,
    more: Vec<Problem>,
) -> Result<Assembled, CaptureError> {
    let late = late_claims(&captured, &volumes);
    let PointIdentity { recovery_point, backup, instance, selection } = identity;
    let Captured { resources, cluster, started, completed, lists, counts, bytes, problems, .. } = captured;
    let manifest = Manifest {
        format_version: FORMAT_VERSION.to_owned(),
        recovery_point,
        backup,
        instance,
        started,
        completed,
        cluster,
        writer: concat!("cofferdam ", env!("CARGO_PKG_VERSION")).to_owned(),
        selection,
        lists,
        counts,
        bytes,
        volumes,
        problems: problems.into_iter().chain(late).chain(more).collect(),
    };
    let text =
        serde_json::to_vec_pretty(&manifest).map_err(|error| CaptureError::Internal(error.to_string()))?;
    let mut nodes = vec![
        Node::file(MANIFEST, &small_file(writer, &text).await?, started),
        Node::dir("resources", resources, started),
    ];
    if !contents.is_empty() {
        nodes.push(Node::dir("volumes", volume_tree(writer, contents, started).await?, started));
    }
    Ok(Assembled { root: writer.tree(nodes).await?, manifest })
}

fn late_claims(captured: &Captured, volumes: &[VolumeRecord]) -> Vec<Problem> {
    let known: BTreeSet<(&str, &str)> =
        volumes.iter().map(|record| (record.namespace.as_str(), record.claim.as_str())).collect();
    let late = captured
        .claims
        .iter()
        .filter(|claim| !known.contains(&(claim.namespace.as_str(), claim.name.as_str())));
    late.map(|claim| problems::claim_came_late(claim.target())).collect()
}

async fn volume_tree(
    writer: &Writer,
    contents: Vec<VolumeContent>,
    time: jiff::Timestamp,
) -> Result<TreeId, CaptureError> {
    let mut namespaces: BTreeMap<String, Vec<Node>> = BTreeMap::new();
    for VolumeContent { namespace, claim, data } in contents {
        let node = match data {
            VolumeData::Files { tree, meta } => Node { meta, ..Node::dir(&claim, tree, time) },
            VolumeData::Blocks(content) => Node::file(&format!("{claim}.img"), &content, time),
        };
        namespaces.entry(namespace).or_default().push(node);
    }
    let mut nodes = Vec::new();
    for (namespace, claims) in namespaces {
        nodes.push(Node::dir(&namespace, writer.tree(claims).await?, time));
    }
    Ok(writer.tree(nodes).await?)
}
