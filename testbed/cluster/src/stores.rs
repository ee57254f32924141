//! Object stores in the hub: emulators of S3 and of Azure Blob Storage that
//! every cluster and the machine's own shell can reach.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::ValueEnum;

use crate::layout::Places;
use crate::state::{self, Lock};
use crate::supervisor::{self, Gate, Process};
use crate::{Error, Hub, Invocation, Layout, network, packages};

const MOTO: &str = "moto[server]==5.2.5";
const AZURITE: &str = "azurite@3.37.0";
const PATIENCE: Duration = Duration::from_secs(60);
/// The account and key that every Azurite has; they are printed in its manual.
const AZURE_ACCOUNT: &str = "devstoreaccount1";
const AZURE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const AZURE_VERSION: &str = "2021-12-02";
const S3_KEY: &str = "testing";

/// A kind of object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// moto, from PyPI.
    S3,
    /// Azurite, from npm.
    Azure,
}

/// Every kind.
pub const ALL: [StoreKind; 2] = [StoreKind::S3, StoreKind::Azure];

/// A store that runs, and what a client needs to use it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct StoreUp {
    /// The URL, the same from pods, nodes and the machine's shell.
    pub endpoint: String,
    /// Account name or access key.
    pub account: String,
    /// The secret that goes with it.
    pub key: String,
}

impl StoreKind {
    fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Azure => "azure",
        }
    }

    fn address(self) -> SocketAddr {
        let port = match self {
            Self::S3 => 9000,
            Self::Azure => 10000,
        };
        SocketAddr::from((Hub::ADDRESS, port))
    }

    /// How to reach it.
    pub fn access(self) -> StoreUp {
        let address = self.address();
        match self {
            Self::S3 => StoreUp {
                endpoint: format!("http://{address}"),
                account: S3_KEY.to_owned(),
                key: S3_KEY.to_owned(),
            },
            Self::Azure => StoreUp {
                endpoint: format!("http://{address}/{AZURE_ACCOUNT}"),
                account: AZURE_ACCOUNT.to_owned(),
                key: AZURE_KEY.to_owned(),
            },
        }
    }
}

/// Starts a store in the hub; harmless when it runs. `supervisor` is the
/// `testbed` program.
pub async fn store_up(layout: &Layout, kind: StoreKind, supervisor: &Path) -> Result<StoreUp, Error> {
    packages::ensure_packages().await?;
    packages::ensure_root()?;
    let program = install(layout, kind).await?;
    let _alone = Lock::take(&layout.shared_lock()).await?;
    network::ensure_hub(layout).await?;
    let places = layout.store(kind.name());
    std::fs::create_dir_all(&places.data).map_err(Error::file("create", &places.data))?;
    let process =
        Process { name: kind.name().to_owned(), run: process(kind, &program, &places), after: Vec::new() };
    let name = format!("hub/{}", kind.name());
    supervisor::launch(supervisor, &name, &places, &[process]).await?;
    let listening = Gate::Listening(kind.address());
    match tokio::time::timeout(PATIENCE, listening.open()).await {
        Ok(()) => Ok(kind.access()),
        Err(_) => Err(Error::NotReady {
            what: format!("the {} store", kind.name()),
            seconds: PATIENCE.as_secs(),
            logs: places.logs(),
        }),
    }
}

/// Stops a store and removes its data; harmless when there is none.
pub async fn store_down(layout: &Layout, kind: StoreKind) -> Result<(), Error> {
    packages::ensure_root()?;
    let _alone = Lock::take(&layout.shared_lock()).await?;
    let places = layout.store(kind.name());
    supervisor::stop(&places).await?;
    for directory in [&places.run, &places.data] {
        if directory.exists() {
            std::fs::remove_dir_all(directory).map_err(Error::file("remove", directory))?;
        }
    }
    Ok(())
}

/// Creates a bucket (a container, on Azure); harmless when it exists.
pub async fn create_bucket(kind: StoreKind, bucket: &str) -> Result<(), Error> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let client = reqwest::Client::builder().no_proxy().build();
    let access = kind.access();
    let url = format!("{}/{bucket}", access.endpoint);
    let refused =
        |outcome: String, detail: String| Error::Program { program: format!("PUT {url}"), outcome, detail };
    let client = client.map_err(|error| refused("no client".to_owned(), error.to_string()))?;
    let request = match kind {
        // The emulator wants to see a signature but does not check it.
        StoreKind::S3 => client.put(&url).header(
            "authorization",
            "AWS4-HMAC-SHA256 Credential=testing/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0",
        ),
        StoreKind::Azure => {
            let signature = azure_signature(bucket).map_err(|reason| refused("not sent".to_owned(), reason))?;
            client
                .put(format!("{url}?restype=container"))
                .header("x-ms-date", AZURE_DATE)
                .header("x-ms-version", AZURE_VERSION)
                .header("content-length", "0")
                .header("authorization", format!("SharedKey {AZURE_ACCOUNT}:{signature}"))
        }
    };
    let answer = request.send().await;
    let answer = answer.map_err(|error| refused("no answer".to_owned(), error.to_string()))?;
    let status = answer.status();
    if status.is_success() || status.as_u16() == 409 {
        return Ok(());
    }
    Err(refused(status.to_string(), answer.text().await.unwrap_or_default()))
}

/// Any date will do: the emulator compares the signature, not the clock.
const AZURE_DATE: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

/// The Shared Key signature of a "create container" request, as the Blob
/// service's reference defines it.
fn azure_signature(container: &str) -> Result<String, String> {
    let text = format!(
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{AZURE_DATE}\nx-ms-version:{AZURE_VERSION}\n/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{container}\nrestype:container"
    );
    let key = BASE64_STANDARD.decode(AZURE_KEY).map_err(|error| error.to_string())?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    Ok(BASE64_STANDARD.encode(hmac::sign(&key, text.as_bytes())))
}

/// Whether any store has a supervisor.
pub fn any_running(layout: &Layout) -> Result<bool, Error> {
    for kind in ALL {
        let lock = supervisor::lock_file(&layout.store(kind.name()));
        if lock.exists() && Lock::try_take(&lock)?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn process(kind: StoreKind, program: &Path, places: &Places) -> Invocation {
    let port = kind.address().port().to_string();
    match kind {
        StoreKind::S3 => Invocation::new(program).args(["-H", "0.0.0.0", "-p", &port]),
        StoreKind::Azure => Invocation::new(program)
            .args(["--blobHost", "0.0.0.0", "--blobPort", &port, "--silent"])
            .args(["--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(places.data.join("blobs")),
    }
}

/// Installs the emulator into the cache, once.
async fn install(layout: &Layout, kind: StoreKind) -> Result<PathBuf, Error> {
    let package = match kind {
        StoreKind::S3 => MOTO,
        StoreKind::Azure => AZURITE,
    };
    let directory: String =
        package.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let directory = layout.cache().join(directory);
    let program = match kind {
        StoreKind::S3 => directory.join("bin/moto_server"),
        StoreKind::Azure => directory.join("node_modules/.bin/azurite-blob"),
    };
    let complete = directory.join("complete");
    let _one_at_a_time = Lock::take(&directory.with_extension("lock")).await?;
    if complete.exists() {
        return Ok(program);
    }
    println!("installing {package}");
    if directory.exists() {
        std::fs::remove_dir_all(&directory).map_err(Error::file("remove", &directory))?;
    }
    match kind {
        StoreKind::S3 => {
            Invocation::new("python3").args(["-m", "venv"]).arg(&directory).output().await?;
            let pip = Invocation::new(directory.join("bin/pip"));
            pip.args(["install", "--quiet", package]).output().await?;
        }
        StoreKind::Azure => {
            std::fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
            let npm = Invocation::new("npm").args(["install", "--no-audit", "--no-fund", "--prefix"]);
            npm.arg(&directory).arg(package).output().await?;
        }
    }
    state::write(&complete, b"")?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_reached_under_one_address_from_everywhere() {
        let endpoints = ALL.map(|kind| kind.access().endpoint);

        assert_eq!(endpoints, ["http://10.213.0.1:9000", "http://10.213.0.1:10000/devstoreaccount1"]);
    }

    #[test]
    fn the_signature_depends_on_the_container() {
        let (first, second) = (azure_signature("a"), azure_signature("b"));

        assert_eq!(first.as_ref().unwrap().len(), 44);
        assert_ne!(first, second);
    }
}
