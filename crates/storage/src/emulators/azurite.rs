//! Azurite's blob server, with the account that it is documented to have.

use super::{Emulator, free_port, install, tied};
use crate::{
    cloud::azure_sign::{API_VERSION, authorization, date, sign},
    credential::CredentialValue,
    location::Provider,
};
use std::{path::Path, process::Command};
use telemetry::{Clock, SystemClock};

const VERSION: &str = "3.37.0";
/// Azurite's documented account.
pub(super) const ACCOUNT: &str = "devstoreaccount1";
/// Its documented, public key.
pub(super) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

pub(super) async fn start() -> Emulator {
    let folder = install::installed("azurite", VERSION, |folder| {
        let package = format!("azurite@{VERSION}");
        install::run(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(folder)
                .arg(package),
        );
    });
    let port = free_port();
    let mut command = tied(Path::new("node"));
    command
        .arg(folder.join("node_modules/azurite/dist/src/blob/main.js"))
        .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()])
        .args(["--silent", "--skipApiVersionCheck", "--disableTelemetry", "--inMemoryPersistence"]);
    Emulator::spawn(command, Provider::Azure, port).await
}

pub(super) async fn create_container(endpoint: &str, name: &str) {
    let date = date(SystemClock.now());
    let path = format!("/{ACCOUNT}/{name}");
    let signed =
        authorization("PUT", &path, "\nrestype:container", &date, ACCOUNT, KEY).expect("the key is base64");
    let request = reqwest::Client::new().put(format!("{endpoint}/{name}?restype=container"));
    let response = request
        .header("x-ms-date", date)
        .header("x-ms-version", API_VERSION)
        .header("content-length", "0")
        .header("authorization", signed)
        .send()
        .await
        .expect("azurite answers");
    let status = response.status();
    assert!(status.is_success(), "container {name}: {status} {}", response.text().await.unwrap_or_default());
}

/// An account signature for blobs, their containers and the service, valid until 2099.
pub(super) fn shared_access_signature(permissions: &str) -> CredentialValue {
    let expiry = "2099-01-01T00:00:00Z";
    let signed = format!("{ACCOUNT}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{API_VERSION}\n\n");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sv", API_VERSION)
        .append_pair("ss", "b")
        .append_pair("srt", "sco")
        .append_pair("sp", permissions)
        .append_pair("se", expiry)
        .append_pair("spr", "https,http")
        .append_pair("sig", &sign(KEY, &signed).expect("the key is base64"))
        .finish();
    CredentialValue::AzureSas(query.into())
}
