//! Which protocol a client means, and the TLS that goes with it. One port serves all; only the parts of clusters and other
//! replicas are asked for a certificate, each for one of an authority of its own.

use super::Links;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
};
use std::sync::Arc;
use telemetry::Clock;
use tunnel::tls::{AGENT, GATEWAY, REPLICA, TlsError, Trust, server};

/// What a client means to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The management API and all else that needs no client certificate.
    Management,
    /// An agent's questions.
    Agent,
    /// A gateway's tunnel.
    Gateway,
    /// Another replica's calls.
    Replica,
}

/// The TLS of each protocol.
#[derive(Debug, Clone)]
pub struct Configs {
    management: Arc<ServerConfig>,
    agent: Arc<ServerConfig>,
    gateway: Arc<ServerConfig>,
    links: Arc<Links>,
}

impl Configs {
    /// With one certificate for all but replicas, which have their own, and the authority whose clients are clusters.
    pub fn new(
        management: ServerConfig,
        shown: Arc<dyn ResolvesServerCert>,
        links: Arc<Links>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let authority = Trust::from_pem(links.authority.certificate())?;
        Ok(Self {
            management: Arc::new(management),
            agent: Arc::new(server(shown.clone(), &authority, AGENT, clock.clone())?),
            gateway: Arc::new(server(shown, &authority, GATEWAY, clock)?),
            links,
        })
    }

    /// What the client means.
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Protocol, Arc<ServerConfig>) {
        let names = |protocol: &[u8]| hello.alpn().is_some_and(|mut named| named.any(|one| one == protocol));
        if names(AGENT) {
            (Protocol::Agent, self.agent.clone())
        } else if names(GATEWAY) {
            (Protocol::Gateway, self.gateway.clone())
        } else if names(REPLICA) {
            (Protocol::Replica, self.links.replicas.tls())
        } else {
            (Protocol::Management, self.management.clone())
        }
    }
}
