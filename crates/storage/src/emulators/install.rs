//! Installs an emulator once per version into the cache, safe against several tests at the same time.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

/// The folder of `name` at `version`, filled by `install` if that has not succeeded before.
pub(super) fn installed(name: &str, version: &str, install: impl Fn(&Path)) -> PathBuf {
    let stores = cache().join("stores");
    fs::create_dir_all(&stores).expect("the cache directory can be made");
    let lock =
        File::create(stores.join(format!(".{name}-{version}.lock"))).expect("the lock file can be made");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("the lock can be taken");
    let folder = stores.join(format!("{name}-{version}"));
    let done = folder.join(".complete");
    if !done.exists() {
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("a half-finished installation can be removed");
        }
        fs::create_dir_all(&folder).expect("the folder can be made");
        install(&folder);
        File::create(done).expect("the installation can be marked complete");
    }
    folder
}

/// Runs an installer's command and shows what it said if it fails.
pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn cache() -> PathBuf {
    if let Some(folder) = std::env::var_os("COFFERDAM_CACHE") {
        return folder.into();
    }
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("cofferdam")
}
