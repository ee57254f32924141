//! What stock restic saved is restored by us bit for bit; hostile trees write nothing outside; damage is named.

mod common;
mod oracle;

use common::{World, job, open};
use engine::{
    BackupOptions, Existing, FileOutcome, Ownership, Reader, RestoreOptions, TreeId, Zeros, backup, restore,
    write_content,
};
use oracle::{differences, noise, plant, plant_raw_link, survey};
use repository::{
    BlobEncoder, BlobId, BlobKind, FileKind, IndexFile, IndexId, IndexPack, Nonce, PackBuilder,
};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, fs::File};
use storage::faults::{Fault, FaultStore};

/// The newest snapshot's directory `path`, and the metadata of its entry.
async fn saved(reader: &Reader, path: &Path) -> (TreeId, engine::Metadata) {
    let snapshots = reader.repo().snapshots().await.unwrap();
    let root = snapshots.last().unwrap().1.tree;
    let node = reader.lookup(root, path.to_str().unwrap()).await.unwrap().unwrap();
    (node.subtree().unwrap(), node.meta)
}

async fn restore_saved(world: &World, source: &Path, target: &Path) -> engine::RestoreReport {
    let reader = Reader::open(&world.repo).await.unwrap();
    let (tree, meta) = saved(&reader, source).await;
    let options = RestoreOptions { root: Some(meta), ..RestoreOptions::default() };
    restore(&reader, tree, target, options, &job()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stock_restic_saved_is_restored_bit_for_bit() {
    for seed in 0..3 {
        let world = World::new().await;
        let (source, target) = (world.dir.path().join("source"), world.dir.path().join("target"));
        plant(&source, seed);
        world.restic(&["backup", source.to_str().unwrap()]);

        let report = restore_saved(&world, &source, &target).await;

        assert_eq!(report.problems, [], "seed {seed}");
        assert_eq!(differences(&source, &target), Vec::<String>::new(), "seed {seed}");
        assert_eq!(report.hard_links, 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_saved_is_restored_bit_for_bit_with_the_directorys_own_metadata() {
    for seed in 10..13 {
        let world = World::new().await;
        let (source, target) = (world.dir.path().join("source"), world.dir.path().join("target"));
        plant(&source, seed);
        plant_raw_link(&source);
        let options =
            BackupOptions { source: source.clone(), time: None, hostname: "h".into(), tags: Vec::new() };

        let saved = backup(&world.repo, job(), options).await.unwrap().saved;
        let reader = Reader::open(&world.repo).await.unwrap();
        let options = RestoreOptions { root: Some(saved.root), ..RestoreOptions::default() };
        let report = restore(&reader, saved.tree, &target, options, &job()).await.unwrap();

        assert_eq!(report.problems, [], "seed {seed}");
        assert_eq!(differences(&source, &target), Vec::<String>::new(), "seed {seed}");
    }
}

#[tokio::test]
async fn the_comparison_notices_every_kind_of_difference() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    plant(&one, 7);
    let folder = survey(&one).into_keys().find(|path| path.ends_with("attributes")).unwrap();
    let folder = folder.parent().unwrap();
    type Defect = (&'static str, fn(&Path));
    let defects: [Defect; 9] = [
        ("content", |f| fs::write(f.join("-rf"), b"-rF").unwrap()),
        ("mode", |f| fs::set_permissions(f.join("one"), fs::Permissions::from_mode(0o641)).unwrap()),
        ("owner", |f| std::os::unix::fs::lchown(f.join("dangling"), Some(7), None).unwrap()),
        ("attribute", |f| xattr::set(f.join("attributes"), "user.empty", b"no").unwrap()),
        ("access list", |f| xattr::remove(f.join("attributes"), "system.posix_acl_access").unwrap()),
        ("link target", |f| {
            fs::remove_file(f.join("outside")).unwrap();
            symlink("/etd", f.join("outside")).unwrap();
        }),
        ("hard link", |f| {
            fs::remove_file(f.join("two")).unwrap();
            fs::copy(f.join("one"), f.join("two")).map(drop).unwrap();
        }),
        ("missing", |f| fs::remove_file(f.join("pipe")).unwrap()),
        ("time", |f| File::open(f.join("tab\t")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap()),
    ];

    for (defect, plant_defect) in defects {
        if two.exists() {
            fs::remove_dir_all(&two).unwrap();
        }
        let copied = std::process::Command::new("cp").arg("-a").args([&one, &two]).status().unwrap();
        assert!(copied.success());
        assert_eq!(differences(&one, &two), Vec::<String>::new());
        plant_defect(&two.join(folder));
        assert!(!differences(&one, &two).is_empty(), "{defect} went unnoticed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_restored_as_holes() {
    let world = World::new().await;
    let (source, target) = (world.folder("source"), world.dir.path().join("target"));
    let file = File::create(source.join("sparse")).unwrap();
    file.set_len(200 << 20).unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);

    restore_saved(&world, &source, &target).await;

    let stat = fs::metadata(target.join("sparse")).unwrap();
    assert_eq!(stat.size(), 200 << 20);
    assert!(stat.blocks() * 512 < 1 << 20, "{} blocks", stat.blocks());
}

#[tokio::test(flavor = "multi_thread")]
async fn content_can_be_written_over_old_content() {
    let world = World::new().await;
    let source = world.folder("source");
    let mut image = noise(1, 6 << 20);
    image[1 << 20..4 << 20].fill(0);
    fs::write(source.join("disk.img"), &image).unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let root = world.repo.snapshots().await.unwrap()[0].1.tree;
    let path = source.join("disk.img");
    let node = reader.lookup(root, path.to_str().unwrap()).await.unwrap().unwrap();
    let device = world.dir.path().join("device");
    fs::write(&device, vec![0xff; 8 << 20]).unwrap();

    let file = Arc::new(File::options().write(true).open(&device).unwrap());
    let written = write_content(&reader, &node, file, Zeros::Write, &job()).await.unwrap();

    assert_eq!(written, 6 << 20);
    let after = fs::read(&device).unwrap();
    assert!(after[..6 << 20] == image && after[6 << 20..].iter().all(|byte| *byte == 0xff));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_kept_or_replaced_but_never_followed() {
    let world = World::new().await;
    let (source, target, outside) = (world.folder("source"), world.folder("target"), world.folder("outside"));
    fs::create_dir(source.join("folder")).unwrap();
    fs::write(source.join("folder/file"), "new").unwrap();
    fs::write(source.join("file"), "new").unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let (tree, _) = saved(&reader, &source).await;
    fs::write(outside.join("file"), "untouched").unwrap();
    symlink(&outside, target.join("folder")).unwrap();
    symlink(outside.join("file"), target.join("file")).unwrap();

    for existing in [Existing::Keep, Existing::Replace] {
        let options = RestoreOptions { existing, ..RestoreOptions::default() };
        let report = restore(&reader, tree, &target, options, &job()).await.unwrap();
        let mut failed: Vec<&Path> = report.problems.iter().map(|(path, _)| path.as_path()).collect();
        failed.sort();

        assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "untouched");
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        match existing {
            Existing::Keep => assert_eq!(failed, [Path::new("file"), Path::new("folder")]),
            Existing::Replace => {
                assert_eq!(failed, [Path::new("folder")]);
                assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "new");
            }
        }
    }
}

/// Stores a tree blob with any bytes, and returns its id.
async fn store_tree(world: &World, json: &str) -> TreeId {
    let (key, mut sealed) = (world.repo.key(), Vec::new());
    let mut encoder = BlobEncoder::new(1).unwrap();
    let nonce = || Nonce::random(&mut rand::rng());
    let encoded = encoder.encode(key, BlobKind::Tree, json.as_bytes(), nonce(), &mut sealed).unwrap();
    let mut pack = PackBuilder::new();
    let id = BlobId::of(json.as_bytes());
    pack.add(id, BlobKind::Tree, &sealed, encoded).unwrap();
    let pack = pack.finish(key, nonce()).unwrap();
    let stored: repository::PackId = world.repo.create(FileKind::Pack, pack.bytes).await.unwrap();
    assert_eq!(stored, pack.id);
    let index = IndexFile { packs: vec![IndexPack { id: pack.id, blobs: pack.entries }] };
    world.repo.create::<IndexId>(FileKind::Index, index.encode(key, nonce()).unwrap()).await.unwrap();
    id.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_tree_writes_nothing_outside_its_target() {
    let node = |name: &str, rest: &str| {
        format!(
            r#"{{"name":"{name}","mode":384,"mtime":"2026-01-01T00:00:00Z","atime":"2026-01-01T00:00:00Z","ctime":"2026-01-01T00:00:00Z","uid":0,"gid":0,"inode":1,{rest}}}"#
        )
    };
    let link = r#""type":"symlink","linktarget":"/","content":null"#;
    for name in ["../escaped", "..", ".", "", "a/b", "/escaped", r"\\x2e\\x2e", r"a\\x2fb", r"a\\x00b"] {
        let world = World::new().await;
        let tree = store_tree(&world, &format!("{{\"nodes\":[{}]}}\n", node(name, link))).await;
        let reader = Reader::open(&world.repo).await.unwrap();
        let target = world.folder("target");

        let report = restore(&reader, tree, &target, RestoreOptions::default(), &job()).await.unwrap();

        assert!(matches!(&report.problems[..], [(_, FileOutcome::Failed(_))]), "{name:?}: {report:?}");
        assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "{name:?}");
        assert!(!world.dir.path().join("escaped").exists(), "{name:?}");
    }
    // The same tree with an innocent name is restored: the names were the reason.
    let world = World::new().await;
    let tree = store_tree(&world, &format!("{{\"nodes\":[{}]}}\n", node("innocent", link))).await;
    let reader = Reader::open(&world.repo).await.unwrap();
    let report =
        restore(&reader, tree, &world.folder("target"), RestoreOptions::default(), &job()).await.unwrap();
    assert_eq!(report.symlinks, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_costs_the_files_it_is_in_and_names_them_with_all_their_links() {
    let world = World::new().await;
    let (source, target) = (world.folder("source"), world.dir.path().join("target"));
    fs::write(source.join("whole"), noise(1, 100_000)).unwrap();
    fs::write(source.join("hurt"), noise(2, 900_000)).unwrap();
    fs::create_dir(source.join("z")).unwrap();
    fs::hard_link(source.join("hurt"), source.join("z/also")).unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let (tree, _) = saved(&reader, &source).await;
    let hurt = reader.tree(tree).await.unwrap().find(b"hurt").unwrap().content().unwrap().ids[0];
    let place = reader.index().get(BlobKind::Data, hurt).unwrap();
    let pack = world.repo_dir().join(FileKind::Pack.path(place.pack));
    let mut bytes = fs::read(&pack).unwrap();
    bytes[place.entry.offset as usize + 1000] ^= 1;
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&pack, bytes).unwrap();

    let reader = Reader::open(&open(&world.repo_dir()).await).await.unwrap();
    let report = restore(&reader, tree, &target, RestoreOptions::default(), &job()).await.unwrap();

    let mut failed: Vec<PathBuf> = report.problems.iter().map(|(path, _)| path.clone()).collect();
    failed.sort();
    assert_eq!(failed, [PathBuf::from("hurt"), PathBuf::from("z/also")]);
    for (_, outcome) in &report.problems {
        let FileOutcome::Failed(reason) = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(&hurt.to_string()) && reason.contains(&place.pack.to_string()), "{reason}");
    }
    assert!(!target.join("hurt").exists() && !target.join("z/also").exists());
    assert_eq!(fs::read(target.join("whole")).unwrap(), noise(1, 100_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lying_store_never_gets_a_wrong_byte_into_a_file() {
    let source_data = noise(3, 3_000_000);
    for fault in [
        Fault::Lie { pattern: "data/".into(), offset: 1000 },
        Fault::Lie { pattern: "data/".into(), offset: -60 },
        Fault::TruncateReads { pattern: "data/".into(), bytes: 1 },
        Fault::Hide { pattern: "data/".into() },
    ] {
        let world = World::new().await;
        let (source, target) = (world.folder("source"), world.dir.path().join("target"));
        fs::write(source.join("file"), &source_data).unwrap();
        world.restic(&["backup", source.to_str().unwrap()]);
        let faulty = FaultStore::new(world.repo.store().clone());
        let repo = engine::Repo::open(Arc::new(faulty.clone()), &common::secret()).await.unwrap();
        let reader = Reader::open(&repo).await.unwrap();
        let (tree, _) = saved(&reader, &source).await;
        let fresh = Reader::open(&repo).await.unwrap();

        faulty.inject(fault.clone());
        let report = restore(&fresh, tree, &target, RestoreOptions::default(), &job()).await.unwrap();

        let restored = fs::read(target.join("file")).ok();
        assert!(restored.is_none() || restored.as_deref() == Some(&source_data[..]), "{fault:?}");
        assert_eq!(restored.is_none(), !report.is_complete(), "{fault:?}: {report:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_owner_a_file_lends_nobodys_identity() {
    let world = World::new().await;
    let (source, target) = (world.folder("source"), world.dir.path().join("target"));
    fs::write(source.join("program"), "x").unwrap();
    std::os::unix::fs::chown(source.join("program"), Some(1000), Some(1000)).unwrap();
    fs::set_permissions(source.join("program"), fs::Permissions::from_mode(0o6755)).unwrap();
    world.restic(&["backup", source.to_str().unwrap()]);
    let reader = Reader::open(&world.repo).await.unwrap();
    let (tree, _) = saved(&reader, &source).await;

    let options = RestoreOptions { ownership: Ownership::Ours, ..RestoreOptions::default() };
    let report = restore(&reader, tree, &target, options, &job()).await.unwrap();

    let stat = fs::metadata(target.join("program")).unwrap();
    assert_eq!((stat.mode() & 0o7777, stat.uid()), (0o755, 0));
    assert!(
        matches!(&report.problems[..], [(_, FileOutcome::Incomplete(text))] if text.contains("set-user-id"))
    );
}
