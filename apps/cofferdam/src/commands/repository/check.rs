//! `cofferdam repository check` and `check-data`.

use super::open::{Place, job};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
};
use clap::Args;
use engine::{CheckReport, Portion, check, check_data};
use serde_json::json;

#[derive(Debug, Args)]
pub struct CheckDataArgs {
    /// Read only one of several equal parts, for example 3/7
    #[arg(long, value_parser = portion, value_name = "PART/PARTS")]
    part: Option<Portion>,
}

pub async fn structure(place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    report(&check(&repo, &job()).await?, format)
}

pub async fn data(args: CheckDataArgs, place: &Place, format: Format) -> Outcome {
    let repo = place.repo().await?;
    let portion = args.part.unwrap_or(Portion::All);
    report(&check_data(&repo, portion, &job()).await?, format)
}

fn report(report: &CheckReport, format: Format) -> Outcome {
    let problems: Vec<String> = report.problems.iter().map(ToString::to_string).collect();
    output::print(format, &json!({"problems": problems}), |_| {
        if problems.is_empty() { "no damage found".to_owned() } else { problems.join("\n") }
    })?;
    if problems.is_empty() {
        Ok(Exit::Done)
    } else {
        Err(Failure::failed("the repository is damaged")
            .next("Do not prune. Restore what is listed as whole, and make a new backup: what is missing from the store and still there is stored again."))
    }
}

fn portion(text: &str) -> Result<Portion, String> {
    let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match parts {
        Some((number, of)) if number >= 1 && number <= of => Ok(Portion::Part { number, of }),
        _ => Err(format!("{text:?} is not of the form 3/7")),
    }
}
