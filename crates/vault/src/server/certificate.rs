//! The certificate that is shown to clients, renewed while the server runs: the vault's own, or the operator's files, which
//! are read again when they change.

use crate::{
    app::App,
    directory::DataDirectory,
    pki::{self, PkiError},
};
use parking_lot::{Mutex, RwLock};
use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio_util::sync::CancellationToken;

const LOOK_AT_OWN: Duration = Duration::from_secs(60 * 60);
const LOOK_AT_FILES: Duration = Duration::from_secs(2);

/// The operator's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, PEM, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// The certificate, and where it comes from.
#[derive(Debug)]
pub struct Shown {
    source: Source,
    now: RwLock<Arc<CertifiedKey>>,
}

#[derive(Debug)]
enum Source {
    Own { directory: DataDirectory, host: String },
    Files { files: CertificateFiles, seen: Mutex<Stamp> },
}

/// How the files looked when they were read: device, inode, length and time of change of each.
type Stamp = [Option<(u64, u64, u64, i64, i64)>; 2];

impl Shown {
    /// Opens or makes the vault's own; with the path of the authority's certificate.
    pub fn open(
        directory: DataDirectory,
        host: &str,
        clock: &dyn Clock,
    ) -> Result<(Self, PathBuf), PkiError> {
        let (key, ca) = pki::certificate(&directory, host, clock.now())?;
        let source = Source::Own { directory, host: host.to_owned() };
        Ok((Self { source, now: RwLock::new(Arc::new(key)) }, ca))
    }

    /// Shows the operator's files.
    pub fn files(files: CertificateFiles) -> Result<Self, PkiError> {
        let seen = Mutex::new(files.stamp());
        let key = files.read()?;
        Ok(Self { source: Source::Files { files, seen }, now: RwLock::new(Arc::new(key)) })
    }

    /// Looks whether another certificate is to be shown. What cannot be used leaves the one before in place.
    fn look(&self, clock: &dyn Clock) -> Result<(), PkiError> {
        let key = match &self.source {
            Source::Own { directory, host } => pki::certificate(directory, host, clock.now())?.0,
            Source::Files { files, seen } => {
                let stamp = files.stamp();
                if *seen.lock() == stamp {
                    return Ok(());
                }
                // Told once for each change, not at each look.
                *seen.lock() = stamp;
                let key = files.read()?;
                tracing::info!(certificate = %files.certificate.display(), "shows another certificate from now on");
                key
            }
        };
        *self.now.write() = Arc::new(key);
        Ok(())
    }

    fn interval(&self) -> Duration {
        match self.source {
            Source::Own { .. } => LOOK_AT_OWN,
            Source::Files { .. } => LOOK_AT_FILES,
        }
    }
}

impl CertificateFiles {
    fn read(&self) -> Result<CertifiedKey, PkiError> {
        let wrong =
            |why| PkiError::Given { certificate: self.certificate.clone(), key: self.key.clone(), why };
        let text = |path: &PathBuf| fs::read_to_string(path).map_err(|error| wrong(error.to_string()));
        let key = zeroize::Zeroizing::new(text(&self.key)?);
        pki::pair(&text(&self.certificate)?, &key).map_err(wrong)
    }

    fn stamp(&self) -> Stamp {
        [&self.certificate, &self.key].map(|path| {
            let found = fs::metadata(path).ok()?;
            Some((found.dev(), found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
        })
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.read().clone())
    }
}

/// Looks again and again whether another certificate is to be shown.
pub async fn renew(shown: Arc<Shown>, app: Arc<App>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(shown.interval());
    timer.reset();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Err(error) = shown.look(app.clock.as_ref()) {
            tracing::error!(%error, "the certificate stays as it was");
        }
    }
}
