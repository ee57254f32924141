//! `cofferdam cluster update`: the identity with which a cluster acts, and its tags.

use crate::{
    commands::location::setting,
    exit::{Failure, Outcome},
    managed::{CLUSTER, InGroup, Kind, Session, pairs, resource_id},
};
use arm::ResourceId;
use clap::Args;
use management::build::cluster::{Managed, update};

#[derive(Debug, Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    which: InGroup,
    /// Act with a managed identity: one of its own, or the one of --assign-identity
    #[arg(long)]
    enable_managed_identity: bool,
    /// User-assigned identity to act with, by id
    #[arg(long, requires = "enable_managed_identity", value_parser = resource_id, value_name = "ID")]
    assign_identity: Option<ResourceId>,
    /// Tags, as key=value, instead of those that it has
    #[arg(long, num_args = 1.., value_parser = setting, value_name = "KEY=VALUE")]
    tags: Vec<(String, String)>,
}

pub async fn run(args: UpdateArgs, session: &Session) -> Outcome {
    let tags = if args.tags.is_empty() { None } else { Some(pairs(&args.tags)?) };
    if !args.enable_managed_identity && tags.is_none() {
        return Err(Failure::usage("nothing is to be changed")
            .next("Write `--enable-managed-identity`, or `--tags KEY=VALUE`."));
    }
    let id = args.which.id(session, CLUSTER)?;
    let found = session.client.get(id.as_str(), Kind::CLUSTER.version).await?;
    let user = args.assign_identity.as_ref();
    let identity = args.enable_managed_identity.then(|| user.map_or(Managed::System, Managed::User));
    session.change(&Kind::CLUSTER, update(id.as_str(), &found, identity, tags)).await
}
