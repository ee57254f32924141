//! `cofferdam extension`: runs the Backup Extension, in a pod or beside a cluster; with a verb, the extensions that a
//! vault installs in its clusters.

pub mod manage;

use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
};
use clap::Args;
use extension::{
    RunError,
    context::{AtOnce, Config},
    grants::VaultSettings,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use telemetry::SystemClock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

const MIB: u64 = 1024 * 1024;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ExtensionArgs {
    #[command(subcommand)]
    pub verb: Option<manage::ExtensionCommand>,
    /// The product's image, for movers
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Address of /healthz, /readyz and /metrics; not served when absent
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Name of this process in the leader election; made up when absent
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    identity: Option<String>,
    /// Backups at the same time
    #[arg(long, default_value_t = AtOnce::default().backups, value_name = "N")]
    concurrent_backups: usize,
    /// Restores at the same time
    #[arg(long, default_value_t = AtOnce::default().restores, value_name = "N")]
    concurrent_restores: usize,
    /// MiB that one backup may hold in memory
    #[arg(long, default_value_t = 128, value_name = "MIB")]
    memory: u64,
    /// Seconds that the work may take to put itself down after SIGTERM
    #[arg(long, default_value_t = 75, value_name = "SECONDS")]
    grace: u64,
}

pub async fn run(args: ExtensionArgs, cluster: &ClusterArgs) -> Outcome {
    let vault = VaultSettings::from_env(|name| std::env::var(name).ok()).map_err(|error| {
        Failure::precondition(error)
            .next("Install again with every setting vault.*, or unset COFFERDAM_VAULT_URL.")
    })?;
    let client = cluster.client().await?;
    let config = Config {
        vault,
        namespace: cluster.namespace.clone(),
        image: args.image,
        identity: args.identity.unwrap_or_else(made_up),
        listen: args.listen,
        at_once: AtOnce {
            backups: args.concurrent_backups.max(1),
            restores: args.concurrent_restores.max(1),
            ..AtOnce::default()
        },
        memory: args.memory.saturating_mul(MIB),
        grace: Duration::from_secs(args.grace),
    };
    let stop = stop_on_signals()?;
    match extension::run(client, config, Arc::new(SystemClock), stop).await {
        Ok(()) => Ok(Exit::Done),
        Err(error @ RunError::LostLeadership) => {
            Err(Failure::failed(error).next("Nothing to do: the pod restarts by itself."))
        }
        Err(error @ RunError::Listen { .. }) => Err(Failure::precondition(error)
            .next("Name another address with `--listen`, or end the process that has this one.")),
    }
}

/// Unique to this process: two extensions of the same name would both believe to lead.
fn made_up() -> String {
    format!("cofferdam-{:016x}", rand::random::<u64>())
}

/// Fires when the process is asked to end.
pub fn stop_on_signals() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(Failure::failed)?;
        let stop = stop.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                tracing::info!("asked to end; putting down the work");
                stop.cancel();
            }
        });
    }
    Ok(stop)
}
