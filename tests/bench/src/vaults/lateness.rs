//! How late scheduled backups began: read from the jobs that the vault wrote down.

use super::outcome::{Lateness, Percentiles};
use anyhow::Result;
use arm::ResourceId;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use vault::{
    api::{
        Loaded,
        jobs::{JobRecord, JobStatus, KIND},
        read,
    },
    protect::schedule::shift,
    store::Store,
};

const PAGE: u32 = 1_000;

/// The scheduled jobs of a vault.
pub async fn jobs(store: &dyn Store, vault: &ResourceId) -> Result<Vec<JobRecord>> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.resources(KIND, vault, after.as_deref(), PAGE).await?;
        after = page.last().filter(|_| page.len() == PAGE as usize).map(|last| last.id.folded().to_owned());
        for stored in page {
            let job: Loaded<JobRecord> = read(stored)?;
            all.push(job.document);
        }
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// How late the jobs of one slot were, of those instances whose own time lies between two times.
pub fn of_slot(
    jobs: &[JobRecord],
    instances: &[ResourceId],
    slot: Timestamp,
    spread: SignedDuration,
    between: (Timestamp, Timestamp),
) -> Lateness {
    let of_slot: HashMap<&str, &JobRecord> =
        jobs.iter().filter(|job| job.slot == Some(slot)).map(|job| (job.instance.folded(), job)).collect();
    let (mut begun, mut asked, mut due, mut completed) = (Vec::new(), Vec::new(), 0, 0);
    for instance in instances {
        let own = slot.saturating_add(shift(instance, spread)).unwrap_or(slot);
        if own < between.0 || own >= between.1 {
            continue;
        }
        due += 1;
        let Some(job) = of_slot.get(instance.folded()) else { continue };
        completed += usize::from(job.status == JobStatus::Completed);
        let late = |at: Timestamp| at.duration_since(own).as_millis_f64();
        begun.push(late(job.started_at));
        asked.extend(job.requested_at.map(late));
    }
    Lateness { due, completed, begun: Percentiles::of(begun), asked: Percentiles::of(asked) }
}
