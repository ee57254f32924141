//! `cofferdam cluster`: connect clusters to the vault, which sees them as managed clusters.

mod compare;
mod connect;
mod manifest;
mod update;
mod wish;

use crate::{
    cluster::ClusterArgs,
    exit::Outcome,
    managed::{Deletion, InGroup, Kind, ListArgs, Session, SessionArgs},
    output::Format,
};
use clap::{Args, Subcommand};
use management::Request;

/// Type of clusters.
const CLUSTER: &str = "Microsoft.ContainerService/managedClusters";

#[derive(Debug, Args)]
pub struct ClusterNounArgs {
    #[command(flatten)]
    session: SessionArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Connect a cluster: print the manifest for it, or apply it
    Connect(connect::ConnectArgs),
    /// List clusters
    List(ListArgs),
    /// Show one
    Show(InGroup),
    /// Change the identity with which a cluster acts, or its tags
    Update(update::UpdateArgs),
    /// Disconnect a cluster: its certificates are refused from then on; `connect` brings it back
    Disconnect(InGroup),
    /// Delete a cluster with its bindings, extensions and identities; what runs in it is left there
    Delete(Deletion<InGroup>),
}

pub async fn run(args: ClusterNounArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Connect(args) => connect::run(args, &session, cluster).await,
        Verb::List(args) => session.list(&Kind::CLUSTER, &args.path(&session, CLUSTER)?).await,
        Verb::Show(which) => session.show(&Kind::CLUSTER, which.id(&session, CLUSTER)?.as_str()).await,
        Verb::Update(args) => update::run(args, &session).await,
        Verb::Disconnect(which) => {
            let id = which.id(&session, CLUSTER)?;
            let request = Request::post(format!("{id}/disconnect"), Kind::CLUSTER.version);
            let done = format!("cluster {} is disconnected", id.name());
            session.act("disconnecting", &done, request).await
        }
        Verb::Delete(args) => {
            session.delete(&Kind::CLUSTER, args.which.id(&session, CLUSTER)?.as_str(), &args.confirm).await
        }
    }
}
