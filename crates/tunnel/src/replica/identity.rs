//! What a replica shows to its like, made anew before it ends.

use super::ReplicaId;
use crate::{
    authority::{Authority, AuthorityError},
    credential::renewal,
    tls::{self, REPLICA, TlsError, Trust, Validity},
};
use jiff::Timestamp;
use parking_lot::Mutex;
use rustls::{ClientConfig, ServerConfig, sign::CertifiedKey, sign::SingleCertAndKey};
use std::sync::Arc;
use telemetry::Clock;

/// Key and certificate of this replica; the key never leaves the process.
pub struct Identity {
    id: ReplicaId,
    authority: Authority,
    trust: Trust,
    clock: Arc<dyn Clock>,
    made: Mutex<Made>,
}

#[derive(Clone)]
struct Made {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    renew_at: Timestamp,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Its certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Its TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Identity {
    /// Of a replica, signed by the authority that all replicas have.
    pub fn new(id: ReplicaId, authority: Authority, clock: Arc<dyn Clock>) -> Result<Self, IdentityError> {
        let trust = Trust::from_pem(authority.certificate())?;
        let made = Mutex::new(make(id, &authority, &trust, &clock)?);
        Ok(Self { id, authority, trust, clock, made })
    }

    /// Whose it is.
    pub fn id(&self) -> ReplicaId {
        self.id
    }

    /// The listening end: a certificate of the replicas' authority is required.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.current().server
    }

    /// The dialling end: the other one must show a certificate of the same authority.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.current().client
    }

    fn current(&self) -> Made {
        let mut made = self.made.lock();
        if self.clock.now() >= made.renew_at {
            match make(self.id, &self.authority, &self.trust, &self.clock) {
                Ok(fresh) => *made = fresh,
                Err(error) => tracing::error!(%error, "could not make a new certificate for other replicas"),
            }
        }
        made.clone()
    }
}

fn make(
    id: ReplicaId,
    authority: &Authority,
    trust: &Trust,
    clock: &Arc<dyn Clock>,
) -> Result<Made, IdentityError> {
    let now = clock.now();
    let (pair, until) = authority.replica(id, now)?;
    let (chain, key) = tls::own(&pair.certificate, &pair.key)?;
    let shown = CertifiedKey::from_der(chain, key, &tls::provider()).map_err(TlsError::from)?;
    let shown = Arc::new(SingleCertAndKey::from(shown));
    let own = tls::own(&pair.certificate, &pair.key)?;
    Ok(Made {
        server: Arc::new(tls::server(shown, trust, REPLICA, clock.clone())?),
        client: Arc::new(tls::client_of(trust, Some(own), REPLICA, clock.clone())?),
        renew_at: renewal(Validity { from: now, until }),
    })
}
