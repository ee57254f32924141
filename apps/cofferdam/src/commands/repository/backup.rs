//! `cofferdam repository backup`: saves a directory.

use super::open::{Place, job};
use crate::{
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{BackupOptions, backup};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Directory to save
    source: PathBuf,
    /// Tag of the snapshot, key=value; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Host name that the snapshot shows
    #[arg(long, default_value = "", value_name = "NAME")]
    host: String,
}

pub async fn run(args: BackupArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let options = BackupOptions { source: args.source, time: None, hostname: args.host, tags: args.tag };
    let report = backup(&repo, job(), options).await?;
    let problems: Vec<String> = report.saved.problems.iter().map(output::file_problem).collect();
    let value = json!({
        "problems": problems,
        "snapshot": report.snapshot.to_string(),
        "bytesRead": report.totals.read, "bytesAdded": report.totals.stored,
    });
    output::print(format, &value, |_| {
        let mut text = format!(
            "snapshot {}: {} read, {} more in the repository",
            report.snapshot,
            output::bytes(report.totals.read),
            output::bytes(report.totals.stored)
        );
        for problem in &problems {
            text.push_str(&format!("\nnot saved whole: {problem}"));
        }
        text
    })?;
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Warnings })
}
