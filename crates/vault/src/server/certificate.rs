//! The certificate that is shown to clients, renewed while the server runs.

use crate::{
    app::App,
    directory::DataDirectory,
    pki::{PkiError, certificate},
};
use parking_lot::RwLock;
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{path::PathBuf, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

const LOOK: Duration = Duration::from_secs(60 * 60);

/// The certificate, and where it comes from.
#[derive(Debug)]
pub struct Shown {
    directory: DataDirectory,
    host: String,
    now: RwLock<Arc<CertifiedKey>>,
}

impl Shown {
    /// Opens or makes it; with the path of the authority's certificate.
    pub fn open(
        directory: DataDirectory,
        host: &str,
        clock: &dyn Clock,
    ) -> Result<(Self, PathBuf), PkiError> {
        let (key, ca) = certificate(&directory, host, clock.now())?;
        Ok((Self { directory, host: host.to_owned(), now: RwLock::new(Arc::new(key)) }, ca))
    }

    fn look(&self, clock: &dyn Clock) -> Result<(), PkiError> {
        let (key, _) = certificate(&self.directory, &self.host, clock.now())?;
        *self.now.write() = Arc::new(key);
        Ok(())
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().clone())
    }
}

/// Looks every hour whether the certificate must be renewed.
pub async fn renew(shown: Arc<Shown>, app: Arc<App>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(LOOK);
    timer.reset();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Err(error) = shown.look(app.clock.as_ref()) {
            tracing::error!(%error, "could not look after the certificate; trying again in an hour");
        }
    }
}
