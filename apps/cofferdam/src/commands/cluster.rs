//! `cofferdam cluster`: connect clusters to the vault, which sees them as managed clusters.

mod connect;

use crate::{
    cluster::ClusterArgs,
    exit::{Failure, Outcome},
    managed::{Confirm, GroupArg, Kind, Name, Session, SessionArgs},
    output::Format,
};
use arm::ResourceId;
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
    Show(Which),
    /// Disconnect a cluster: its certificates are refused from then on; `connect` brings it back
    Disconnect(Which),
    /// Delete a cluster with its bindings, extensions and identities; what runs in it is left there
    Delete(DeleteArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Only those of this resource group
    #[arg(short = 'g', long = "resource-group", value_name = "NAME")]
    group: Option<String>,
}

#[derive(Debug, Args)]
struct Which {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    group: GroupArg,
}

#[derive(Debug, Args)]
struct DeleteArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    confirm: Confirm,
}

impl Which {
    fn id(&self, session: &Session) -> Result<ResourceId, Failure> {
        session.resource(&self.group.group, CLUSTER, &session.name(self.name.name.as_deref())?)
    }
}

pub async fn run(args: ClusterNounArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let session = Session::open(&args.session, cluster, format)?;
    match args.verb {
        Verb::Connect(args) => connect::run(args, &session, cluster).await,
        Verb::List(args) => {
            let scope = match &args.group {
                Some(group) => session.group(group)?.to_string(),
                None => session.root(),
            };
            session.list(&Kind::CLUSTER, &format!("{scope}/providers/{CLUSTER}")).await
        }
        Verb::Show(which) => session.show(&Kind::CLUSTER, which.id(&session)?.as_str()).await,
        Verb::Disconnect(which) => {
            let id = which.id(&session)?;
            let request = Request::post(format!("{id}/disconnect"), Kind::CLUSTER.version);
            let done = format!("cluster {} is disconnected", id.name());
            session.act("disconnecting", &done, request).await
        }
        Verb::Delete(args) => {
            session.delete(&Kind::CLUSTER, args.which.id(&session)?.as_str(), &args.confirm).await
        }
    }
}
