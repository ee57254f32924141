//! The command line of the testbed's CSI driver.

use clap::{Parser, ValueEnum};
use csi_driver::ids::Naming;
use csi_driver::server::{Settings, Snapshots, serve};
use std::path::PathBuf;
use std::sync::Arc;
use telemetry::{LogFormat, SystemClock, init_logging};
use tokio::signal::unix::{SignalKind, signal};

/// A CSI driver on a btrfs pool, for the testbed's clusters.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The socket to serve CSI on, as /path or unix:///path.
    #[arg(long)]
    endpoint: String,
    /// The name under which storage classes find the driver.
    #[arg(long)]
    driver_name: String,
    /// The name of the node, as kubelet knows it.
    #[arg(long)]
    node_id: String,
    /// A directory on btrfs. Drivers of one name share what is in it.
    #[arg(long)]
    pool: PathBuf,
    /// Kubelet's root directory; nothing outside it is mounted on.
    #[arg(long, default_value = "/var/lib/kubelet")]
    kubelet_root: PathBuf,
    /// Kubelet's plugin registry. Without it the driver does not register.
    #[arg(long)]
    registration_dir: Option<PathBuf>,
    /// Support no snapshots, groups or clones.
    #[arg(long)]
    no_snapshots: bool,
    /// A JSON file of planned faults, read again at every call; it need not exist.
    #[arg(long)]
    faults_file: Option<PathBuf>,
    /// Misbehave, to prove that the tests notice.
    #[arg(long, hide = true)]
    planted_defect: Option<PlantedDefect>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PlantedDefect {
    /// A repeated create makes a second object.
    NotIdempotent,
}

impl From<Args> for Settings {
    fn from(args: Args) -> Self {
        Self {
            endpoint: args.endpoint.strip_prefix("unix://").unwrap_or(&args.endpoint).into(),
            driver_name: args.driver_name,
            node_id: args.node_id,
            pool: args.pool,
            kubelet_root: args.kubelet_root,
            registration_dir: args.registration_dir,
            snapshots: if args.no_snapshots { Snapshots::Unsupported } else { Snapshots::Supported },
            faults: args.faults_file,
            naming: match args.planted_defect {
                None => Naming::FromName,
                Some(PlantedDefect::NotIdempotent) => Naming::Random,
            },
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    init_logging(LogFormat::Text, "info");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve(Args::parse().into(), Arc::new(SystemClock), stop).await
}
