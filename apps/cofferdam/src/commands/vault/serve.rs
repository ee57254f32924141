//! `cofferdam vault serve`.

use super::{
    backups::ScheduleArgs,
    credential::hand_over,
    file::{FileSettings, parsed},
    left::GoneAfter,
    looks::LookArgs,
    packages::{Watched, Within},
    place::{Place, PlaceArgs},
    quotas::QuotaArgs,
    sign_in::SignInArgs,
    webhooks,
};
use crate::{
    commands::extension::stop_on_signals,
    exit::{Exit, Failure, Outcome},
    note,
};
use clap::Args;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use telemetry::SystemClock;
use vault::{
    api::extensions::{Catalogue, PackageSource},
    directory::DataDirectory,
    forwarded::Network,
    links::ReplicaAddress,
    public_url::PublicUrl,
    server::{CertificateFiles, Config, Limits, ServeError, Vault},
    stores::StoreSpec,
};

/// Where the first administrator's credential goes when there is no terminal.
const ADMINISTRATOR: &str = "administrator.json";
const GRACE: u64 = 20;
/// What makes sense as a number of connections.
const MOST_CONNECTIONS: std::ops::RangeInclusive<usize> = 16..=1_000_000;
/// Descriptors beside those of connections: databases, stores, files.
const SPARE_DESCRIPTORS: u64 = 1_024;

#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Address and port to listen on; 127.0.0.1:8443 when absent
    #[arg(long, env = "COFFERDAM_VAULT_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Address and port where other replicas reach this one; where it listens when absent, unless that is every address
    #[arg(long, env = "COFFERDAM_VAULT_REPLICA_ADDRESS", value_name = "HOST:PORT")]
    replica_address: Option<ReplicaAddress>,
    /// Name under which clients reach the vault; https://localhost and the port when absent
    #[arg(long, env = "COFFERDAM_VAULT_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// Id of the subscription that the first start makes; made up when absent
    #[arg(long, env = "COFFERDAM_VAULT_SUBSCRIPTION", value_name = "GUID")]
    subscription: Option<uuid::Uuid>,
    /// Region that the vault says it is in; local when absent
    #[arg(long, env = "COFFERDAM_VAULT_LOCATION", value_name = "NAME")]
    location: Option<String>,
    /// Seconds over which scheduled backups begin after their slot, each instance always at its own; 120 when absent
    #[arg(long, env = "COFFERDAM_VAULT_SCHEDULE_SPREAD", value_name = "SECONDS")]
    schedule_spread: Option<u64>,
    /// How long a cluster may be silent before it is gone and the vault deletes its recovery points itself, where they lie in
    /// a storage account of the vault, such as 30d or 720h; 30d when absent
    #[arg(long, env = "COFFERDAM_VAULT_CLUSTER_GONE_AFTER", value_name = "DURATION")]
    cluster_gone_after: Option<GoneAfter>,
    /// Seconds that calls under way may take to end after SIGTERM; 20 when absent
    #[arg(long, env = "COFFERDAM_VAULT_GRACE", value_name = "SECONDS")]
    grace: Option<u64>,
    /// Connections at a time, of agents, gateways and clients together; 16384 when absent. Each needs a file descriptor, so
    /// the limit of the process is raised as far as the system allows
    #[arg(long, env = "COFFERDAM_VAULT_CONNECTIONS", value_name = "NUMBER")]
    connections: Option<usize>,
    /// Certificate chain to show (PEM), read again when it changes; made by the vault's own authority when absent
    #[arg(long, env = "COFFERDAM_VAULT_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// Private key of that certificate (PEM)
    #[arg(long, env = "COFFERDAM_VAULT_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// Network of reverse proxies whose X-Forwarded-For is believed; may be given several times
    #[arg(long, env = "COFFERDAM_VAULT_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    trusted_proxy: Vec<Network>,
    /// Address and port where metrics are served over plain HTTP, without a token; nowhere when absent
    #[arg(long, env = "COFFERDAM_VAULT_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// Store for the data of storage accounts: NAME=URL with file:///DIR, s3://BUCKET/PREFIX, az://ACCOUNT/CONTAINER/PREFIX
    /// or gs://BUCKET/PREFIX; may be given several times. The store `default` is in the data directory unless it is named
    #[arg(long, env = "COFFERDAM_VAULT_STORES", value_name = "NAME=URL", value_delimiter = ' ')]
    store: Vec<StoreSpec>,
    /// Image of agent and gateway in the manifest that connects a cluster; the program's own when absent
    #[arg(long, env = "COFFERDAM_VAULT_AGENT_IMAGE", value_name = "REFERENCE")]
    agent_image: Option<String>,
    /// Directory of the extension packages that are offered and served, as `cofferdam extension-package build` writes it
    #[arg(long, env = "COFFERDAM_VAULT_PACKAGES", value_name = "DIR")]
    packages: Option<PathBuf>,
    /// Within this time after a newer version of an extension lies in that directory it is taken, where the extension's owner
    /// wants that, such as 1h or 30m; 1h when absent
    #[arg(long, env = "COFFERDAM_VAULT_EXTENSION_UPGRADES", value_name = "DURATION")]
    extension_upgrades: Option<Within>,
    /// File with the receivers of webhooks, to which alerts are told (YAML: a list of `name`, `url`, `secret-file`, …)
    #[arg(long, env = "COFFERDAM_VAULT_WEBHOOKS", value_name = "FILE")]
    webhooks: Option<PathBuf>,
    #[command(flatten)]
    backups: ScheduleArgs,
    #[command(flatten)]
    sign_in: SignInArgs,
    #[command(flatten)]
    quotas: QuotaArgs,
    #[command(flatten)]
    looks: LookArgs,
}

impl ServeArgs {
    fn config(self) -> Result<Config, Failure> {
        let (Place { data, database, wrapping_key, customer_keys }, mut file) = self.place.resolve()?;
        let self_backup = self.backups.resolve(&mut file)?;
        let people = self.sign_in.resolve(&mut file)?;
        let quotas = self.quotas.resolve(&file)?;
        let prerequisites = self.looks.resolve(&mut file)?;
        let FileSettings {
            listen,
            replica_address,
            public_url,
            subscription,
            location,
            grace,
            connections,
            tls_certificate,
            tls_key,
            trusted_proxies,
            metrics_listen,
            agent_image,
            stores,
            schedule_spread,
            cluster_gone_after,
            packages: offered,
            extension_upgrades,
            webhooks,
            ..
        } = file;
        let defaults = Config::at(data);
        let certificate = match (self.tls_certificate.or(tls_certificate), self.tls_key.or(tls_key)) {
            (Some(certificate), Some(key)) => Some(CertificateFiles { certificate, key }),
            (None, None) => None,
            _ => {
                return Err(Failure::usage("a certificate needs its key, and a key its certificate")
                    .next("Pass --tls-certificate and --tls-key together."));
            }
        };
        let mut proxies = self.trusted_proxy;
        if proxies.is_empty() {
            for one in trusted_proxies.unwrap_or_default() {
                proxies.extend(parsed::<Network>("trusted-proxies", Some(one))?);
            }
        }
        let mut specs = self.store;
        if specs.is_empty() {
            for one in stores.unwrap_or_default() {
                specs.extend(parsed::<StoreSpec>("stores", Some(one))?);
            }
        }
        let grace = self.grace.or(grace).unwrap_or(GRACE);
        let listen = self.listen.or(parsed("listen", listen)?).unwrap_or(defaults.listen);
        let public = self.public_url.or(parsed("public-url", public_url)?);
        let directory = self.packages.or(offered);
        let mut packages = Catalogue::default();
        let mut manifests = defaults.manifests.clone();
        let mut source = None;
        if let Some(directory) = &directory {
            let public = public.clone().unwrap_or_else(|| PublicUrl::localhost(listen.port()));
            let watched = Arc::new(Watched::read(directory, public.authority())?);
            packages = watched.catalogue();
            source = Some(watched.clone() as Arc<dyn PackageSource>);
            manifests = watched;
        }
        let webhooks = match self.webhooks.or(webhooks) {
            Some(path) => webhooks::receivers(&path)?,
            None => Vec::new(),
        };
        Ok(Config {
            webhooks,
            listen,
            replica_address: self.replica_address.or(parsed("replica-address", replica_address)?),
            public,
            packages,
            package_source: source,
            upgrade_within: self
                .extension_upgrades
                .or(parsed("extension-upgrades", extension_upgrades)?)
                .map_or(defaults.upgrade_within, |within| within.0),
            package_directory: directory,
            manifests,
            subscription: self.subscription.or(parsed("subscription", subscription)?),
            location: self.location.or(location).unwrap_or_else(|| defaults.location.clone()),
            limits: limits(grace, self.connections.or(connections))?,
            spread: self.schedule_spread.or(schedule_spread).map_or(defaults.spread, Duration::from_secs),
            database,
            wrapping_key,
            customer_keys,
            certificate,
            trusted_proxies: proxies,
            people,
            cluster_gone_after: self
                .cluster_gone_after
                .or(parsed("cluster-gone-after", cluster_gone_after)?)
                .map_or(defaults.cluster_gone_after, |after| after.0),
            prerequisites,
            quotas,
            stores: specs,
            self_backup: Some(self_backup),
            metrics: self.metrics_listen.or(parsed("metrics-listen", metrics_listen)?),
            agent_image: self.agent_image.or(agent_image),
            ..defaults
        })
    }
}

pub async fn run(args: ServeArgs) -> Outcome {
    let config = args.config()?;
    let data = config.data.clone();
    let stop = stop_on_signals()?;
    raise_descriptors(config.limits.connections);
    let mut vault = Vault::open(config, Arc::new(SystemClock)).await.map_err(failure)?;
    if let Some(credential) = vault.take_first() {
        let directory = DataDirectory::open(&data).map_err(Failure::precondition)?;
        hand_over(&credential, &directory, ADMINISTRATOR, Some(vault.public().origin()))?;
    }
    note!("the vault answers at {}; clients must trust {}", vault.public(), vault.ca().display());
    vault.serve(stop).await.map_err(failure)?;
    Ok(Exit::Done)
}

/// What one client, and all together, may take.
fn limits(grace: u64, connections: Option<usize>) -> Result<Limits, Failure> {
    let usual = Limits { drain: Duration::from_secs(grace), ..Limits::default() };
    match connections {
        None => Ok(usual),
        Some(connections) if MOST_CONNECTIONS.contains(&connections) => Ok(Limits { connections, ..usual }),
        Some(connections) => {
            let (least, most) = (MOST_CONNECTIONS.start(), MOST_CONNECTIONS.end());
            Err(Failure::usage(format!("connections must be {least} to {most}, not {connections}"))
                .next("Choose another number with --connections."))
        }
    }
}

/// The usual limit of a session is 1,024 descriptors, which is less than a vault has connections.
fn raise_descriptors(connections: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let is = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(SPARE_DESCRIPTORS);
    let possible = is.maximum.map_or(wanted, |most| most.min(wanted));
    if is.current.is_some_and(|current| current < possible)
        && let Err(error) =
            setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum: is.maximum })
    {
        tracing::warn!(%error, "could not raise the limit of file descriptors");
    }
    if is.maximum.is_some_and(|most| most < wanted) {
        tracing::warn!(
            possible,
            connections,
            "the system allows fewer file descriptors than connections: raise LimitNOFILE= or ulimit -Hn"
        );
    }
}

/// What the operator must put right is a precondition; all else has failed.
pub fn failure(error: ServeError) -> Failure {
    match error {
        ServeError::Directory(_)
        | ServeError::Listen { .. }
        | ServeError::Bootstrap(_)
        | ServeError::Stores(_)
        | ServeError::Rewrap(_)
        | ServeError::Pki(_)
        | ServeError::Trust(_)
        | ServeError::Webhooks(_)
        | ServeError::Seal(_) => Failure::precondition(error),
        error => Failure::failed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_has_room_for_ten_thousand_agents_unless_its_operator_says_less() {
        let usual = limits(GRACE, None).unwrap();
        let chosen = limits(5, Some(2_000)).unwrap();
        let none = limits(5, Some(0)).unwrap_err();

        assert!(usual.connections > 10_000, "{usual:?}");
        assert_eq!((chosen.connections, chosen.drain), (2_000, Duration::from_secs(5)));
        assert!(none.message().contains("connections must be 16 to 1000000, not 0"), "{none}");
    }
}
