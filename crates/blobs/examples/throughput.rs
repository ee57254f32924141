//! Measures the data plane beside direct access to the same folder, in one run: `object_store`'s Azure client over TLS
//! against the service, and `object_store`'s local store with every write synced.
//!
//! `cargo run --release -p blobs --example throughput -- [--folder DIR] [--rounds N] [--json]`
//!
//! Each round writes and reads the same blobs both ways, in alternating order; told are the medians, the spread and the
//! median of the rounds' ratios.

mod measure;
#[allow(dead_code)]
#[path = "../tests/world/serve.rs"]
mod serve;

use blobs::{Asked, BlobError, Gate, Service, Settings, Who, folders::Folders};
use measure::{Failure, argument, compare};
use object_store::{Certificate, ClientOptions, azure::MicrosoftAzureBuilder, local::LocalFileSystem};
use std::{path::PathBuf, sync::Arc};
use telemetry::SystemClock;

/// Everybody may do everything: rights are not what is measured.
struct Open;

#[async_trait::async_trait]
impl Gate for Open {
    async fn authorize(&self, _: &Asked<'_>) -> Result<Who, BlobError> {
        Ok(Who("anyone".to_owned()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let parent = argument("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds: usize = argument("--rounds").map_or(Ok(7), |text| text.parse())?;
    let json = std::env::args().any(|argument| argument == "--json");
    let folder = tempfile::tempdir_in(parent)?;
    let (served, beside) = (folder.path().join("acct/box"), folder.path().join("direct"));
    std::fs::create_dir_all(&served)?;
    std::fs::create_dir_all(&beside)?;

    let listener = serve::Listener::bind().await;
    let settings = Settings { endpoint: listener.url(), ..Settings::default() };
    let accounts = Arc::new(Folders::new(folder.path()));
    let service = Service::new(accounts, Arc::new(Open), Arc::new(SystemClock), settings);
    let server = listener.serve(Arc::new(service));
    let http = ClientOptions::new().with_root_certificate(Certificate::from_pem(server.ca.as_bytes())?);
    let through = MicrosoftAzureBuilder::new()
        .with_account("acct")
        .with_container_name("box")
        .with_endpoint(format!("{}/acct", server.url))
        .with_bearer_token_authorization("any")
        .with_client_options(http)
        .build()?;
    let direct = LocalFileSystem::new_with_prefix(&beside)?.with_fsync(true);

    compare(&through, &direct, rounds, json).await
}
