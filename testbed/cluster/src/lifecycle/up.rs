//! Brings a cluster up. Every step looks first whether it is done, so that the
//! same command continues after an interruption and is quick when all is there.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::build::{self, BuiltBinaries, NodeBinaries};
use crate::components::{self, Parts};
use crate::doors::Doors;
use crate::layout::Places;
use crate::state::{self, ClusterKind, ClusterState, Lock, PoolKind};
use crate::supervisor::{self, Process};
use crate::{
    AddressPlan, api, certificates, configs, driver, images, manifests, network, packages, pool, sign_in,
};
use crate::{ClusterName, Error, KubernetesVersion, Layout};

/// How long a cluster may take to become ready, on a machine busy with other builds.
const PATIENCE: Duration = Duration::from_secs(180);
const DRIVERS: usize = 2;

/// What kind of cluster is wanted.
#[derive(Debug, Clone)]
pub struct UpOptions {
    /// Its name.
    pub name: ClusterName,
    /// How much of it.
    pub kind: ClusterKind,
    /// The Kubernetes version.
    pub version: KubernetesVersion,
    /// Which ways in are shut, and who may sign in.
    pub doors: Doors,
    /// The `testbed` program, which stays behind as the cluster's supervisor.
    pub supervisor: PathBuf,
}

/// Brings the cluster up and returns the path of its kubeconfig.
pub async fn up(layout: &Layout, options: &UpOptions) -> Result<PathBuf, Error> {
    packages::ensure_packages().await?;
    packages::ensure_root()?;
    let full = matches!(options.kind, ClusterKind::Full(_));
    if full && !options.version.runs_nodes() {
        return Err(Error::Usage(
            "this Kubernetes version runs control planes only; add --control-plane-only".to_owned(),
        ));
    }
    let binaries = build::build(layout, options.version, full).await?;
    let crds = match full {
        true => build::snapshot_crds().await?,
        false => Vec::new(),
    };
    let started = Instant::now();
    let step = |text: &str| println!("{:5.1} s  {text}", started.elapsed().as_secs_f32());

    let places = layout.cluster(&options.name);
    let _one_change_at_a_time = Lock::take(&change_lock(layout, &options.name)).await?;
    let (state, pool) = reserve(layout, options).await?;
    let addresses = state.addresses()?;
    network::ensure_cluster(layout, &places, addresses, &state.doors).await?;
    step("network namespace, plugged into the hub");

    let node = state.node();
    certificates::write(&places.pki(), addresses, &node)?;
    configs::write(&places, addresses, &state.doors)?;
    let (doors, kubernetes) = (&state.doors, &binaries.kubernetes);
    let parts = Parts { places: &places, addresses, doors, node: &node, kubernetes };
    let processes = processes(&parts, &binaries, pool).await?;
    let program = &options.supervisor;
    supervisor::launch(program, options.name.as_str(), &places, &processes).await?;
    step("processes started");

    let crds = full.then_some(crds);
    let settling = Settling { places: places.clone(), state, addresses, crds, started };
    // Whatever is shut, the API server can be reached from the cluster's own network.
    network::from_inside(&places, || settling.run()).await?;
    Ok(places.kubeconfig())
}

/// What is left when the processes have been started.
struct Settling {
    places: Places,
    state: ClusterState,
    addresses: AddressPlan,
    /// The types of the snapshot API, for a cluster with a node.
    crds: Option<Vec<String>>,
    started: Instant,
}

impl Settling {
    async fn run(self) -> Result<(), Error> {
        let Self { places, state, addresses, .. } = &self;
        let client = api::client(&places.own_kubeconfig()).await?;
        api::ready(&client, PATIENCE, &places.logs()).await?;
        self.step("API server ready");
        if let Some(crds) = &self.crds {
            let objects = manifests::full_cluster(*addresses, crds)?;
            api::apply(&client, &objects, PATIENCE).await?;
            api::served(&client, &objects, PATIENCE, &places.logs()).await?;
            state::write(&components::manifests_applied(places), b"")?;
            self.step("storage classes, snapshot types and name service applied");
            images::load_pause(places).await?;
            api::node_ready(&client, &state.node(), DRIVERS, PATIENCE, &places.logs()).await?;
            self.step("node ready, CSI drivers registered");
        }
        if state.doors.refuse_certificates() {
            sign_in::refuse_certificates(&client, places, *addresses, &state.doors, PATIENCE).await?;
            self.step("certificates of administrators refused");
        }
        Ok(())
    }

    fn step(&self, text: &str) {
        println!("{:5.1} s  {text}", self.started.elapsed().as_secs_f32());
    }
}

/// Held while one cluster goes up or down.
pub(super) fn change_lock(layout: &Layout, name: &ClusterName) -> PathBuf {
    layout.run().join(format!("{name}.lock"))
}

/// Gives the cluster its number and makes what it shares with others.
async fn reserve(layout: &Layout, options: &UpOptions) -> Result<(ClusterState, Option<PathBuf>), Error> {
    let _alone = Lock::take(&layout.shared_lock()).await?;
    let places = layout.cluster(&options.name);
    let known = state::clusters(layout)?;
    let state = match known.get(&options.name) {
        Some(state)
            if state.kind == options.kind
                && state.version == options.version
                && state.doors == options.doors =>
        {
            state.clone()
        }
        Some(_) => {
            return Err(Error::Usage(format!(
                "cluster {0} runs as another kind; take it down first: testbed down --name {0}",
                options.name
            )));
        }
        None => {
            let taken: Vec<u8> = known.values().map(|state| state.number).collect();
            let number = state::number_for(&options.name, &taken)
                .ok_or_else(|| Error::Usage("all cluster numbers are taken".to_owned()))?;
            // Left behind by a reboot: nothing in it belongs to a cluster that runs.
            super::down::remove_files(&places).await?;
            let new = ClusterState {
                name: options.name.clone(),
                number,
                kind: options.kind,
                version: options.version,
                doors: options.doors.clone(),
            };
            state::save(&places.state(), &new)?;
            new
        }
    };
    std::fs::create_dir_all(&places.data).map_err(Error::file("create", &places.data))?;
    network::ensure_hub(layout).await?;
    let pool = match state.kind {
        ClusterKind::ControlPlane => None,
        ClusterKind::Full(PoolKind::Shared) => {
            pool::ensure(&layout.shared_pool_image(), &layout.shared_pool()).await?;
            Some(layout.shared_pool())
        }
        ClusterKind::Full(PoolKind::Foreign) => {
            let directory = places.data.join("pool");
            pool::ensure(&places.data.join("pool.img"), &directory).await?;
            Some(directory)
        }
    };
    Ok((state, pool))
}

async fn processes(
    parts: &Parts<'_>,
    binaries: &BuiltBinaries,
    pool: Option<PathBuf>,
) -> Result<Vec<Process>, Error> {
    let mut processes = components::control_plane(parts);
    if let (Some(programs), Some(pool)) = (&binaries.node, pool) {
        let driver = parts.places.data.join("csi-driver");
        driver::install(&driver).await?;
        prepare_node(parts.places, programs)?;
        processes.extend(components::node(parts, programs));
        processes.extend(components::storage(parts, programs, &driver, &pool));
    }
    Ok(processes)
}

/// Directories that drivers expect before kubelet has made them.
fn prepare_node(places: &Places, _: &NodeBinaries) -> Result<(), Error> {
    let registry = places.kubelet().join("plugins_registry");
    std::fs::create_dir_all(&registry).map_err(Error::file("create", &registry))
}
