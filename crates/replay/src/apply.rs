//! Executes a restore.

use crate::ReplayError;
use crate::options::RestoreOptions;
use crate::outcome::{Collector, End, Outcomes, Progress, skipped_remark};
use crate::source::PointSource;
use crate::stop::{Stop, Stopped};
use crate::target::Target;
use crate::volumes::VolumeRestorer;
use crate::walk::Start;
use tokio_util::sync::CancellationToken;

/// Restores a recovery point. May be called again after a crash with the same options: what an earlier attempt
/// created is recognised and not created twice.
///
/// An error means that the restore could not begin; once it has begun, what befalls objects stands in the
/// outcomes. Memory grows with the number of selected objects by about 200 bytes each, not with their size.
pub async fn execute(
    target: &Target,
    source: &dyn PointSource,
    options: &RestoreOptions,
    restorer: &dyn VolumeRestorer,
    progress: &dyn Progress,
    cancel: &CancellationToken,
) -> Result<Outcomes, ReplayError> {
    let collector = Collector::new(progress, options.budget.problems);
    let stop = Stop { cancel: cancel.clone(), deadline: options.deadline };
    let start = Start {
        api: &*target.api,
        source,
        options,
        restorer,
        sink: &collector,
        stop: stop.clone(),
        dry_run: false,
    };
    let (walk, _) = tokio::select! {
        walk = start.walk() => walk?,
        stopped = stopped(&stop) => return Err(stopped),
    };
    let end = match walk.run().await {
        Ok(()) => End::Complete,
        Err(Stopped::Cancelled) => End::Cancelled,
        Err(Stopped::DeadlineExceeded) => End::DeadlineExceeded,
    };
    drop(walk);
    let mut outcomes = collector.outcomes(end);
    outcomes.problems.extend(skipped_remark(&outcomes.counts));
    Ok(outcomes)
}

/// Resolves when the restore has to stop.
pub(crate) async fn stopped(stop: &Stop) -> ReplayError {
    let deadline = async {
        match stop.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = stop.cancel.cancelled() => ReplayError::Cancelled,
        () = deadline => ReplayError::DeadlineExceeded,
    }
}
