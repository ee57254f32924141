//! Leader election with a Lease: one extension works, the others wait.

mod decide;

pub use decide::{Decision, Seen, decide};

use jiff::SignedDuration;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::{sync::Arc, time::Duration};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

/// Name of the Lease in the extension's namespace.
pub const LEASE: &str = "cofferdam-extension";

/// How long a record of the Lease is valid, how often it is renewed, and when a holder that could not renew
/// gives up. The holder gives up before anybody else may take over.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Validity of a record.
    pub duration: Duration,
    /// Pause between renewals.
    pub renew: Duration,
    /// A holder without a renewal for this long stops working.
    pub give_up: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            renew: Duration::from_secs(3),
            give_up: Duration::from_secs(10),
        }
    }
}

/// The Lease of one extension.
#[derive(Debug)]
pub struct Election {
    api: Api<Lease>,
    me: String,
    clock: Arc<dyn Clock>,
    timing: Timing,
    last: Option<(Lease, Seen)>,
}

impl Election {
    /// An election in `namespace`; `me` must be unique to this process.
    pub fn new(client: Client, namespace: &str, me: String, clock: Arc<dyn Clock>, timing: Timing) -> Self {
        Self { api: Api::namespaced(client, namespace), me, clock, timing, last: None }
    }

    /// Returns when this process leads, or `false` when `stop` came first.
    pub async fn win(&mut self, stop: &CancellationToken) -> bool {
        loop {
            match self.try_once().await {
                Ok(true) => return true,
                Ok(false) => tracing::debug!("another instance leads"),
                Err(error) => tracing::warn!(%error, "could not read or write the lease"),
            }
            tokio::select! {
                () = stop.cancelled() => return false,
                () = tokio::time::sleep(self.timing.renew) => {}
            }
        }
    }

    /// Renews until leadership is lost (`false`) or `stop` fires (`true`; the Lease is then released).
    pub async fn hold(&mut self, stop: &CancellationToken) -> bool {
        let mut renewed = tokio::time::Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(self.timing.renew) => {}
            }
            match tokio::time::timeout(self.timing.renew, self.try_once()).await {
                Ok(Ok(true)) => renewed = tokio::time::Instant::now(),
                Ok(Ok(false)) => return false,
                Ok(Err(error)) => tracing::warn!(%error, "could not renew the lease"),
                Err(_) => tracing::warn!("renewing the lease took too long"),
            }
            if renewed.elapsed() >= self.timing.give_up {
                return false;
            }
        }
        true
    }

    /// Gives the Lease up so that another instance need not wait for its expiry.
    pub async fn release(&mut self) -> Result<(), kube::Error> {
        let Some((mut lease, seen)) = self.last.take() else { return Ok(()) };
        if seen.holder != self.me {
            return Ok(());
        }
        if let Some(spec) = lease.spec.as_mut() {
            spec.holder_identity = None;
        }
        let name = LEASE;
        self.api.replace(name, &PostParams::default(), &lease).await.map(drop)
    }

    /// One look and at most one write; true when this process leads afterwards.
    async fn try_once(&mut self) -> Result<bool, kube::Error> {
        self.look().await?;
        let decision = decide(self.last.as_ref().map(|(_, seen)| seen), &self.me, self.clock.now());
        let written = match decision {
            Decision::Create => {
                let lease = Lease {
                    metadata: ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
                    spec: Some(self.record(None, 0)),
                };
                self.api.create(&PostParams::default(), &lease).await
            }
            Decision::Take { transitions } => self.write(None, transitions).await,
            Decision::Renew => {
                let (acquired, transitions) = self.held_since();
                self.write(acquired, transitions).await
            }
            Decision::Wait { .. } => return Ok(false),
        };
        match written {
            Ok(lease) => {
                self.remember(lease);
                Ok(true)
            }
            // Somebody was faster: not an error, the next look shows who.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        match self.api.get_opt(LEASE).await? {
            Some(lease) => self.remember(lease),
            None => self.last = None,
        }
        Ok(())
    }

    fn remember(&mut self, lease: Lease) {
        let unchanged = self
            .last
            .as_ref()
            .filter(|(old, _)| old.metadata.resource_version == lease.metadata.resource_version)
            .map(|(_, seen)| seen.since);
        let spec = lease.spec.clone().unwrap_or_default();
        let seen = Seen {
            holder: spec.holder_identity.unwrap_or_default(),
            duration: SignedDuration::from_secs(i64::from(spec.lease_duration_seconds.unwrap_or_default())),
            transitions: spec.lease_transitions.unwrap_or_default(),
            since: unchanged.unwrap_or_else(|| self.clock.now()),
        };
        self.last = Some((lease, seen));
    }

    fn held_since(&self) -> (Option<MicroTime>, i32) {
        let spec = self.last.as_ref().and_then(|(lease, _)| lease.spec.as_ref());
        spec.map_or((None, 0), |spec| (spec.acquire_time.clone(), spec.lease_transitions.unwrap_or_default()))
    }

    async fn write(&self, acquired: Option<MicroTime>, transitions: i32) -> Result<Lease, kube::Error> {
        let metadata = match &self.last {
            Some((lease, _)) => ObjectMeta {
                name: Some(LEASE.to_owned()),
                resource_version: lease.metadata.resource_version.clone(),
                uid: lease.metadata.uid.clone(),
                ..ObjectMeta::default()
            },
            None => ObjectMeta { name: Some(LEASE.to_owned()), ..ObjectMeta::default() },
        };
        let lease = Lease { metadata, spec: Some(self.record(acquired, transitions)) };
        self.api.replace(LEASE, &PostParams::default(), &lease).await
    }

    fn record(&self, acquired: Option<MicroTime>, transitions: i32) -> LeaseSpec {
        let now = MicroTime(self.clock.now());
        LeaseSpec {
            holder_identity: Some(self.me.clone()),
            lease_duration_seconds: Some(i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: Some(acquired.unwrap_or_else(|| now.clone())),
            renew_time: Some(now),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}
