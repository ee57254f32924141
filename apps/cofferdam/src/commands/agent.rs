//! `cofferdam agent`: installs extensions into the cluster that it runs in. It has a thread and a few MiB.

use crate::{
    cluster::ClusterArgs,
    commands::extension::stop_on_signals,
    exit::{Exit, Failure, Outcome},
};
use agent::{Settings, StartError};
use clap::Args;
use std::{path::PathBuf, sync::Arc};
use telemetry::SystemClock;

#[derive(Debug, Args)]
pub struct AgentArgs {
    /// URL of the vault
    #[arg(long, value_name = "URL")]
    vault: String,
    /// The certificate authorities of the vault, PEM
    #[arg(long, value_name = "FILE")]
    vault_ca: PathBuf,
    /// Certificate authorities of an egress proxy that is reached over TLS, PEM; they count for the proxy alone
    #[arg(long, value_name = "FILE")]
    proxy_ca: Option<PathBuf>,
    /// The one-time token; needed only until the agent has a certificate
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The keys that packages must be signed with, and for which types
    #[arg(long, value_name = "FILE")]
    trust: PathBuf,
    /// A registry that packages may come from; may be repeated
    #[arg(long = "registry", value_name = "URL")]
    registries: Vec<String>,
    /// Certificate authorities of the registries beside those of the system, PEM
    #[arg(long, value_name = "FILE")]
    registry_ca: Option<PathBuf>,
}

pub async fn run(args: AgentArgs, cluster: &ClusterArgs) -> Outcome {
    let client = cluster.client().await?;
    let settings = Settings {
        vault: args.vault,
        authorities: args.vault_ca,
        proxy_authorities: args.proxy_ca,
        namespace: cluster.namespace.clone(),
        token: args.token_file,
        trust: args.trust,
        registries: args.registries,
        registry_authorities: args.registry_ca,
    };
    let stop = stop_on_signals()?;
    match agent::start(client, settings, Arc::new(SystemClock), stop).await {
        Ok(()) => Ok(Exit::Done),
        Err(error @ StartError::Work(_)) => {
            Err(Failure::failed(error).next("Nothing to do: the pod restarts by itself."))
        }
        Err(error) => Err(Failure::precondition(error)
            .next("Apply the manifest of the connection again: `cofferdam cluster connect`.")),
    }
}
