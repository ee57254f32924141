//! Files that change, vanish or cannot be read while they are saved are reported by name.

mod common;

use common::{World, job};
use engine::{BackupOptions, EngineError, FileOutcome, Job, Progress, backup, backup_since, save_image};
use parking_lot::Mutex;
use repository::{FileKind, LockId};
use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn options(source: &Path) -> BackupOptions {
    BackupOptions { source: source.into(), time: None, hostname: String::new(), tags: Vec::new() }
}

/// Does something to the source when a file is done or bytes were read.
struct Saboteur {
    on_file: Box<dyn Fn(&Path) + Send + Sync>,
    on_read: Box<dyn Fn() + Send + Sync>,
    seen: Mutex<Vec<PathBuf>>,
}

impl Saboteur {
    fn job(
        on_file: impl Fn(&Path) + Send + Sync + 'static,
        on_read: impl Fn() + Send + Sync + 'static,
    ) -> Job {
        let progress =
            Self { on_file: Box::new(on_file), on_read: Box::new(on_read), seen: Mutex::default() };
        Job { progress: Arc::new(progress), ..job() }
    }
}

impl fmt::Debug for Saboteur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Saboteur")
    }
}

impl Progress for Saboteur {
    fn read(&self, _: u64) {
        (self.on_read)();
    }

    fn file(&self, path: &Path, _: &FileOutcome) {
        (self.on_file)(path);
        self.seen.lock().push(path.to_path_buf());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_while_it_is_read_is_reported() {
    let world = World::new().await;
    let source = world.folder("source");
    fs::write(source.join("large"), vec![7; 3 << 20]).unwrap();
    fs::write(source.join("quiet"), b"quiet").unwrap();
    let victim = source.join("large");
    let grow = move || File::options().append(true).open(&victim).unwrap().write_all(b"more").unwrap();

    let report = backup(&world.repo, Saboteur::job(|_| {}, grow), options(&source)).await.unwrap();

    assert_eq!(report.saved.problems, [(PathBuf::from("large"), FileOutcome::Changed)]);
    assert_eq!(report.saved.files, 2);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_rewritten_or_cut_while_it_is_read_is_reported() {
    for cut in [false, true] {
        let world = World::new().await;
        let source = world.folder("source");
        fs::write(source.join("large"), vec![7; 3 << 20]).unwrap();
        let victim = source.join("large");
        let spoil = move || {
            let file = File::options().write(true).open(&victim).unwrap();
            if cut { file.set_len(1 << 20).unwrap() } else { file.write_all_at(b"x", 0).unwrap() }
        };

        let report = backup(&world.repo, Saboteur::job(|_| {}, spoil), options(&source)).await.unwrap();

        assert_eq!(report.saved.problems, [(PathBuf::from("large"), FileOutcome::Changed)], "cut: {cut}");
        world.restic(&["check", "--read-data"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanishes_after_the_listing_is_reported() {
    let world = World::new().await;
    let source = world.folder("source");
    fs::write(source.join("a"), b"a").unwrap();
    fs::write(source.join("b"), b"b").unwrap();
    let victim = source.join("b");
    let vanish = move |path: &Path| {
        if path == Path::new("a") {
            fs::remove_file(&victim).unwrap();
        }
    };

    let report = backup(&world.repo, Saboteur::job(vanish, || {}), options(&source)).await.unwrap();

    assert_eq!(report.saved.problems, [(PathBuf::from("b"), FileOutcome::Vanished)]);
    assert_eq!(report.saved.files, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_a_link_is_saved_as_a_link_and_never_followed() {
    let world = World::new().await;
    let source = world.folder("source");
    fs::write(world.dir.path().join("secret"), b"secret").unwrap();
    fs::write(source.join("a"), b"a").unwrap();
    fs::write(source.join("b"), b"b").unwrap();
    let victim = source.join("b");
    let replace = move |path: &Path| {
        if path == Path::new("a") {
            fs::remove_file(&victim).unwrap();
            std::os::unix::fs::symlink("../secret", &victim).unwrap();
        }
    };

    let report = backup(&world.repo, Saboteur::job(replace, || {}), options(&source)).await.unwrap();

    assert_eq!(report.saved.problems, []);
    let listing = world.restic(&["ls", "--long", "latest"]);
    assert!(listing.contains("/b -> ../secret"), "{listing}");
}

/// `/proc/sys/net/ipv4/route/flush` can only be written, by root too. The other files there pretend to be
/// empty.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_is_reported_and_the_rest_is_saved() {
    let world = World::new().await;

    let report = backup(&world.repo, job(), options(Path::new("/proc/sys/net/ipv4/route"))).await.unwrap();

    let flush = report.saved.problems.iter().find(|(path, _)| path == Path::new("flush"));
    assert!(
        matches!(flush, Some((_, FileOutcome::Failed(reason))) if reason.contains("denied")),
        "{flush:?}"
    );
    assert!(report.saved.files > 5);
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_missing_is_an_error_and_leaves_no_lock() {
    let world = World::new().await;

    let refused = backup(&world.repo, job(), options(&world.dir.path().join("missing"))).await;

    assert!(matches!(refused, Err(EngineError::Io { .. })), "{refused:?}");
    assert!(world.repo.list::<LockId>(FileKind::Lock).await.unwrap().is_empty());
    assert!(world.repo.snapshots().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_and_deep_directories_are_saved() {
    let world = World::new().await;
    let source = world.folder("source");
    for number in 0..5000 {
        fs::write(source.join(format!("wide{number}")), number.to_string()).unwrap();
    }
    // Deeper than the longest path that the system accepts at once, and than files that may be open.
    let mut open = rustix::fs::open(&source, rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..1500 {
        rustix::fs::mkdirat(&open, "deep", rustix::fs::Mode::RWXU).unwrap();
        open =
            rustix::fs::openat(&open, "deep", rustix::fs::OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
    }

    let report = backup(&world.repo, job(), options(&source)).await.unwrap();

    assert_eq!(report.saved.problems, []);
    assert_eq!((report.saved.files, report.saved.directories), (5000, 1501));
    world.restic(&["check", "--read-data"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_saved_with_its_holes() {
    let world = World::new().await;
    let image = world.dir.path().join("image");
    let file = File::create(&image).unwrap();
    file.write_all_at(b"head", 0).unwrap();
    file.write_all_at(b"tail", (1 << 33) - 4).unwrap();
    let writer = engine::Writer::start(&world.repo, job()).await.unwrap();

    let content = save_image(&writer, &image).await.unwrap();

    assert_eq!(content.size, 1 << 33);
    assert!(writer.finish().await.unwrap().stored < 1 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_change_since_the_parent_is_not_read() {
    let world = World::new().await;
    let source = world.folder("source");
    fs::create_dir(source.join("below")).unwrap();
    for name in ["same", "below/same", "longer", "touched", "below/swapped"] {
        fs::write(source.join(name), name).unwrap();
    }
    let first = backup(&world.repo, job(), options(&source)).await.unwrap();
    fs::write(source.join("longer"), "longer now").unwrap();
    fs::write(source.join("new"), "new").unwrap();
    File::options().write(true).open(source.join("touched")).unwrap().write_all_at(b"T", 0).unwrap();
    // Another file under the name of the old one, with its length and its time.
    let time = fs::metadata(source.join("below/swapped")).unwrap().modified().unwrap();
    fs::write(source.join("other"), "xelow/swapped").unwrap();
    File::options().write(true).open(source.join("other")).unwrap().set_modified(time).unwrap();
    fs::rename(source.join("other"), source.join("below/swapped")).unwrap();

    let second = backup_since(&world.repo, job(), options(&source), first.snapshot).await.unwrap();

    assert_eq!((second.saved.files, second.saved.unchanged), (6, 2));
    assert_eq!(second.totals.data_blobs, 4);
    world.restic(&["check", "--read-data"]);
    world.restic(&["restore", "latest", "--target", world.folder("out").to_str().unwrap()]);
    assert_eq!(common::trees::differences(&source, &world.folder("out")), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_whose_blobs_are_gone_is_not_relied_on() {
    let world = World::new().await;
    let source = world.folder("source");
    fs::write(source.join("file"), vec![7; 100_000]).unwrap();
    let first = backup(&world.repo, job(), options(&source)).await.unwrap();
    for id in world.repo.list::<repository::IndexId>(FileKind::Index).await.unwrap() {
        world.repo.delete(FileKind::Index, id).await.unwrap();
    }

    let second = backup_since(&world.repo, job(), options(&source), first.snapshot).await.unwrap();

    assert_eq!((second.saved.unchanged, second.totals.data_blobs), (0, 1));
}
