//! Any flipped, missing, cut, appended or swapped byte in a store is found and named, and nothing is found without.

mod common;
mod oracle;

use common::{PASSWORD, World, job, open};
use engine::{
    CheckProblem, CheckReport, EngineError, Node, Portion, Reader, Repo, RepositorySecret, SnapshotDraft,
    Writer, check, check_data,
};
use jiff::Timestamp;
use oracle::noise;
use repository::{BlobKind, FileKind, IndexFile, IndexId, Nonce};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::faults::{Fault, FaultStore, Operation};
use storage::{LocalStore, StoreErrorKind};

/// A repository with two snapshots, so that every kind of file occurs, most of them twice.
async fn world() -> World {
    let world = World::new().await;
    for number in 0..2 {
        let writer = Writer::start(&world.repo, job()).await.unwrap();
        let mut file = writer.file();
        file.write_slice(&noise(number, 3_000)).await.unwrap();
        let node = Node::file("file", &file.finish().await.unwrap(), Timestamp::UNIX_EPOCH);
        let inner = writer.tree(vec![node]).await.unwrap();
        let root = writer.tree(vec![Node::dir("folder", inner, Timestamp::UNIX_EPOCH)]).await.unwrap();
        let draft = SnapshotDraft {
            tags: vec![format!("number={number}")],
            ..SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)
        };
        writer.commit(draft).await.unwrap();
    }
    world
}

fn files(repo: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![repo.to_path_buf()];
    while let Some(folder) = waiting.pop() {
        for child in fs::read_dir(folder).unwrap() {
            let path = child.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// What a person sees who opens the repository and checks all of it.
async fn verdict(repo: &Path) -> Result<CheckReport, EngineError> {
    let store = Arc::new(LocalStore::open(repo).await.unwrap());
    let repo = Repo::open(store, &common::secret()).await?;
    check_data(&repo, Portion::All, &job()).await
}

/// The texts of everything that was found.
async fn found(repo: &Path) -> Vec<String> {
    match verdict(repo).await {
        Ok(report) => report.problems.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Alters every file in turn, in many ways, and returns the alterations that `judge` does not lay at that file's door.
async fn unnoticed<F: Future<Output = Vec<String>>>(
    repo: &Path,
    judge: impl Fn(PathBuf) -> F,
) -> Vec<String> {
    let mut unnoticed = Vec::new();
    for path in files(repo) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 12).max(1);
        let mut defects: Vec<Vec<u8>> = (0..whole.len())
            .step_by(step)
            .chain([whole.len() - 1])
            .map(|at| {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                bytes
            })
            .collect();
        defects.extend([0, 1, whole.len() / 2, whole.len() - 1].map(|length| whole[..length].to_vec()));
        defects.push([&whole[..], b"x"].concat());
        for (number, defect) in defects.iter().enumerate() {
            overwrite(&path, defect);
            let found = judge(repo.to_path_buf()).await;
            if !found.iter().any(|text| text.contains(&name)) {
                unnoticed.push(format!("{}, defect {number}: {found:?}", path.display()));
            }
        }
        overwrite(&path, &whole);
    }
    unnoticed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_altered_byte_is_found_and_its_file_named() {
    let world = world().await;
    let repo = world.repo_dir();
    assert_eq!(found(&repo).await, Vec::<String>::new());

    assert_eq!(unnoticed(&repo, async |repo| found(&repo).await).await, Vec::<String>::new());
    assert_eq!(found(&repo).await, Vec::<String>::new());
}

/// The planted defect: a check that does not read the packs.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_reads_no_data_is_caught_not_noticing() {
    let world = world().await;
    let without_data = async |repo: PathBuf| {
        let store = Arc::new(LocalStore::open(&repo).await.unwrap());
        let checked = async { check(&Repo::open(store, &common::secret()).await?, &job()).await }.await;
        checked.map_or_else(
            |error: EngineError| vec![error.to_string()],
            |report| report.problems.iter().map(ToString::to_string).collect(),
        )
    };

    let unnoticed = unnoticed(&world.repo_dir(), without_data).await;

    assert!(!unnoticed.is_empty() && unnoticed.iter().all(|one| one.contains("/data/")), "{unnoticed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_files_are_found() {
    let world = world().await;
    let repo = world.repo_dir();

    for path in files(&repo) {
        let relative = path.strip_prefix(&repo).unwrap().to_str().unwrap().to_owned();
        if relative.starts_with("snapshots/") {
            continue; // Nothing in a store tells that a snapshot once existed; catalogues do.
        }
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let found = found(&repo).await;
        let named = match relative.split('/').next().unwrap() {
            "data" => found.iter().any(|text| {
                text.contains("missing") && text.contains(path.file_name().unwrap().to_str().unwrap())
            }),
            // What an index file named is then in no index.
            "index" => found.iter().any(|text| text.contains("in no index")),
            kind => found.iter().any(|text| text.contains(kind)),
        };
        assert!(named, "{relative}: {found:?}");
        fs::write(&path, whole).unwrap();
    }
    assert_eq!(found(&repo).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_files_are_found_and_both_named() {
    let world = world().await;
    let repo = world.repo_dir();
    let all = files(&repo);

    for folder in ["data", "index", "snapshots"] {
        let same: Vec<&PathBuf> = all.iter().filter(|path| path.starts_with(repo.join(folder))).collect();
        let (one, two) = (fs::read(same[0]).unwrap(), fs::read(same[1]).unwrap());
        overwrite(same[0], &two);
        overwrite(same[1], &one);
        let found = found(&repo).await;
        for path in &same[..2] {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert!(found.iter().any(|text| text.contains(name)), "{folder}: {found:?}");
        }
        overwrite(same[0], &one);
        overwrite(same[1], &two);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_structure_check_finds_what_is_cut_or_missing_without_reading_packs() {
    let world = world().await;
    let repo = world.repo_dir();
    let pack = files(&repo).into_iter().find(|path| path.starts_with(repo.join("data"))).unwrap();
    let whole = fs::read(&pack).unwrap();

    overwrite(&pack, &whole[..whole.len() - 1]);
    let cut = check(&open(&repo).await, &job()).await.unwrap();
    fs::remove_file(&pack).unwrap();
    let missing = check(&open(&repo).await, &job()).await.unwrap();

    assert!(cut.problems.iter().any(|problem| matches!(problem, CheckProblem::PackSize { .. })), "{cut:?}");
    assert!(
        missing.problems.iter().any(|problem| matches!(problem, CheckProblem::PackMissing { .. })),
        "{missing:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_in_a_pack_names_the_files_that_need_it() {
    let world = world().await;
    let reader = Reader::open(&world.repo).await.unwrap();
    let (snapshot, root) = world.repo.snapshots().await.map(|all| (all[1].0, all[1].1.tree)).unwrap();
    let node = reader.lookup(root, "folder/file").await.unwrap().unwrap();
    let place = reader.index().get(BlobKind::Data, node.content().unwrap().ids[0]).unwrap();
    let pack = world.repo_dir().join(FileKind::Pack.path(place.pack));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[place.entry.offset as usize + 100] ^= 4;
    overwrite(&pack, &bytes);

    let report = verdict(&world.repo_dir()).await.unwrap();

    let affected = CheckProblem::FileAffected { snapshot, path: "/folder/file".into() };
    assert!(report.problems.contains(&affected), "{report:?}");
    assert!(report.problems.iter().any(|problem| matches!(problem, CheckProblem::Blob { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_lies_is_found_and_never_yields_wrong_data() {
    let world = world().await;
    let id = world.repo.list::<IndexId>(FileKind::Index).await.unwrap()[0];
    let mut file: IndexFile = world.repo.index_file(id).await.unwrap();
    let pack =
        file.packs.iter_mut().find(|pack| pack.blobs.iter().any(|blob| blob.kind == BlobKind::Tree)).unwrap();
    pack.blobs.swap(0, 1);
    let (first, second) = (pack.blobs[0].id, pack.blobs[1].id);
    pack.blobs[0].id = second;
    pack.blobs[1].id = first;
    let sealed = file.encode(world.repo.key(), Nonce::random(&mut rand::rng())).unwrap();
    fs::remove_file(world.repo_dir().join(FileKind::Index.path(id))).unwrap();
    world.repo.create::<IndexId>(FileKind::Index, sealed).await.unwrap();

    let report = verdict(&world.repo_dir()).await.unwrap();
    let reader = Reader::open(&world.repo).await.unwrap();
    let read = reader.blob(BlobKind::Tree, first).await;

    assert!(report.problems.iter().any(|problem| matches!(problem, CheckProblem::Pack { .. })), "{report:?}");
    assert!(matches!(read, Err(EngineError::Format { .. })), "{read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_parts_of_a_check_together_read_every_pack_once() {
    let world = world().await;
    let whole = check_data(&world.repo, Portion::All, &job()).await.unwrap();

    let mut read = 0;
    for number in 1..=3 {
        read += check_data(&world.repo, Portion::Part { number, of: 3 }, &job()).await.unwrap().bytes_read;
    }

    assert!(whole.is_sound() && whole.bytes_read > 6_000);
    assert_eq!(read, whole.bytes_read);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_taken_for_damage() {
    let world = world().await;
    assert_ne!(PASSWORD, "wrong");

    let error = Repo::open(world.repo.store().clone(), &RepositorySecret::new("wrong")).await.unwrap_err();

    assert!(matches!(error, EngineError::WrongPassword { keys: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_read_right_now_is_not_taken_for_damage() {
    let world = world().await;
    let faulty = FaultStore::new(world.repo.store().clone());
    let repo = Repo::open(Arc::new(faulty.clone()), &common::secret()).await.unwrap();

    faulty.inject(Fault::FailPath {
        operation: Operation::Read,
        pattern: "data/".into(),
        kind: StoreErrorKind::Unreachable,
    });
    let outage = check_data(&repo, Portion::All, &job()).await;
    faulty.heal();
    faulty.inject(Fault::ReadOnly);
    let read_only = check_data(&repo, Portion::All, &job()).await.unwrap();

    assert!(outage.unwrap_err().is_temporary());
    assert!(read_only.is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_stores_again_what_lost_and_cut_packs_held() {
    let world = world().await;
    let repo = world.repo_dir();
    let packs: Vec<PathBuf> =
        files(&repo).into_iter().filter(|path| path.starts_with(repo.join("data"))).collect();
    let (cut, lost) = packs.split_at(packs.len() / 2);
    for path in cut {
        let whole = fs::read(path).unwrap();
        overwrite(path, &whole[..whole.len() - 1]);
    }
    lost.iter().for_each(|path| fs::remove_file(path).unwrap());

    let damaged = open(&repo).await;
    let writer = Writer::start(&damaged, job()).await.unwrap();
    let mut file = writer.file();
    file.write_slice(&noise(1, 3_000)).await.unwrap();
    let node = Node::file("file", &file.finish().await.unwrap(), Timestamp::UNIX_EPOCH);
    let root = writer.tree(vec![node]).await.unwrap();
    writer.commit(SnapshotDraft::new(root, Timestamp::UNIX_EPOCH)).await.unwrap();
    let reader = Reader::open(&open(&repo).await).await.unwrap();
    let node = reader.lookup(root, "file").await.unwrap().unwrap();

    assert!(packs.len() > 1, "{packs:?}");
    assert_eq!(reader.read(&node, 0..3_000).await.unwrap(), noise(1, 3_000));
}
