//! Keeps the Secret of one mover: made once its Job is there, so that it goes with the Job, and made anew before what
//! it holds ends.

use super::{Mover, MoverSecret, jobs, manifests::secret};
use crate::error::{Tried, VolumesError, is_absent, persistently};
use k8s_openapi::api::{batch::v1::Job, core::v1::Secret};
use kube::{Api, Client, api::DeleteParams};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// The pause before a source that failed is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(15);

pub(super) struct Sealed<'a> {
    api: Api<Secret>,
    mover: &'a Mover,
    name: &'a str,
    labels: BTreeMap<String, String>,
    /// The UID of the Job that the present Secret belongs to.
    owner: Option<String>,
    due: Option<Instant>,
}

impl<'a> Sealed<'a> {
    pub(super) fn new(
        client: &Client,
        mover: &'a Mover,
        name: &'a str,
        labels: BTreeMap<String, String>,
    ) -> Self {
        let api = Api::namespaced(client.clone(), &mover.namespace);
        Self { api, mover, name, labels, owner: None, due: None }
    }

    /// Makes the Secret, or replaces it when its time has come. Called again and again while the Job runs.
    pub(super) async fn keep(&mut self, job: &Job) -> Result<(), VolumesError> {
        let uid = job.metadata.uid.clone().unwrap_or_default();
        let Some(renewal) = &self.mover.renewal else {
            if self.owner.is_none() {
                self.make(&self.mover.secret, &uid).await?;
                self.owner = Some(uid);
            }
            return Ok(());
        };
        if self.owner.is_none() {
            // One from before a crash may hold what has ended since.
            self.replace(&self.mover.secret, &uid).await?;
            self.owner = Some(uid);
            self.due = Some(Instant::now() + renewal.after);
        } else if self.due.is_some_and(|due| Instant::now() >= due) {
            match renewal.source.secret().await {
                Ok((content, after)) => {
                    self.replace(&content, &uid).await?;
                    self.due = Some(Instant::now() + after);
                }
                // The mover goes on with what it has, and ends with the store's own refusal when that has ended.
                Err(error) => {
                    tracing::warn!(mover = self.name, error, "could not renew the Secret of a mover");
                    self.due = Some(Instant::now() + ASK_AGAIN);
                }
            }
        }
        Ok(())
    }

    async fn make(&self, content: &MoverSecret, owner: &str) -> Result<(), VolumesError> {
        let manifest = secret(self.name, &self.labels, self.mover, content, owner);
        jobs::ensure(&self.api, manifest, &self.what()).await
    }

    /// Running pods keep what they have until the kubelet finds the new one.
    async fn replace(&self, content: &MoverSecret, owner: &str) -> Result<(), VolumesError> {
        let params = DeleteParams::default();
        match persistently(|| self.api.delete(self.name, &params)).await {
            Err(error) if is_absent(&error) => {}
            other => drop(other.tried(|| format!("replace {}", self.what()))?),
        }
        self.make(content, owner).await
    }

    fn what(&self) -> String {
        format!("the Secret {}/{}", self.mover.namespace, self.name)
    }
}
