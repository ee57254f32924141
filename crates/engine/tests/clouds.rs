//! The whole life of a repository in S3 and in Azure Blob storage: backup, check, restore, forget, prune.

mod common;
mod oracle;

use common::{job, secret};
use engine::prune::{PruneOptions, prune};
use engine::{
    BackupOptions, InitOptions, Portion, Reader, Repo, RestoreOptions, backup, check_data, forget, restore,
};
use jiff::{SignedDuration, Timestamp};
use oracle::{differences, plant};
use repository::{FileKind, PackId, ScryptParams};
use storage::emulators::Emulator;

async fn whole_life(emulator: Emulator) {
    emulator.create_bucket("backups").await;
    let store = emulator.open("backups").await.repository;
    let options =
        InitOptions { scrypt: ScryptParams { n: 16, r: 8, p: 1 }, ..InitOptions::new(Timestamp::UNIX_EPOCH) };
    let repo = Repo::init(store, &secret(), options).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (first, second, target) = (dir.path().join("1"), dir.path().join("2"), dir.path().join("target"));
    plant(&first, 20);
    plant(&second, 21);
    let mut saved = Vec::new();
    for source in [&first, &second] {
        let options =
            BackupOptions { source: source.clone(), time: None, hostname: "h".into(), tags: Vec::new() };
        saved.push(backup(&repo, job(), options).await.unwrap());
    }
    let all: Vec<PackId> = repo.list(FileKind::Pack).await.unwrap();

    let plan = forget::plan_ids(repo.snapshots().await.unwrap(), &[saved[0].snapshot]).unwrap();
    forget::execute(&repo, &plan, &job()).await.unwrap();
    let options = PruneOptions { longest_job: SignedDuration::ZERO, tolerated_waste: 0 };
    let pruned = prune(&repo, &options, &job()).await.unwrap();
    let report = check_data(&repo, Portion::All, &job()).await.unwrap();
    let reader = Reader::open(&repo).await.unwrap();
    let options = RestoreOptions { root: Some(saved[1].saved.root.clone()), ..RestoreOptions::default() };
    let restored = restore(&reader, saved[1].saved.tree, &target, options, &job()).await.unwrap();

    assert!(!pruned.deleted.is_empty() && pruned.deleted.iter().all(|pack| all.contains(pack)));
    assert_eq!((&report.problems[..], report.unreferenced_packs), (&[][..], 0));
    assert_eq!(restored.problems, []);
    assert_eq!(differences(&second, &target), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_lives_in_s3() {
    whole_life(Emulator::moto().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_lives_in_azure_blob_storage() {
    whole_life(Emulator::azurite().await).await;
}
