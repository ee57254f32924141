//! `cofferdam recovery-point browse`: from the whole down to one object or the files of a volume.

use super::From;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::Listed;
use extension::points::OpenPoint;
use futures::TryStreamExt;
use protection::point::{IndexEntry, VolumeProtection, VolumeRecord, resource_folder};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Debug, Args)]
pub struct BrowseArgs {
    /// Id of the recovery point, or its beginning
    id: String,
    /// `resource.group` lists objects, `resource.group/[namespace/]name` prints one,
    /// `volumes/namespace/claim` lists copied files
    path: Option<String>,
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview {
    manifest: Value,
    objects: Vec<Count>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Count {
    resource: String,
    namespace: Option<String>,
    count: u64,
}

pub async fn run(args: BrowseArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let point = args.from.point(cluster, &args.id).await?;
    match args.path.as_deref().map(|path| path.trim_matches('/')) {
        None | Some("") => overview(&point, format).await?,
        Some(path) if path == "volumes" || path.starts_with("volumes/") => {
            files(&point, path, format).await?
        }
        Some(path) => objects(&point, path, format).await?,
    }
    Ok(Exit::Done)
}

async fn overview(point: &OpenPoint, format: Format) -> Result<(), Failure> {
    let manifest = point.manifest().await?;
    let mut counts: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
    for entry in point.index().await? {
        *counts.entry((resource_folder(&entry.resource, &entry.group), entry.namespace)).or_default() += 1;
    }
    let objects = counts
        .into_iter()
        .map(|((resource, namespace), count)| Count { resource, namespace, count })
        .collect();
    let value = serde_json::to_value(&manifest).map_err(Failure::failed)?;
    output::print(format, &Overview { manifest: value, objects }, |overview| {
        let rows = overview.objects.iter().map(|row| {
            [
                row.resource.clone(),
                row.namespace.clone().unwrap_or_else(|| "-".to_owned()),
                row.count.to_string(),
            ]
        });
        let volumes = manifest.volumes.iter().map(|volume| {
            [
                format!("{}/{}", volume.namespace, volume.claim),
                output::bytes(volume.capacity),
                protection(volume),
            ]
        });
        format!(
            "recovery point {} of instance {}\nbackup {} in cluster {} (Kubernetes {})\n{} to {}\n\n{}\n\n{}",
            manifest.recovery_point,
            manifest.instance,
            manifest.backup.name,
            manifest.cluster.uid,
            manifest.cluster.kubernetes_version,
            manifest.started,
            manifest.completed,
            output::table(["resource", "namespace", "objects"], rows),
            output::table(["volume", "size", "protected by"], volumes),
        )
    })
}

fn protection(volume: &VolumeRecord) -> String {
    match &volume.protection {
        VolumeProtection::Snapshot { handle, .. } => format!("snapshot {handle}"),
        VolumeProtection::Files { files, bytes, .. } => format!("{files} files, {}", output::bytes(*bytes)),
        VolumeProtection::None { code, reason } => format!("nothing: {reason} ({code})"),
    }
}

/// `resource.group`, `resource.group/name` or `resource.group/namespace/name`.
async fn objects(point: &OpenPoint, path: &str, format: Format) -> Result<(), Failure> {
    let parts: Vec<&str> = path.split('/').collect();
    let (resource, namespace, name) = match parts.as_slice() {
        [resource] => (*resource, None, None),
        [resource, name] => (*resource, None, Some(*name)),
        [resource, namespace, name] => (*resource, Some(*namespace), Some(*name)),
        _ => {
            return Err(Failure::usage(format!("{path:?} is not a path in a recovery point"))
                .next("Write resource.group, resource.group/[namespace/]name or volumes/namespace/claim."));
        }
    };
    let mut found = point.index().await?;
    found.retain(|entry| resource_folder(&entry.resource, &entry.group) == resource);
    if found.is_empty() {
        let id = &point.point.id;
        return Err(Failure::precondition(format!("recovery point {id} holds no {resource}"))
            .next(format!("See what it holds: `cofferdam recovery-point browse {id}`.")));
    }
    let Some(name) = name else {
        // `resource/namespace` would look like `resource/name`; plain listing shows both columns.
        return output::print(format, &found, |found| list(found));
    };
    let matching: Vec<&IndexEntry> = found
        .iter()
        .filter(|entry| {
            entry.name == name && (namespace.is_none() || entry.namespace.as_deref() == namespace)
        })
        .collect();
    match matching.as_slice() {
        [entry] => {
            let bytes = point.object(entry).await?;
            let object: Value = serde_json::from_slice(&bytes).map_err(Failure::failed)?;
            let format = if format == Format::Table { Format::Yaml } else { format };
            output::print(format, &object, |_| String::new())
        }
        [] => Err(Failure::precondition(format!("recovery point {} holds no {path}", point.point.id)).next(
            format!("List what it holds: `cofferdam recovery-point browse {} {resource}`.", point.point.id),
        )),
        several => Err(Failure::usage(format!("{} namespaces hold a {resource} {name}", several.len()))
            .next(format!("Name one: {resource}/NAMESPACE/{name}."))),
    }
}

fn list(entries: &[IndexEntry]) -> String {
    let rows = entries.iter().map(|entry| {
        let namespace = entry.namespace.clone().unwrap_or_else(|| "-".to_owned());
        [namespace, entry.name.clone(), entry.kind.clone(), output::bytes(entry.length)]
    });
    output::table(["namespace", "name", "kind", "size"], rows)
}

async fn files(point: &OpenPoint, path: &str, format: Format) -> Result<(), Failure> {
    let root = point.point.snapshot_file().tree;
    let node = point.reader.lookup(root, path).await?;
    let tree = node.as_ref().and_then(engine::Node::subtree).ok_or_else(|| {
        Failure::precondition(format!("recovery point {} holds no copied files under {path}", point.point.id))
            .next("Volumes that a snapshot protects have no files here; restore the claim to read them.")
    })?;
    let listed: Vec<Listed> = engine::list(&point.reader, tree).try_collect().await?;
    let rows: Vec<(String, u64)> =
        listed.iter().map(|entry| (entry.path.to_string_lossy().into_owned(), size(entry))).collect();
    output::print(format, &rows, |rows| {
        output::table(["path", "size"], rows.iter().map(|(path, size)| [path.clone(), output::bytes(*size)]))
    })
}

fn size(entry: &Listed) -> u64 {
    entry.node.content().map(|content| content.size).unwrap_or_default()
}
