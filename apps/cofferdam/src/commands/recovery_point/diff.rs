//! `cofferdam recovery-point diff`: how the objects of two recovery points differ.

use super::{From, open};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Outcome},
    output::{self, Format},
};
use clap::Args;
use extension::{
    difference::{Change, Difference, compare},
    points::OpenPoint,
};

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Id of the older recovery point, or its beginning
    old: String,
    /// Id of the newer recovery point, or its beginning
    new: String,
    #[command(flatten)]
    from: From,
}

pub async fn run(args: DiffArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let repo = args.from.repo(cluster).await?;
    let old: OpenPoint = open(&repo, &args.old, &args.from.location).await?;
    let new: OpenPoint = open(&repo, &args.new, &args.from.location).await?;
    let differences = compare(&old, &new).await?;
    output::print(format, &differences, |differences| {
        if differences.is_empty() {
            return "no difference".to_owned();
        }
        differences.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Done)
}

fn line(difference: &Difference) -> String {
    match &difference.change {
        Change::Added => format!("+ {}", difference.object),
        Change::Removed => format!("- {}", difference.object),
        Change::Changed { fields } => format!("~ {}: {}", difference.object, fields.join(", ")),
        Change::Recreated => format!("~ {}: deleted and created anew, same content", difference.object),
    }
}
