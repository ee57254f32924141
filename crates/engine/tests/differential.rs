//! Random trees through our backup and stock restic's restore, and the other way round.
//!
//! Each comparison also runs with planted defects, which it must find.

mod common;

use common::trees::{Flavour, differences, plant};
use common::{World, job, restic, try_restic};
use engine::{BackupOptions, BlobIndex, FileOutcome, Repo, backup};
use repository::{BlobDecoder, BlobId, BlobKind, FileKind, NodeKind, Tree, TreeId};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

const STOCK: Flavour = Flavour { raw_link_targets: false };

fn options(source: &Path) -> BackupOptions {
    BackupOptions { source: source.into(), time: None, hostname: "test".into(), tags: vec!["a=b".into()] }
}

/// Backs a random tree up, lets stock restic restore it, and yields the world with both.
async fn through_restic(seed: u64) -> World {
    let world = World::new().await;
    plant(&world.folder("source"), seed, STOCK);
    let report = backup(&world.repo, job(), options(&world.folder("source"))).await.unwrap();
    assert_eq!(report.saved.problems, []);
    world.restic(&["restore", "latest", "--target", world.folder("restored").to_str().unwrap()]);
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_restic_restores_random_trees_bit_for_bit() {
    for seed in 0..6 {
        let world = through_restic(seed).await;

        let report = world.restic(&["check", "--read-data"]);

        assert!(report.contains("no errors were found"), "seed {seed}: {report}");
        assert_eq!(differences(&world.folder("source"), &world.folder("restored")), [""; 0], "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_comparison_finds_planted_differences() {
    let world = World::new().await;
    let (a, b) = (world.folder("a"), world.folder("b"));
    let twin = |name: &str| {
        let file = a.join(name);
        std::fs::write(&file, b"content").unwrap();
        assert!(Command::new("cp").arg("-a").arg(&file).arg(b.join(name)).status().unwrap().success());
        b.join(name)
    };
    let touch =
        |path: &Path| assert!(Command::new("touch").args(["-d", "@1"]).arg(path).status().unwrap().success());
    std::fs::File::options().write(true).open(twin("content")).unwrap().write_all_at(b"C", 0).unwrap();
    touch(&a.join("content"));
    touch(&b.join("content"));
    touch(&twin("time"));
    xattr::set(twin("attribute"), "user.new", b"").unwrap();
    std::fs::set_permissions(twin("mode"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::remove_file(twin("gone")).unwrap();
    std::fs::hard_link(twin("linked"), b.join("new")).unwrap();

    let found = differences(&a, &b);

    for expected in [
        "content\": content",
        "time\": mtime",
        "attribute\": extended",
        "mode\": mode",
        "gone\" is missing",
        "linked\": hard links",
        "new\" is new",
    ] {
        assert!(found.iter().any(|line| line.contains(expected)), "{expected} is not in {found:?}");
    }
    assert_eq!(found.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_byte_in_any_file_turns_the_check_red() {
    let world = through_restic(42).await;
    let kinds = [FileKind::Pack, FileKind::Index, FileKind::Snapshot];
    for kind in kinds {
        let mut files = Vec::new();
        walk(&world.repo_dir().join(kind.folder()), &mut files);
        let victim = files.last().unwrap();
        let middle = std::fs::metadata(victim).unwrap().len() / 2;
        std::fs::set_permissions(victim, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let file = std::fs::File::options().read(true).write(true).open(victim).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, middle).unwrap();
        file.write_all_at(&[byte[0] ^ 1], middle).unwrap();

        let red = try_restic(&world.repo_dir(), &["check", "--read-data"]);
        let ours = decode_everything(&world.repo).await;

        assert!(!red.status.success(), "stock restic did not find the flipped byte in {victim:?}");
        assert!(ours.is_err(), "we did not find the flipped byte in {victim:?}");
        file.write_all_at(&byte, middle).unwrap();
        decode_everything(&world.repo).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_restic_writes_is_read_and_encodes_to_the_same_ids() {
    for (seed, compression) in [(10, "auto"), (11, "max"), (12, "off")] {
        let world = World::new().await;
        let (source, repo_dir) = (world.folder("source"), world.dir.path().join("stock"));
        plant(&source, seed, STOCK);
        restic(&repo_dir, &["init", "--repository-version", "2"]);
        restic(&repo_dir, &["backup", source.to_str().unwrap(), "--compression", compression, "--tag", "x"]);

        let repo = common::open(&repo_dir).await;
        let (trees, files) = decode_everything(&repo).await.unwrap();

        // Stock restic keeps the folders above the source, but not the root.
        let entries = Command::new("find").arg(&source).args(["-printf", "x"]).output().unwrap().stdout.len();
        assert_eq!(files + trees, entries + world.dir.path().components().count() - 1, "seed {seed}");
        assert_eq!(repo.snapshots().await.unwrap()[0].1.tags, ["x"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_restic_writes_into_our_repository() {
    let world = through_restic(20).await;

    world.restic(&["backup", world.folder("source").to_str().unwrap()]);

    world.restic(&["check", "--read-data"]);
    assert_eq!(world.repo.snapshots().await.unwrap().len(), 2);
    decode_everything(&world.repo).await.unwrap();
    world.restic(&["forget", "--keep-last", "1", "--prune"]);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_stores_only_what_changed() {
    let world = through_restic(30).await;
    std::fs::write(world.folder("source").join("new"), b"new content").unwrap();

    let report = backup(&world.repo, job(), options(&world.folder("source"))).await.unwrap();

    assert_eq!(report.totals.data_blobs, 1);
    assert_eq!(report.totals.tree_blobs, 1);
    assert!(report.saved.problems.iter().all(|(_, outcome)| *outcome == FileOutcome::Complete));
}

fn walk(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

/// Reads every blob that any snapshot refers to with our decoders; yields how many directories (roots left
/// out) and other entries there are. Every directory must encode to the bytes it was decoded from.
async fn decode_everything(repo: &Repo) -> Result<(usize, usize), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let index = BlobIndex::load(repo).await.map_err(|error| text(&error))?;
    let mut waiting: Vec<TreeId> = repo
        .snapshots()
        .await
        .map_err(|error| text(&error))?
        .into_iter()
        .map(|(_, snapshot)| snapshot.tree)
        .collect();
    let (mut trees, mut files) = (0, 0);
    while let Some(id) = waiting.pop() {
        let plain = blob(repo, &index, BlobKind::Tree, id.into()).await?;
        let tree = Tree::decode(&plain).map_err(|error| text(&error))?;
        assert_eq!(String::from_utf8(tree.encode().unwrap()).unwrap(), String::from_utf8(plain).unwrap());
        for node in tree.nodes() {
            match &node.kind {
                NodeKind::Dir { subtree } => {
                    trees += 1;
                    waiting.push(subtree.ok_or("a directory without a subtree")?);
                }
                NodeKind::File(content) => {
                    files += 1;
                    let mut size = 0;
                    for id in &content.ids {
                        size += blob(repo, &index, BlobKind::Data, *id).await?.len() as u64;
                    }
                    assert_eq!(size, content.size);
                }
                _ => files += 1,
            }
        }
    }
    Ok((trees, files))
}

async fn blob(repo: &Repo, index: &BlobIndex, kind: BlobKind, id: BlobId) -> Result<Vec<u8>, String> {
    let place = index.get(kind, id).ok_or_else(|| format!("{id} is in no index"))?;
    let pack = repo.read(FileKind::Pack, place.pack).await.map_err(|error| error.to_string())?;
    let start = place.entry.offset as usize;
    let sealed = &pack[start..start + place.entry.length as usize];
    let mut decoder = BlobDecoder::new().unwrap();
    decoder
        .decode(repo.key(), id, kind, sealed, place.entry.uncompressed_length)
        .map_err(|error| error.to_string())
}
