//! Azurite's blob server, with the account that it is documented to have.

use super::{Emulator, free_port, install, tied};
use crate::{credential::CredentialValue, location::Provider};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};
use std::{path::Path, process::Command};
use telemetry::{Clock, SystemClock};

const VERSION: &str = "3.37.0";
/// Azurite's documented account.
pub(super) const ACCOUNT: &str = "devstoreaccount1";
/// Its documented, public key.
pub(super) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const API: &str = "2021-12-02";

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
    let date = now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let headers = format!("x-ms-date:{date}\nx-ms-version:{API}\n");
    let resource = format!("/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container");
    let signature = sign(&format!("PUT\n\n\n\n\n\n\n\n\n\n\n\n{headers}{resource}"));
    let request = reqwest::Client::new().put(format!("{endpoint}/{name}?restype=container"));
    let response = request
        .header("x-ms-date", date)
        .header("x-ms-version", API)
        .header("content-length", "0")
        .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
        .send()
        .await
        .expect("azurite answers");
    let status = response.status();
    assert!(status.is_success(), "container {name}: {status} {}", response.text().await.unwrap_or_default());
}

/// An account signature for blobs, their containers and the service, valid until 2099.
pub(super) fn shared_access_signature(permissions: &str) -> CredentialValue {
    let expiry = "2099-01-01T00:00:00Z";
    let signed = format!("{ACCOUNT}\n{permissions}\nb\nsco\n\n{expiry}\n\nhttps,http\n{API}\n\n");
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("sv", API)
        .append_pair("ss", "b")
        .append_pair("srt", "sco")
        .append_pair("sp", permissions)
        .append_pair("se", expiry)
        .append_pair("spr", "https,http")
        .append_pair("sig", &sign(&signed))
        .finish();
    CredentialValue::AzureSas(query.into())
}

fn sign(text: &str) -> String {
    let key = STANDARD.decode(KEY).expect("the documented key is base64");
    STANDARD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes()))
}

fn now() -> jiff::Zoned {
    let now: Timestamp = SystemClock.now();
    now.to_zoned(TimeZone::UTC)
}
