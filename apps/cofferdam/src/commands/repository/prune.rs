//! `cofferdam repository prune`: shows the plan, and does it with `--yes`.

use super::open::{Place, job};
use crate::note;
use crate::{
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::prune::{self, PruneOptions};
use jiff::SignedDuration;
use serde_json::json;

#[derive(Debug, Args)]
pub struct PruneArgs {
    /// No backup into this repository takes longer than this; what is younger is spared
    #[arg(long, default_value = "48h", value_name = "DURATION")]
    longest_job: SignedDuration,
    /// How much may stay unused in packs that are partly used, in percent
    #[arg(long, default_value_t = 5, value_name = "PERCENT")]
    tolerated_waste: u8,
    /// Do it; without this, only the plan is shown
    #[arg(long)]
    yes: bool,
}

pub async fn run(args: PruneArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let options = PruneOptions { longest_job: args.longest_job, tolerated_waste: args.tolerated_waste };
    let job = job();
    let plan = prune::plan(&repo, &options, &job).await?;
    let delete = plan.delete.len() + plan.delete_unreferenced.len();
    let value = json!({
        "usedBytes": plan.used_bytes, "unusedBytes": plan.unused_bytes, "leaveIndex": plan.drop.len(),
        "repack": plan.repack.len(), "rescue": plan.rescue.len(), "delete": delete, "waiting": plan.waiting.len(),
    });
    output::print(format, &value, |_| {
        format!(
            "{} in use, {} unused\n{} packs are rewritten, {} leave the index, {} return to it, {delete} are deleted, {} wait",
            output::bytes(plan.used_bytes),
            output::bytes(plan.unused_bytes),
            plan.repack.len(),
            plan.drop.len(),
            plan.rescue.len(),
            plan.waiting.len(),
        )
    })?;
    if !args.yes {
        note!("nothing was changed; repeat with --yes to do it");
        return Ok(Exit::Done);
    }
    let report = prune::execute(&repo, plan, &options, &job).await?;
    note!(
        "{} packs deleted, {} left the index and are deleted by a later prune, {} new packs",
        report.deleted.len(),
        report.left_index.len(),
        report.written.len()
    );
    if report.later.is_empty() {
        return Ok(Exit::Done);
    }
    note!("{} files are still kept by the store's retention; repeat later", report.later.len());
    Ok(Exit::Warnings)
}
