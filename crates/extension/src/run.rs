//! Runs the extension: health, leadership, one driver per kind, background tasks.

use crate::{
    background,
    backup::Backups,
    context::{Cluster, Config, Context},
    delete_backup::Deletions,
    driver::{Operation, drive},
    events::Events,
    grants::Vault,
    health::{self, Health},
    leader::{Election, Timing},
    locations::Locations,
    restore::Restores,
    turns::Turns,
    validate::Validations,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt, api::ListParams};
use resources::{Backup, ValidateForBackup, ValidateForRestore};
use std::{sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Pause before a cluster that does not answer is asked again.
const PAUSE: Duration = Duration::from_secs(3);

/// Why the extension ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address for health and metrics cannot be used.
    #[error(
        "could not serve health and metrics on {address}: {source}; choose another address with --listen"
    )]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's complaint.
        source: std::io::Error,
    },
    /// Another instance leads now, or the API server could not be reached in time to stay the leader.
    #[error("lost the leadership; the work continues elsewhere, or here after a restart")]
    LostLeadership,
}

/// Runs until `stop` fires. Then applications are thawed, the work is put down, and the Lease given up.
pub async fn run(
    client: Client,
    config: Config,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let health = Arc::new(Health::default());
    let serving = serve(&config, &health, &stop);
    let working = work(client, config.clone(), clock, health.clone(), stop.clone());
    tokio::select! {
        failed = serving => failed,
        ended = working => ended,
    }
}

/// Serves health and metrics; returns only when that fails.
async fn serve(config: &Config, health: &Arc<Health>, stop: &CancellationToken) -> Result<(), RunError> {
    let Some(address) = config.listen else { return std::future::pending().await };
    // Until the process ends: the kubelet shall not see a dead endpoint while work is put down.
    let never = CancellationToken::new();
    match health::serve(address, health.clone(), never).await {
        Err(source) => Err(RunError::Listen { address, source }),
        Ok(()) => {
            stop.cancelled().await;
            std::future::pending().await
        }
    }
}

async fn work(
    client: Client,
    config: Config,
    clock: Arc<dyn Clock>,
    health: Arc<Health>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let Some(cluster) = until_answered(&client, &config.namespace, &stop).await else { return Ok(()) };
    tracing::info!(cluster = cluster.uid, version = cluster.version, namespace = config.namespace, "ready");
    health.set_ready(true);
    let mut election = Election::new(
        client.clone(),
        &config.namespace,
        config.identity.clone(),
        clock.clone(),
        Timing::default(),
    );
    if !election.win(&stop).await {
        return Ok(());
    }
    tracing::info!(identity = config.identity, "leading");
    health.metrics().leader.set(1);
    let vault = config.vault.clone().map(|settings| Arc::new(Vault::new(settings, clock.clone())));
    let locations = Locations::new(client.clone(), &config.namespace, cluster.uid.clone(), clock.clone())
        .with_vault(vault);
    let events = Events::new(client.clone(), &config.identity);
    let grace = config.grace;
    let context = Arc::new(Context {
        client,
        config,
        clock,
        cluster,
        locations,
        events,
        health: health.clone(),
        prune: Notify::new(),
        turns: Turns::default(),
    });

    // The Lease is held until the last task has put down its work.
    let idle = CancellationToken::new();
    let mut tasks = start(&context, &stop);
    let drained = async {
        stop.cancelled().await;
        let drain = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, drain).await.is_err() {
            tracing::warn!("some work could not be put down in time; it continues after a restart");
        }
        idle.cancel();
        std::future::pending::<()>().await
    };
    let held = tokio::select! {
        held = election.hold(&idle) => held,
        () = drained => true,
    };
    health.metrics().leader.set(0);
    if !held {
        // Dropping the tasks ends them where they are: somebody else may be at work already.
        tasks.abort_all();
        return Err(RunError::LostLeadership);
    }
    if let Err(error) = election.release().await {
        tracing::warn!(%error, "could not release the lease; it expires by itself");
    }
    Ok(())
}

fn start(context: &Arc<Context>, stop: &CancellationToken) -> JoinSet<()> {
    let at_once = context.config.at_once;
    let mut tasks = JoinSet::new();
    spawn(&mut tasks, context, Backups::new(context.clone()), at_once.backups, stop);
    spawn(&mut tasks, context, Restores::new(context.clone()), at_once.restores, stop);
    spawn(&mut tasks, context, Deletions::new(context.clone()), at_once.deletions, stop);
    spawn(
        &mut tasks,
        context,
        Validations::<ValidateForBackup>::new(context.clone()),
        at_once.validations,
        stop,
    );
    spawn(
        &mut tasks,
        context,
        Validations::<ValidateForRestore>::new(context.clone()),
        at_once.validations,
        stop,
    );
    background::start(&mut tasks, context, stop);
    tasks
}

fn spawn<O>(
    tasks: &mut JoinSet<()>,
    context: &Arc<Context>,
    operation: O,
    at_once: usize,
    stop: &CancellationToken,
) where
    O: Operation,
    O::Object: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
{
    let api = Api::namespaced(context.client.clone(), &context.config.namespace);
    tasks.spawn(drive(Arc::new(operation), api, at_once, stop.clone()));
}

/// Asks the cluster who it is, and whether our kinds are served, until it answers.
async fn until_answered(client: &Client, namespace: &str, stop: &CancellationToken) -> Option<Cluster> {
    loop {
        match ask(client, namespace).await {
            Ok(cluster) => return Some(cluster),
            Err(error) => tracing::warn!(
                error = crate::api::readable(&error),
                "the cluster is not ready for the extension"
            ),
        }
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn ask(client: &Client, namespace: &str) -> Result<Cluster, kube::Error> {
    let system = Api::<Namespace>::all(client.clone()).get("kube-system").await?;
    let version = client.apiserver_version().await?;
    Api::<Backup>::namespaced(client.clone(), namespace)
        .list_metadata(&ListParams::default().limit(1))
        .await?;
    Ok(Cluster { uid: system.uid().unwrap_or_default(), version: version.git_version })
}
