//! A repository in a temporary directory, captures into it, and recovery points read back and checked.

#![allow(dead_code)] // each test binary uses its part

pub mod fake_api;

use capture::{Budget, CaptureError, Captured, PointIdentity, Silent, assemble, capture};
use engine::{InitOptions, Job, Reader, Repo, RepositorySecret, SnapshotDraft, Writer};
use protection::point::{BackupIdentity, INDEX, IndexEntry, MANIFEST, Manifest};
use protection::{BackupUid, Problem, RecoveryPointId, Selection, SelectionFields};
use repository::{ScryptParams, TreeId};
use serde_json::Value;
use std::sync::Arc;
use storage::LocalStore;
use telemetry::SystemClock;
use tempfile::TempDir;

pub const EXTENSION: &str = "dataprotection-microsoft";

/// A repository in a temporary directory.
pub struct Site {
    pub repo: Repo,
    pub dir: TempDir,
}

impl Site {
    pub async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Arc::new(LocalStore::open(dir.path()).await.unwrap());
        let options = InitOptions {
            scrypt: ScryptParams { n: 16, r: 8, p: 1 },
            ..InitOptions::new("2026-01-02T03:04:05Z".parse().unwrap())
        };
        let repo = Repo::init(store, &RepositorySecret::new("correct horse"), options).await.unwrap();
        Self { repo, dir }
    }

    pub async fn writer(&self, job: Job) -> Writer {
        Writer::start(&self.repo, job).await.unwrap()
    }

    /// Captures, assembles, commits, and reads back.
    pub async fn take(&self, client: &kube::Client, fields: &SelectionFields<'_>) -> Taken {
        self.try_take(client, fields, &Budget::default()).await.unwrap()
    }

    pub async fn try_take(
        &self,
        client: &kube::Client,
        fields: &SelectionFields<'_>,
        budget: &Budget,
    ) -> Result<Taken, CaptureError> {
        let selection = Selection::parse(fields, EXTENSION).unwrap();
        let writer = self.writer(Job::new(Arc::new(SystemClock))).await;
        let captured = capture(client, &selection, &writer, budget, Arc::new(Silent)).await?;
        let assembled =
            assemble(&writer, identity(), captured.clone(), Vec::new(), Vec::new(), Vec::new()).await?;
        writer.commit(SnapshotDraft::new(assembled.root, captured.started)).await?;
        let reader = Reader::open(&self.repo).await.unwrap();
        let taken = Taken { reader, root: assembled.root, captured };
        taken.check().await;
        Ok(taken)
    }
}

fn identity() -> PointIdentity {
    PointIdentity {
        recovery_point: RecoveryPointId::new("point"),
        backup: BackupIdentity { name: "backup".to_owned(), uid: BackupUid::new("uid") },
        instance: "default".to_owned(),
        selection: Value::Null,
    }
}

/// A recovery point that was committed.
pub struct Taken {
    pub reader: Reader,
    pub root: TreeId,
    pub captured: Captured,
}

impl Taken {
    pub async fn file(&self, path: &str) -> Option<Vec<u8>> {
        let node = self.reader.lookup(self.root, path).await.unwrap()?;
        let size = node.content().unwrap().size;
        Some(self.reader.read(&node, 0..size).await.unwrap().to_vec())
    }

    pub async fn manifest(&self) -> Manifest {
        serde_json::from_slice(&self.file(MANIFEST).await.unwrap()).unwrap()
    }

    pub async fn index(&self) -> Vec<IndexEntry> {
        serde_json::from_slice(&self.file(INDEX).await.unwrap()).unwrap()
    }

    /// The stored bytes of one object, read by its index entry alone.
    pub async fn bytes(&self, entry: &IndexEntry) -> Vec<u8> {
        let node = self.reader.lookup(self.root, &entry.list_path()).await.unwrap().unwrap();
        self.reader.read(&node, entry.offset..entry.offset + entry.length).await.unwrap().to_vec()
    }

    /// `<resource>[.<group>]/[<namespace>/]<name>` of every object, sorted.
    pub async fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.index().await.iter().map(name).collect();
        names.sort();
        names
    }

    pub fn problems(&self, code: &str) -> Vec<&Problem> {
        self.captured.problems.iter().filter(|problem| problem.code == code).collect()
    }

    /// What holds for every recovery point.
    async fn check(&self) {
        let index = self.index().await;
        let text = String::from_utf8(self.file(INDEX).await.unwrap()).unwrap();
        assert_eq!(text.lines().count(), index.len() + 2, "one entry per line");
        let mut names: Vec<String> = index.iter().map(name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), index.len(), "no object twice");
        assert_eq!(index.len() as u64, self.captured.objects());
        for entry in &index {
            let object: Value = serde_json::from_slice(&self.bytes(entry).await).unwrap();
            assert_eq!(object["metadata"]["name"], entry.name.as_str());
            assert_eq!(object["metadata"]["uid"], entry.uid.as_str());
        }
        let mut paths: Vec<String> = index.iter().map(IndexEntry::list_path).collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            let list: Value = serde_json::from_slice(&self.file(&path).await.unwrap()).unwrap();
            let of_list = index.iter().filter(|entry| entry.list_path() == path).count();
            assert_eq!(list["items"].as_array().unwrap().len(), of_list, "{path}");
            assert!(list["kind"].as_str().unwrap().ends_with("List"), "{path}");
        }
        let manifest = self.manifest().await;
        assert_eq!(manifest.counts.values().sum::<u64>(), index.len() as u64);
        assert_eq!(manifest.bytes, index.iter().map(|entry| entry.length).sum::<u64>());
        assert_eq!(manifest.lists.iter().map(|list| list.captured).sum::<u64>(), index.len() as u64);
    }
}

fn name(entry: &IndexEntry) -> String {
    let folder = protection::point::resource_folder(&entry.resource, &entry.group);
    match &entry.namespace {
        Some(namespace) => format!("{folder}/{namespace}/{}", entry.name),
        None => format!("{folder}/{}", entry.name),
    }
}
