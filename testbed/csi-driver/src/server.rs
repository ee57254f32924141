//! Serves the driver on its socket and tells kubelet about it.

use crate::faults::FaultsFile;
use crate::ids::Naming;
use crate::pool::Pool;
use crate::proto::csi::controller_server::ControllerServer;
use crate::proto::csi::group_controller_server::GroupControllerServer;
use crate::proto::csi::identity_server::IdentityServer;
use crate::proto::csi::node_server::NodeServer;
use crate::proto::registration::registration_server::RegistrationServer;
use crate::publish::Publisher;
use crate::service::controller::ControllerService;
use crate::service::group::GroupService;
use crate::service::identity::IdentityService;
use crate::service::node::NodeService;
use crate::service::registration::RegistrationService;
use anyhow::Context;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use telemetry::Clock;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

/// Whether the driver can cut snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snapshots {
    /// Snapshots, groups of them, clones, volumes from snapshots.
    Supported,
    /// None of these: the driver neither advertises nor accepts them.
    Unsupported,
}

/// Everything one driver process needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The socket to serve CSI on.
    pub endpoint: PathBuf,
    /// The name under which storage classes find the driver.
    pub driver_name: String,
    /// The name of the node, as kubelet knows it.
    pub node_id: String,
    /// A directory on btrfs; the driver keeps to `<pool>/<driver name>`.
    pub pool: PathBuf,
    /// Kubelet's root directory; nothing outside it is mounted on.
    pub kubelet_root: PathBuf,
    /// Kubelet's plugin registry, when the driver shall register itself.
    pub registration_dir: Option<PathBuf>,
    /// Whether snapshots are supported.
    pub snapshots: Snapshots,
    /// Where planned faults are written.
    pub faults: Option<PathBuf>,
    /// How ids come from names.
    pub naming: Naming,
}

/// Serves until `stop` completes, then removes the sockets, so that kubelet forgets the driver.
pub async fn serve(
    settings: Settings,
    clock: Arc<dyn Clock>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let pool = Pool::open(&settings.pool, &settings.driver_name, settings.naming, Arc::clone(&clock))?;
    let publisher = Publisher::new(pool.clone(), settings.kubelet_root.clone());
    let faults = FaultsFile::new(settings.faults.clone());
    let snapshots = settings.snapshots;

    let mut router = Server::builder()
        .add_service(IdentityServer::new(IdentityService::new(&settings.driver_name, snapshots)))
        .add_service(ControllerServer::new(ControllerService {
            pool: pool.clone(),
            publisher: publisher.clone(),
            faults: faults.clone(),
            clock: Arc::clone(&clock),
            snapshots,
        }))
        .add_service(NodeServer::new(NodeService::new(pool.clone(), publisher, settings.node_id.clone())));
    if snapshots == Snapshots::Supported {
        router = router.add_service(GroupControllerServer::new(GroupService { pool, faults, clock }));
    }

    let (closing, closed) = tokio::sync::watch::channel(());
    let wait = |mut closed: tokio::sync::watch::Receiver<()>| async move {
        // An error means that the sender is gone: time to stop as well.
        drop(closed.changed().await);
    };
    let csi = Socket::bind(&settings.endpoint)?;
    let serving = router.serve_with_incoming_shutdown(csi.stream, wait(closed.clone()));
    let registry = match &settings.registration_dir {
        None => None,
        // Kubelet sends the percent-encoded path as the request's authority, which HTTP libraries
        // accept only before an `@`.
        Some(dir) => Some(Socket::bind(&dir.join(format!("{}@reg.sock", settings.driver_name)))?),
    };
    tracing::info!(driver = settings.driver_name, endpoint = %settings.endpoint.display(), "serving");
    let registering = async {
        let Some(registry) = registry else { return Ok(()) };
        let service = RegistrationService::new(&settings.driver_name, &settings.endpoint);
        let router = Server::builder().add_service(RegistrationServer::new(service));
        let served = router.serve_with_incoming_shutdown(registry.stream, wait(closed)).await;
        drop(registry.file);
        served
    };
    let stopping = async {
        stop.await;
        drop(closing);
        Ok(())
    };
    tokio::try_join!(serving, registering, stopping).context("the driver cannot serve its sockets")?;
    drop(csi.file);
    Ok(())
}

/// A listening socket whose file is removed when it is dropped.
struct Socket {
    stream: UnixListenerStream,
    file: SocketFile,
}

struct SocketFile(PathBuf);

impl Socket {
    /// Listens at `path`; a file that a killed process left there is replaced.
    fn bind(path: &Path) -> anyhow::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("removing the old socket {}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)
            .with_context(|| format!("listening on {} (at most 107 bytes long)", path.display()))?;
        Ok(Self { stream: UnixListenerStream::new(listener), file: SocketFile(path.to_owned()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!(%error, path = %self.0.display(), "the socket stays behind");
        }
    }
}
