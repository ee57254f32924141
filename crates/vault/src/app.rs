//! What every call works with.

use crate::{
    access::Access,
    accounts::Accounts,
    cluster_link::ClusterLink,
    data_plane::StoredData,
    denials::{Denials, Repeated},
    links::Links,
    manifests::ConnectManifests,
    metrics::Metrics,
    places::Places,
    public_url::PublicUrl,
    seal::Wrapping,
    seldom::Seldom,
    store::Store,
    tokens::Issuer,
    trust::Trust,
    work::Kinds,
};
use crate::{
    api::extensions::Packages,
    protect::{gone::Turns, hold::Holds, prerequisites, quotas::Quotas},
    self_backup,
    webhooks::Webhooks,
};
use identity::RoleDefinition;
use jiff::SignedDuration;
use std::{path::PathBuf, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The parts of a running vault.
#[derive(Debug)]
pub struct App {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Tokens.
    pub issuer: Issuer,
    /// Seals what must not be read in the database.
    pub wrapping: Arc<Wrapping>,
    /// What storage accounts hold.
    pub stored: StoredData,
    /// Who may sign in.
    pub accounts: Accounts,
    /// Issuers outside that the operator trusts.
    pub trust: Trust,
    /// Addresses to which a browser may be sent with an authorization code, besides those of its own machine.
    pub redirects: Vec<String>,
    /// Who may do what with what resources hold.
    pub access: Access,
    /// Denied calls that the audit log counts.
    pub denials: Denials,
    /// What machines are refused in stored data again and again.
    pub refused_again: Repeated,
    /// Grants for looks, of which the audit log has one an hour.
    pub looks: Seldom,
    /// The name under which clients reach it.
    pub public: PublicUrl,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// All roles.
    pub roles: Vec<RoleDefinition>,
    /// The region that the vault says it is in.
    pub location: String,
    /// Scheduled backups begin spread over this time after their slot.
    pub spread: SignedDuration,
    /// What a subscription, a vault and an instance may have and do.
    pub quotas: Quotas,
    /// The extension packages that are offered.
    pub packages: Packages,
    /// Within this time after it appeared, a newer version of an extension is taken by itself.
    pub upgrade_within: SignedDuration,
    /// The directory whose packages are served to agents.
    pub package_directory: Option<PathBuf>,
    /// The connections of clusters to this replica.
    pub links: Arc<Links>,
    /// The way to the clusters.
    pub clusters: Arc<dyn ClusterLink>,
    /// Writes what connects a cluster.
    pub manifests: Arc<dyn ConnectManifests>,
    /// The image of agent and gateway, where the operator chose one.
    pub agent_image: Option<String>,
    /// File with the certificates that clients must trust, PEM.
    pub authorities: PathBuf,
    /// Which of several replicas this is, unique at each start.
    pub replica: String,
    /// Kinds of work besides the vault's own.
    pub kinds: Kinds,
    /// How long work that was claimed is left to a replica that falls silent.
    pub lease: Duration,
    /// How the vault backs itself up.
    pub self_backup: Option<self_backup::work::Running>,
    /// Who is told of alerts.
    pub webhooks: Webhooks,
    /// A cluster that was not heard of for longer than this is gone.
    pub gone_after: SignedDuration,
    /// How often prerequisites are looked at again, and whose cluster is being asked.
    pub prerequisites: prerequisites::Turns,
    /// Who of this replica works in which repository.
    pub turns: Turns,
    /// How many calls are worked on at a time.
    pub places: Places,
    /// In which repositories something must stay.
    pub holds: Holds,
    /// Ends what takes long when the vault is told to stop.
    pub stopping: CancellationToken,
    /// What is counted.
    pub metrics: Metrics,
    /// Wakes the background tasks.
    pub poke: Notify,
    /// Wakes whoever looks for work.
    pub poke_work: Notify,
}
