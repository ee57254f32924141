//! `cofferdam roles`: who needs which role where for a backup or a restore, and granting what is missing in one step.
//! Only documented calls of the management API are made, so that it works with a vault and with Azure alike.

mod apply;
mod effective;
mod observe;
mod row;
mod subject;

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    managed::{Session, SessionArgs},
    note,
    output::Format,
};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct RolesArgs {
    #[command(flatten)]
    session: SessionArgs,
    /// Resource manager to ask instead of the one that was signed in to, such as https://management.azure.com; its token
    /// comes in COFFERDAM_ACCESS_TOKEN (`az account get-access-token`)
    #[arg(long, global = true, value_name = "URL")]
    arm: Option<String>,
    /// The only authorities that are trusted to vouch for it, in PEM; those of the system when absent
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show each role that is needed, why, and whether it is there
    Plan(subject::Which),
    /// Grant what is missing, and wait until the vault sees it
    Apply(ApplyArgs),
}

#[derive(Debug, Args)]
struct ApplyArgs {
    #[command(flatten)]
    which: subject::Which,
    /// Grant without asking
    #[arg(short = 'y', long)]
    yes: bool,
}

pub async fn run(args: RolesArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = match &args.arm {
        Some(url) => Session::direct(&args.session, url, args.ca.as_deref(), cluster, format)?,
        None if args.ca.is_some() => {
            return Err(Failure::usage("--ca goes with --arm alone")
                .next("What was signed in to has its authorities from `cofferdam login --ca FILE`."));
        }
        None => Session::open(&args.session, cluster, format)?,
    };
    match args.verb {
        Verb::Plan(which) => plan(&session, &which).await,
        Verb::Apply(args) => apply::run(&session, &args.which, args.yes).await,
    }
}

async fn plan(session: &Session, which: &subject::Which) -> Outcome {
    let subject = which.subject(session).await?;
    let rows = observe::rows(session, &subject).await?;
    row::show(session, &subject.vault, &rows)?;
    if rows.iter().all(|row| row.state.is_met()) {
        note!("all roles are there");
        return Ok(Exit::Done);
    }
    row::hand_over(session, &subject, &rows)?;
    if rows.iter().any(|row| row.is_grantable()) {
        note!("next: grant what you may with `cofferdam roles apply` and the same arguments");
    }
    Ok(Exit::Precondition)
}

/// Something that the plan cannot do without is not there.
fn unmet(message: impl std::fmt::Display, next: &str) -> Failure {
    Failure::precondition(message).next(next)
}
