//! Repositories in temporary directories, and stock restic to judge them.

#![allow(dead_code)] // each test binary uses its part

pub mod trees;

use engine::{Budget, InitOptions, Job, Repo, RepositorySecret};
use repository::ScryptParams;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use storage::{LocalStore, Store};
use telemetry::SystemClock;
use tempfile::TempDir;

pub const PASSWORD: &str = "correct horse";

/// A temporary directory with a repository in it.
pub struct World {
    pub dir: TempDir,
    pub repo: Repo,
}

impl World {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = local_store(&dir.path().join("repo")).await;
        Self { repo: init(store).await, dir }
    }

    /// A repository behind a store of the test's choice, on the same disk.
    pub async fn behind(wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>) -> Self {
        let dir = TempDir::new().unwrap();
        let store = local_store(&dir.path().join("repo")).await;
        init(store.clone()).await;
        let repo = Repo::open(wrap(store), &secret()).await.unwrap();
        Self { repo, dir }
    }

    pub fn repo_dir(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    /// A folder below the temporary directory.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn restic(&self, arguments: &[&str]) -> String {
        restic(&self.repo_dir(), arguments)
    }
}

pub async fn local_store(path: &Path) -> Arc<dyn Store> {
    std::fs::create_dir_all(path).unwrap();
    Arc::new(LocalStore::open(path).await.unwrap())
}

async fn init(store: Arc<dyn Store>) -> Repo {
    Repo::init(store, &secret(), quickly()).await.unwrap()
}

/// How tests create repositories: with a key that costs little.
pub fn quickly() -> InitOptions {
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    InitOptions { scrypt: ScryptParams { n: 16, r: 8, p: 1 }, ..InitOptions::new(now) }
}

/// Opens the repository that lies in `path`.
pub async fn open(path: &Path) -> Repo {
    Repo::open(local_store(path).await, &secret()).await.unwrap()
}

pub fn secret() -> RepositorySecret {
    RepositorySecret::new(PASSWORD)
}

pub fn job() -> Job {
    Job::new(Arc::new(SystemClock))
}

pub fn job_with_memory(mebibytes: u64) -> Job {
    Job { budget: Budget::with_memory(mebibytes << 20), ..job() }
}

/// Runs stock restic on a repository; it must succeed.
pub fn restic(repo: &Path, arguments: &[&str]) -> String {
    let output = try_restic(repo, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "restic {arguments:?} failed:\n{out}\n{err}");
    out.into_owned()
}

/// Runs stock restic on a repository.
pub fn try_restic(repo: &Path, arguments: &[&str]) -> Output {
    Command::new("restic")
        .args(["--no-cache", "--repo"])
        .arg(repo)
        .args(arguments)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output()
        .expect("stock restic is needed for this test: apt-get install -y restic")
}
