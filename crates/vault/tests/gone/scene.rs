//! A protected cluster that writes to an account of the vault, and goes away in one way or another.

#![allow(dead_code, reason = "each suite uses its part of it")]

use crate::{
    gone::{PASSWORD, doomed, keep_location, repository, settings, write_point},
    world::protected::{Protected, audit},
};
use arm::ResourceId;
use engine::Repo;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use telemetry::Clock;
use vault::{
    api::{Loaded, clusters::ClusterRecord, extensions::ExtensionRecord, load, points::PointRecord},
    protect::{forget, gone::left},
};

/// A protected cluster that writes to an account of the vault.
pub struct Scene {
    pub it: Protected,
    pub repo: Repo,
    pub account: ResourceId,
}

impl Scene {
    pub async fn start() -> Self {
        Self::with_password(PASSWORD).await
    }

    /// Whose repository has this password; the vault keeps [`PASSWORD`].
    pub async fn with_password(password: &str) -> Self {
        let it = Protected::start().await;
        let (app, now) = (it.world.app.clone(), it.world.clock.now());
        let account = keep_location(app.store.as_ref(), &app.wrapping, &it.group, now).await;
        let repo = repository(&it.world.data().join("blobs"), password, now).await;
        let scene = Self { it, repo, account };
        scene.extension(|record| record.settings = settings()).await;
        scene
    }

    pub async fn extension(&self, change: impl FnOnce(&mut ExtensionRecord)) {
        let store = self.it.world.app.store.as_ref();
        let mut found: Loaded<ExtensionRecord> = load(store, &self.extension_id()).await.unwrap().unwrap();
        change(&mut found.document);
        store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    }

    pub fn extension_id(&self) -> ResourceId {
        self.it.managed.with("Microsoft.KubernetesConfiguration/extensions", "backup").unwrap()
    }

    pub async fn cluster(&self, change: impl FnOnce(&mut ClusterRecord)) {
        let store = self.it.world.app.store.as_ref();
        let mut found: Loaded<ClusterRecord> = load(store, &self.it.managed).await.unwrap().unwrap();
        change(&mut found.document);
        store.commit(&[found.write().unwrap()], &audit()).await.unwrap();
    }

    /// A recovery point in repository and catalogue that is to be forgotten from now on.
    pub async fn doomed(&self, id: &str) -> ResourceId {
        write_point(&self.repo, id, self.it.world.clock.clone()).await;
        let now = self.it.world.clock.now();
        let (point, changes) = doomed(&self.it.instance, &self.it.managed, id, now);
        self.it.world.app.store.commit(&changes, &audit()).await.unwrap();
        point
    }

    pub async fn record(&self, point: &ResourceId) -> Option<PointRecord> {
        let found: Option<Loaded<PointRecord>> = load(self.it.world.app.store.as_ref(), point).await.unwrap();
        found.map(|point| point.document)
    }

    /// Until the recovery point says that it is kept for a reason that holds some words.
    pub async fn kept(&self, point: &ResourceId, words: &str) -> String {
        self.it.until(async || self.record(point).await?.kept_because.filter(|why| why.contains(words))).await
    }

    pub async fn forgotten(&self, point: &ResourceId) {
        self.it.until(async || self.record(point).await.is_none().then_some(())).await;
    }

    /// What is kept of the deletion.
    pub async fn state(&self, point: &ResourceId) -> Value {
        let work = self.it.world.app.store.work(&forget::work_id(point)).await.unwrap();
        work.map(|work| work.document).unwrap_or_default()
    }

    /// Hours go by, in which the vault looks again and again.
    pub async fn hours(&mut self, point: &ResourceId, hours: i64) {
        for _ in 0..hours.div_euclid(5) {
            let before = self.state(point).await["watch"]["looked"].clone();
            self.it.later(SignedDuration::from_hours(5)).await;
            let looked = async || {
                let now = self.state(point).await["watch"]["looked"].clone();
                (now != before).then_some(())
            };
            self.it.until(looked).await;
        }
    }

    pub async fn delete_cluster(&self) {
        let deleted = self.it.call(Method::DELETE, self.it.managed.as_str(), None).await;
        assert_eq!(deleted.status, 202, "{deleted:?}");
    }

    pub async fn handles_left(&self) -> Vec<String> {
        let left = left::list(self.it.world.app.store.as_ref()).await.unwrap();
        left.into_iter().flat_map(|left| left.record.snapshots).map(|one| one.handle).collect()
    }

    /// The same of one that was written at a time, and whose repository is of no matter.
    pub async fn doomed_of(&self, id: &str, written: Timestamp) -> ResourceId {
        let (point, changes) = doomed(&self.it.instance, &self.it.managed, id, written);
        self.it.world.app.store.commit(&changes, &audit()).await.unwrap();
        point
    }

    /// A backup that ends well, and leaves a recovery point in the repository; the job.
    pub async fn backed_up(&self, id: &str) -> String {
        self.it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": id}}));
        write_point(&self.repo, id, self.it.world.clock.clone()).await;
        let job = self.it.job_of(&self.it.back_up().await).await;
        assert_eq!(self.it.ended(&job).await["properties"]["status"], "Completed");
        job
    }

    /// The owner of the storage account deletes it.
    pub async fn delete_account(&self) {
        let deleted = self.it.call(Method::DELETE, self.account.as_str(), None).await;
        assert_eq!(deleted.status, 200, "{deleted:?}");
    }

    /// Changes security settings of the vault.
    pub async fn security(&self, settings: Value) {
        let body = json!({"properties": {"securitySettings": settings}});
        let changed = self.it.call(Method::PATCH, &self.it.vault, Some(body)).await;
        assert!(changed.status < 300, "{changed:?}");
    }
}
