//! What Debian's restic is too old for, proved against `rustic_core`: link targets that are not UTF-8.

#[path = "../../../crates/engine/tests/common/mod.rs"]
mod common;

use common::trees::{Flavour, differences, plant};
use common::{PASSWORD, World, job};
use engine::{BackupOptions, Reader, RestoreOptions, backup};
use rustic_backend::BackendOptions;
use rustic_core::{
    BackupOptions as TheirOptions, Credentials, LocalDestination, LsOptions, PathList, Repository,
    RepositoryOptions, RestoreOptions as TheirRestore, SnapshotOptions,
};
use std::path::Path;

const RAW: Flavour = Flavour { raw_link_targets: true };

fn has_raw_target(folder: &Path) -> bool {
    let found = std::process::Command::new("find").arg(folder).args(["-lname", "gone/*"]).output().unwrap();
    !found.stdout.is_empty()
}

/// A seed whose tree holds a raw link target, planted in `folder`.
fn plant_raw(folder: &Path, first_seed: u64) {
    for seed in first_seed..first_seed + 100 {
        plant(folder, seed, RAW);
        if has_raw_target(folder) {
            return;
        }
        std::fs::remove_dir_all(folder).unwrap();
        std::fs::create_dir(folder).unwrap();
    }
    panic!("no seed plants a raw link target");
}

fn open_theirs(repo: &Path) -> Repository<rustic_core::OpenStatus> {
    let backends = BackendOptions::default().repository(repo.to_str().unwrap()).to_backends().unwrap();
    let options = RepositoryOptions::default().no_cache(true);
    Repository::new(&options, &backends).unwrap().open(&Credentials::password(PASSWORD)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rustic_restores_our_raw_link_targets() {
    let world = World::new().await;
    let (source, restored) = (world.folder("source"), world.folder("restored"));
    plant_raw(&source, 100);
    let options =
        BackupOptions { source: source.clone(), time: None, hostname: "test".into(), tags: Vec::new() };
    backup(&world.repo, job(), options).await.unwrap();
    let (repo_dir, target) = (world.repo_dir(), restored.clone());

    let theirs = move || {
        let repo = open_theirs(&repo_dir).to_indexed().unwrap();
        let root = repo.node_from_snapshot_path("latest", |_| true).unwrap();
        let nodes = repo.ls(&root, &LsOptions::default()).unwrap();
        let destination = LocalDestination::new(target.to_str().unwrap(), true, false).unwrap();
        let options = TheirRestore::default();
        let plan = repo.prepare_restore(&options, nodes.clone(), &destination, false).unwrap();
        repo.restore(plan, &options, nodes, &destination).unwrap();
    };
    tokio::task::spawn_blocking(theirs).await.unwrap();

    assert!(has_raw_target(&restored));
    assert_eq!(differences(&source, &restored), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn we_restore_raw_link_targets_of_rustic() {
    let world = World::new().await;
    let (source, restored) = (world.folder("source"), world.folder("restored"));
    plant_raw(&source, 200);
    let (repo_dir, from) = (world.repo_dir(), source.clone());
    let theirs = move || {
        let repo = open_theirs(&repo_dir).to_indexed_ids().unwrap();
        let snapshot = SnapshotOptions::default().to_snapshot().unwrap();
        let paths = PathList::from_string(from.to_str().unwrap()).unwrap();
        let options = TheirOptions::default().as_path(Path::new("/").to_path_buf());
        repo.backup(&options, &paths, snapshot).unwrap();
    };
    tokio::task::spawn_blocking(theirs).await.unwrap();

    let snapshot = world.repo.snapshots().await.unwrap().pop().unwrap().1;
    let reader = Reader::open(&world.repo).await.unwrap();
    engine::restore(&reader, snapshot.tree, &restored, RestoreOptions::default(), &job()).await.unwrap();

    assert!(has_raw_target(&restored));
    assert_eq!(differences(&source, &restored), [""; 0]);
}
