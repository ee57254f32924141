//! Volumes of a fake cluster.

use super::FakeCluster;
use crate::api::{ClusterApi, Write};
use crate::json;
use crate::volumes::{ClaimToRestore, Reach, VolumeRestorer};
use async_trait::async_trait;
use protection::{Problem, code};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Fills claims by writing an annotation into them.
#[derive(Debug)]
pub struct FakeVolumes {
    /// Where claims are made.
    pub cluster: Arc<FakeCluster>,
    /// Claims whose snapshot does not exist here.
    pub unreachable: BTreeSet<String>,
    /// Claims that turn out not to be restorable.
    pub failing: BTreeSet<String>,
}

impl FakeVolumes {
    /// Volumes that are all there.
    pub fn new(cluster: Arc<FakeCluster>) -> Self {
        Self { cluster, unreachable: BTreeSet::new(), failing: BTreeSet::new() }
    }
}

#[async_trait]
impl VolumeRestorer for FakeVolumes {
    async fn check(&self, claims: &[ClaimToRestore]) -> Vec<Reach> {
        let reach = |claim: &ClaimToRestore| match self.unreachable.contains(&claim.record.claim) {
            true => {
                Reach::NotReachable(Problem::error(code::SNAPSHOT_NOT_REACHABLE, "No such snapshot here."))
            }
            false => Reach::Reachable,
        };
        claims.iter().map(reach).collect()
    }

    async fn restore(
        &self,
        claims: Vec<ClaimToRestore>,
        _cancel: &CancellationToken,
    ) -> Vec<Result<String, Problem>> {
        let mut answers = Vec::new();
        for claim in claims {
            if self.failing.contains(&claim.record.claim) {
                answers.push(Err(Problem::error(code::DATA_NOT_RESTORED, "The snapshot cannot be read.")));
                continue;
            }
            let mut object = claim.claim.clone();
            json::set(&mut object, &["metadata", "annotations", "data"], json!("restored"));
            let place = self.cluster.place(&object);
            let write = Write { manager: claim.field_manager, dry_run: false, whole: false };
            let created = self.cluster.create(&place, &object, &write).await;
            let existing = json::text(&object, &["metadata", "name"]).and_then(|name| {
                self.cluster.object("persistentvolumeclaims", place.namespace.as_deref(), name)
            });
            answers.push(match (created, existing) {
                (Ok(written), _) => Ok(written.uid),
                (Err(_), Some(existing)) => {
                    Ok(json::text(&existing, &["metadata", "uid"]).unwrap_or("").to_owned())
                }
                (Err(error), None) => Err(Problem::error(code::DATA_NOT_RESTORED, error.to_string())),
            });
        }
        answers
    }
}
