//! `cofferdam repository forget`: shows the plan, and does it with `--yes`.

use super::{
    list::find,
    open::{Place, job},
};
use crate::note;
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::forget::{self, ForgetPlan, KeepRules};
use jiff::tz::TimeZone;
use serde_json::json;

#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// Ids of the snapshots to remove, or their beginnings
    #[arg(conflicts_with_all = ["keep_last", "keep_hourly", "keep_daily", "keep_weekly", "keep_monthly", "keep_yearly", "keep_tag"])]
    snapshots: Vec<String>,
    /// Keep the last N
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_last: usize,
    /// Keep the newest of each of the last N hours that have one
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_hourly: usize,
    /// The same for days
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_daily: usize,
    /// The same for weeks
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_weekly: usize,
    /// The same for months
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_monthly: usize,
    /// The same for years
    #[arg(long, default_value_t = 0, value_name = "N")]
    keep_yearly: usize,
    /// Keep all that carry this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// Do it; without this, only the plan is shown
    #[arg(long)]
    yes: bool,
}

pub async fn run(args: ForgetArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let plan = plan(&args, &repo).await?;
    let value = json!({
        "remove": plan.remove.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>(),
        "keep": plan.keep.iter().map(|(id, _, why)| json!({"id": id.to_string(), "why": why})).collect::<Vec<_>>(),
    });
    output::print(format, &value, |_| text(&plan))?;
    if !args.yes {
        note!("nothing was removed; repeat with --yes to do it");
        return Ok(Exit::Done);
    }
    let report = forget::execute(&repo, &plan, &job()).await?;
    note!("{} snapshots removed; free their space with `cofferdam repository prune`", report.removed.len());
    if report.later.is_empty() {
        return Ok(Exit::Done);
    }
    note!("{} snapshots are still kept by the store's retention; repeat later", report.later.len());
    Ok(Exit::Warnings)
}

async fn plan(args: &ForgetArgs, repo: &engine::Repo) -> Result<ForgetPlan, Failure> {
    let all = repo.snapshots().await?;
    if !args.snapshots.is_empty() {
        let mut ids = Vec::new();
        for id in &args.snapshots {
            ids.push(find(repo, id).await?.0);
        }
        return Ok(forget::plan_ids(all, &ids)?);
    }
    let rules = KeepRules {
        last: args.keep_last,
        hourly: args.keep_hourly,
        daily: args.keep_daily,
        weekly: args.keep_weekly,
        monthly: args.keep_monthly,
        yearly: args.keep_yearly,
        newer_than: None,
        tags: args.keep_tag.iter().cloned().collect(),
    };
    Ok(forget::plan_rules(all, &rules, &TimeZone::UTC)?)
}

fn text(plan: &ForgetPlan) -> String {
    let row = |id: String, time: jiff::Timestamp, what: String| {
        [id.chars().take(8).collect(), time.strftime("%Y-%m-%d %H:%M:%S").to_string(), what]
    };
    let removed =
        plan.remove.iter().map(|(id, snapshot)| row(id.to_string(), snapshot.time, "remove".to_owned()));
    let kept = plan
        .keep
        .iter()
        .map(|(id, snapshot, why)| row(id.to_string(), snapshot.time, format!("keep: {}", why.join(", "))));
    output::table(["id", "time (utc)", "plan"], removed.chain(kept))
}
