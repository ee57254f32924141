//! The official Python client, against a server as it runs.

mod world;

use blobs::DataAction;
use std::{path::Path, process::Stdio};
use world::{ACCOUNT, TOKEN, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_python_client_goes_the_whole_way() {
    let world = World::start().await;
    world.gate.grant("reader", &[DataAction::ContainerRead, DataAction::BlobRead]);
    let ca = world.folder.path().join("ca.crt");
    std::fs::write(&ca, &world.server.ca).unwrap();
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").canonicalize().unwrap();

    let python = tokio::process::Command::new(clients.join("python"))
        .arg(clients.join("blobs.py"))
        .args([&format!("{}/{ACCOUNT}", world.server.url), TOKEN])
        .arg(&ca)
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();

    let told =
        format!("{}\n{}", String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&python.stderr));
    assert!(python.status.success() && told.contains("all of it worked"), "{told}");
    let left: Vec<_> = std::fs::read_dir(world.folder.path().join(ACCOUNT)).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
