//! `cofferdam recovery-point`: see what recovery points hold.

mod browse;
mod diff;
mod download;
mod export;
mod list;
mod managed;

use crate::{
    cluster::ClusterArgs,
    commands::location::locations,
    exit::{Failure, Outcome},
    output::Format,
};
use clap::{Args, Subcommand};
use engine::{EngineError, Repo};
use extension::{
    grants::GrantPurpose,
    locations::{Access, LocationError},
    points::{self, OpenPoint},
};
use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

#[derive(Debug, Subcommand)]
pub enum RecoveryPointCommand {
    /// List the recovery points of a location, or with --vault-name those of an instance of a vault
    List(list::ListArgs),
    /// Show one recovery point of an instance of a vault
    Show(managed::ShowArgs),
    /// Show what a recovery point holds, down to one object or the files of a volume
    Browse(browse::BrowseArgs),
    /// Write a recovery point, or a part of it, to a directory
    Download(download::DownloadArgs),
    /// Write the objects of a recovery point as manifests that `kubectl apply` accepts
    Export(export::ExportArgs),
    /// Show how two recovery points differ
    Diff(diff::DiffArgs),
}

/// Where recovery points are read from.
#[derive(Debug, Args)]
pub struct From {
    /// Storage location
    #[arg(long, default_value = "default", value_name = "NAME")]
    location: String,
}

pub async fn run(command: RecoveryPointCommand, cluster: &ClusterArgs, format: Format) -> Outcome {
    match command {
        RecoveryPointCommand::List(args) => list::run(args, cluster, format).await,
        RecoveryPointCommand::Show(args) => managed::show(args, cluster, format).await,
        RecoveryPointCommand::Browse(args) => browse::run(args, cluster, format).await,
        RecoveryPointCommand::Download(args) => download::run(args, cluster, format).await,
        RecoveryPointCommand::Export(args) => export::run(args, cluster, format).await,
        RecoveryPointCommand::Diff(args) => diff::run(args, cluster, format).await,
    }
}

impl From {
    /// The repository, opened with the person's own rights in the cluster.
    async fn repo(&self, cluster: &ClusterArgs) -> Result<Repo, Failure> {
        let client = cluster.client().await?;
        let locations = locations(&client, &cluster.namespace).await?;
        Ok(locations.open(&self.location, Access::Read, &GrantPurpose::Upkeep).await?.repo)
    }

    /// The repository, or nothing when no backup has created it yet.
    async fn repo_if_created(&self, cluster: &ClusterArgs) -> Result<Option<Repo>, Failure> {
        let client = cluster.client().await?;
        let locations = locations(&client, &cluster.namespace).await?;
        match locations.open(&self.location, Access::Read, &GrantPurpose::Upkeep).await {
            Ok(open) => Ok(Some(open.repo)),
            Err(LocationError::Engine(EngineError::NotARepository { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// One recovery point; the beginning of its id suffices when it is unambiguous.
    async fn point(&self, cluster: &ClusterArgs, id: &str) -> Result<OpenPoint, Failure> {
        let repo = self.repo(cluster).await?;
        open(&repo, id, &self.location).await
    }
}

async fn open(repo: &Repo, id: &str, location: &str) -> Result<OpenPoint, Failure> {
    if id.is_empty() {
        return Err(
            Failure::usage("the id of the recovery point is empty").next("Write it, or its beginning.")
        );
    }
    let mut found = points::list(repo).await?;
    found.retain(|point| point.id.starts_with(id));
    let exact = found.iter().position(|point| point.id == id);
    let position = match (exact, found.len()) {
        (Some(position), _) => position,
        (None, 1) => 0,
        (None, 0) => {
            return Err(Failure::precondition(format!(
                "there is no recovery point {id} in location {location}"
            ))
            .next(format!("See what there is: `cofferdam recovery-point list --location {location}`.")));
        }
        (None, several) => {
            return Err(Failure::precondition(format!("{several} recovery points begin with {id}"))
                .next("Write more of the id."));
        }
    };
    let point = found.swap_remove(position);
    Ok(OpenPoint::open(repo, point).await?)
}

/// Makes sure that the directory is there and empty. It is its owner's alone, for recovery points hold Secrets in the
/// clear.
fn empty_directory(path: &Path) -> Result<(), Failure> {
    let fail = |error: std::io::Error| {
        Failure::precondition(format!("could not use {}: {error}", path.display()))
            .next("Name another directory, or correct its permissions.")
    };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
    match std::fs::read_dir(path).map_err(fail)?.next() {
        None => Ok(()),
        Some(_) => {
            Err(Failure::precondition(format!("{} is not empty; nothing was written", path.display()))
                .next("Name a directory that does not exist yet."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_files_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a"), "").unwrap();

        let used = empty_directory(directory.path()).unwrap_err();

        assert_eq!(used.exit.code(), 5, "{used}");
        assert!(empty_directory(&directory.path().join("new")).is_ok());
    }
}
