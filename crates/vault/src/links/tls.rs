//! Which protocol a client means, and the TLS that goes with it. One port serves all; only the parts of clusters are asked
//! for a certificate.

use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
};
use std::sync::Arc;
use telemetry::Clock;
use tunnel::tls::{AGENT, GATEWAY, TlsError, Trust, server};

/// What a client means to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The management API and all else that needs no client certificate.
    Management,
    /// An agent's questions.
    Agent,
    /// A gateway's tunnel.
    Gateway,
}

/// The TLS of each protocol.
#[derive(Debug, Clone)]
pub struct Configs {
    management: Arc<ServerConfig>,
    agent: Arc<ServerConfig>,
    gateway: Arc<ServerConfig>,
}

impl Configs {
    /// With one certificate for all, and the authority whose clients are clusters.
    pub fn new(
        management: ServerConfig,
        shown: Arc<dyn ResolvesServerCert>,
        authority: &Trust,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            management: Arc::new(management),
            agent: Arc::new(server(shown.clone(), authority, AGENT, clock.clone())?),
            gateway: Arc::new(server(shown, authority, GATEWAY, clock)?),
        })
    }

    /// What the client means.
    pub fn choose(&self, hello: &ClientHello<'_>) -> (Protocol, Arc<ServerConfig>) {
        let names = |protocol: &[u8]| hello.alpn().is_some_and(|mut named| named.any(|one| one == protocol));
        if names(AGENT) {
            (Protocol::Agent, self.agent.clone())
        } else if names(GATEWAY) {
            (Protocol::Gateway, self.gateway.clone())
        } else {
            (Protocol::Management, self.management.clone())
        }
    }
}
