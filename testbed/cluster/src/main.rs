//! The command line of the testbed.

use std::ffi::OsString;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use testbed::{
    ClusterKind, ClusterName, Doors, Error, Invocation, KubernetesVersion, Layout, Mix, OidcIssuer, PoolKind,
    StoreKind, UpOptions,
};

/// A real Kubernetes cluster from source, for the demo and the tests.
#[derive(Parser)]
#[command(name = "testbed", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build every program into the cache.
    Build {
        /// Velero with its plugin for S3 instead: for the benchmarks, and for stories beside it.
        #[arg(long)]
        velero: bool,
        /// Gatekeeper with its manifest instead: for stories beside it.
        #[arg(long, conflicts_with = "velero")]
        gatekeeper: bool,
    },
    /// Bring a cluster up; continues where an interrupted one stopped.
    Up {
        #[command(flatten)]
        cluster: Cluster,
        /// etcd, API server and controller manager only: no node, no pods.
        #[arg(long, conflicts_with = "foreign_pool")]
        control_plane_only: bool,
        /// Give the cluster a volume pool of its own, so that snapshot handles
        /// of other clusters mean nothing in it.
        #[arg(long)]
        foreign_pool: bool,
        /// The Kubernetes version; others than the default are for control planes only.
        #[arg(long, default_value = "1.35")]
        kubernetes_version: KubernetesVersion,
        #[command(flatten)]
        shut: Shut,
    },
    /// Take a cluster down and remove everything that it made.
    Down {
        #[command(flatten)]
        cluster: Cluster,
        /// Every cluster, every store, the hub and the pool.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Show the clusters of this machine.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run kubectl as the administrator of a cluster.
    Kubectl {
        #[command(flatten)]
        cluster: Cluster,
        /// What kubectl should do.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Print the path of a cluster's kubeconfig.
    Kubeconfig {
        #[command(flatten)]
        cluster: Cluster,
    },
    /// Load a docker or OCI archive into a cluster.
    LoadImage {
        #[command(flatten)]
        cluster: Cluster,
        /// The archive.
        file: PathBuf,
    },
    /// Run a command in the network namespace of a cluster, or of the hub.
    Exec {
        #[command(flatten)]
        cluster: Cluster,
        /// In the hub, where the stores are.
        #[arg(long, conflicts_with = "name")]
        hub: bool,
        /// The command.
        #[arg(trailing_var_arg = true, required = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Fill a cluster with a realistic mix of objects.
    Generate {
        #[command(flatten)]
        cluster: Cluster,
        /// How many.
        #[arg(long)]
        objects: usize,
        /// The namespaces are called this, with a number behind it.
        #[arg(long, default_value = "generated")]
        namespace_prefix: String,
    },
    /// Object stores in the hub.
    Store {
        #[command(subcommand)]
        verb: StoreVerb,
    },
    /// Keep the processes of a cluster running (started by `up`).
    #[command(hide = true)]
    Supervise {
        /// The cluster, or `hub/` and a store.
        name: String,
    },
}

#[derive(Subcommand)]
enum StoreVerb {
    /// Start a store and print how to reach it.
    Up {
        /// Which one.
        kind: StoreKind,
        /// Buckets (containers) to create in it.
        #[arg(long)]
        bucket: Vec<String>,
    },
    /// Stop a store and forget its data.
    Down {
        /// Which one.
        kind: StoreKind,
    },
}

/// Ways into a cluster that are shut from its first moment.
#[derive(clap::Args)]
struct Shut {
    /// The API server listens on an address that exists inside the cluster's own network alone.
    #[arg(long)]
    api_only_inside: bool,
    /// Drop every new connection from outside, to whatever port.
    #[arg(long, conflicts_with = "allow_from")]
    no_inbound: bool,
    /// Only this range of addresses may connect to the API server (repeatable).
    #[arg(long, value_name = "CIDR")]
    allow_from: Vec<String>,
    /// Let connections out to this address and port alone.
    #[arg(long, value_name = "ADDRESS:PORT")]
    egress_only: Option<SocketAddrV4>,
    /// Refuse administrators' certificates; the kubeconfig holds a ServiceAccount's token instead.
    #[arg(long)]
    no_client_certificates: bool,
    /// People sign in with ID tokens of this OpenID Connect issuer, and in no other way.
    #[arg(long, value_name = "URL", requires = "oidc_ca", conflicts_with = "no_client_certificates")]
    oidc_issuer: Option<String>,
    /// What signs the issuer's server certificate, a PEM file.
    #[arg(long, value_name = "FILE", requires = "oidc_issuer")]
    oidc_ca: Option<PathBuf>,
    /// Write every request to the API server to logs/audit.log.
    #[arg(long)]
    audit: bool,
}

impl Shut {
    fn doors(self) -> Result<Doors, Error> {
        let issuer = match (self.oidc_issuer, self.oidc_ca) {
            (Some(url), Some(file)) => {
                let authority = std::fs::read_to_string(&file)
                    .map_err(|error| Error::Usage(format!("cannot read {}: {error}", file.display())))?;
                Some(OidcIssuer { url, authority })
            }
            _ => None,
        };
        Ok(Doors {
            api_only_inside: self.api_only_inside,
            no_inbound: self.no_inbound,
            allow_from: self.allow_from,
            egress_only: self.egress_only,
            no_client_certificates: self.no_client_certificates,
            issuer,
            audit: self.audit,
        })
    }
}

#[derive(clap::Args)]
struct Cluster {
    /// The cluster's name.
    #[arg(long, default_value = "one")]
    name: ClusterName,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().verb).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(verb: Verb) -> Result<ExitCode, Error> {
    let layout = Layout::of_this_machine();
    match verb {
        Verb::Build { velero: true, .. } => {
            println!("{}", testbed::build_velero(&layout).await?.display());
        }
        Verb::Build { gatekeeper: true, .. } => {
            println!("{}", testbed::build_gatekeeper(&layout).await?.display());
        }
        Verb::Build { velero: false, gatekeeper: false } => {
            for (name, path) in testbed::build_everything(&layout).await? {
                println!("{name:24} {}", path.display());
            }
        }
        Verb::Up { cluster, control_plane_only, foreign_pool, kubernetes_version, shut } => {
            let options = UpOptions {
                name: cluster.name,
                kind: kind(control_plane_only, foreign_pool),
                version: kubernetes_version,
                doors: shut.doors()?,
                supervisor: this_program()?,
            };
            let kubeconfig = testbed::up(&layout, &options).await?;
            println!("export KUBECONFIG={}", kubeconfig.display());
        }
        Verb::Down { all: true, .. } => testbed::down_everything(&layout).await?,
        Verb::Down { cluster, .. } => testbed::down(&layout, &cluster.name).await?,
        Verb::Status { json } => print_status(&layout, json)?,
        Verb::Kubectl { cluster, arguments } => {
            let doors = must_run(&layout, &cluster.name)?;
            let binaries = testbed::build(&layout, KubernetesVersion::default(), false).await?;
            let kubectl = Invocation::new(binaries.kubernetes)
                .arg("kubectl")
                .args(arguments)
                .env("KUBECONFIG", layout.cluster(&cluster.name).kubeconfig());
            let kubectl = match doors.shut_to_the_shell() {
                true => kubectl.inside(&layout.cluster(&cluster.name).namespace_file()),
                false => kubectl,
            };
            return kubectl.attached().await.map(exit_code);
        }
        Verb::Kubeconfig { cluster } => {
            println!("{}", layout.cluster(&cluster.name).kubeconfig().display());
        }
        Verb::LoadImage { cluster, file } => {
            must_run(&layout, &cluster.name)?;
            testbed::load_image(&layout, &cluster.name, &file).await?;
        }
        Verb::Exec { cluster, hub, command } => {
            let places = match hub {
                true => layout.hub(),
                false => {
                    must_run(&layout, &cluster.name)?;
                    layout.cluster(&cluster.name)
                }
            };
            let (program, arguments) =
                command.split_first().ok_or_else(|| Error::Usage("name a command".to_owned()))?;
            let inside = Invocation::new(program).args(arguments).inside(&places.namespace_file());
            return inside.attached().await.map(exit_code);
        }
        Verb::Generate { cluster, objects, namespace_prefix } => {
            if must_run(&layout, &cluster.name)?.shut_to_the_shell() {
                return Err(Error::Usage(format!("cluster {} lets nobody in to fill it", cluster.name)));
            }
            let client = testbed::client(&layout.cluster(&cluster.name).kubeconfig()).await?;
            let mix = Mix { objects, namespace_prefix };
            let summary = testbed::generate(&client, &mix).await?;
            for (kind, count) in &summary.created {
                println!("{kind:16} {count}");
            }
            println!(
                "{} already there; {} namespaces; {:.1} s",
                summary.existing,
                summary.namespaces.len(),
                summary.took.as_secs_f32()
            );
        }
        Verb::Store { verb } => store(&layout, verb).await?,
        Verb::Supervise { name } => testbed::supervise(&layout, &name).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn store(layout: &Layout, verb: StoreVerb) -> Result<(), Error> {
    match verb {
        StoreVerb::Up { kind, bucket } => {
            let access = testbed::store_up(layout, kind, &this_program()?).await?;
            for name in &bucket {
                testbed::create_bucket(kind, name).await?;
            }
            println!("endpoint {}", access.endpoint);
            println!("account  {}", access.account);
            println!("key      {}", access.key);
            Ok(())
        }
        StoreVerb::Down { kind } => testbed::store_down(layout, kind).await,
    }
}

/// Refuses a cluster that does not run: without its kubeconfig, kubectl would speak to whatever it finds. Says which
/// ways into it are shut.
fn must_run(layout: &Layout, name: &ClusterName) -> Result<Doors, Error> {
    let clusters = testbed::status(layout)?;
    match clusters.into_iter().find(|cluster| cluster.state.name == *name && cluster.runs()) {
        Some(cluster) => Ok(cluster.state.doors),
        None => {
            Err(Error::Usage(format!("cluster {name} is not up; bring it up with: testbed up --name {name}")))
        }
    }
}

fn kind(control_plane_only: bool, foreign_pool: bool) -> ClusterKind {
    match (control_plane_only, foreign_pool) {
        (true, _) => ClusterKind::ControlPlane,
        (false, true) => ClusterKind::Full(PoolKind::Foreign),
        (false, false) => ClusterKind::Full(PoolKind::Shared),
    }
}

fn print_status(layout: &Layout, json: bool) -> Result<(), Error> {
    let clusters = testbed::status(layout)?;
    if json {
        let text = serde_json::to_string_pretty(&clusters);
        println!("{}", text.map_err(|error| Error::Usage(error.to_string()))?);
        return Ok(());
    }
    if clusters.is_empty() {
        println!("no cluster; start one with: testbed up");
    }
    for cluster in clusters {
        let state = &cluster.state;
        println!("{} ({}, Kubernetes {})", state.name, state.kind, state.version);
        println!("  kubeconfig {}", cluster.kubeconfig.display());
        println!("  logs       {}", cluster.logs.display());
        for (name, pid, restarts) in &cluster.processes {
            let alive = pid.map_or("not running".to_owned(), |pid| format!("pid {pid}"));
            println!("  {name:24} {alive}, {restarts} restarts");
        }
    }
    Ok(())
}

fn this_program() -> Result<PathBuf, Error> {
    std::env::current_exe()
        .map_err(|error| Error::Usage(format!("cannot find this program's own file: {error}")))
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
