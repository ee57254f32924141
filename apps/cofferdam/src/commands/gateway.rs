//! `cofferdam gateway`: carries the vault's requests to the API server under Trusted Access.

use crate::{
    cluster::ClusterArgs,
    commands::extension::stop_on_signals,
    exit::{Exit, Failure, Outcome},
};
use clap::Args;
use gateway::{Config, RunError};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};
use telemetry::SystemClock;

/// `--namespace`, which all commands have, is that of the Secret with the gateway's credential here.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// URL of the vault
    #[arg(long, value_name = "URL")]
    vault: String,
    /// Certificate authorities of the vault (and of an egress proxy that is reached over TLS), PEM
    #[arg(long, value_name = "FILE")]
    vault_ca: PathBuf,
    /// Certificate authorities of an egress proxy that is reached over TLS, PEM; they count for the proxy alone
    #[arg(long, value_name = "FILE")]
    proxy_ca: Option<PathBuf>,
    /// One-time token of the connection; may be missing once the gateway has enrolled
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Address of /healthz and /readyz; not served when absent
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub async fn run(args: GatewayArgs, cluster: &ClusterArgs) -> Outcome {
    let config = Config {
        vault: args.vault,
        authorities: args.vault_ca,
        proxy_authorities: args.proxy_ca,
        namespace: cluster.namespace.clone(),
        token: args.token_file,
        listen: args.listen,
    };
    let stop = stop_on_signals()?;
    gateway::run(cluster.config().await?, config, Arc::new(SystemClock), stop).await.map_err(failure)?;
    Ok(Exit::Done)
}

/// What the operator must put right is a precondition.
fn failure(error: RunError) -> Failure {
    let next = match &error {
        RunError::Authorities { .. } | RunError::Trust(_) => {
            "Name the file with the vault's certificate authorities with `--vault-ca`."
        }
        RunError::Vault(_) => "Name the vault's public URL with `--vault`.",
        RunError::Listen { .. } => {
            "Name another address with `--listen`, or end the process that has this one."
        }
        RunError::Cluster(_) => "Check the kubeconfig, or in a pod its ServiceAccount.",
    };
    Failure::precondition(error).next(next)
}
