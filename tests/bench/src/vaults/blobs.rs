//! Stored data through the vault, with a token and TLS, beside direct access to the same disk: in each round one after the
//! other, in alternating order.

use super::{
    client::Api,
    outcome::{BlobLoad, Blobs},
    server::Place,
};
use crate::environment::Environment;
use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{
    Certificate, ClientOptions, ObjectStore, ObjectStoreExt, PutPayload, azure::MicrosoftAzureBuilder,
    local::LocalFileSystem, path::Path,
};
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

const ACCOUNT: &str = "bench";
const CONTAINER: &str = "backups";
const MIB: usize = 1024 * 1024;
/// Blobs of a round: how many of which size, how many at a time.
const LOADS: [Load; 3] = [
    Load { name: "packs of 16 MiB, 4 at a time", size: 16 * MIB, count: 16, together: 4 },
    Load { name: "one blob of 256 MiB", size: 256 * MIB, count: 1, together: 1 },
    Load { name: "blobs of 4 KiB, 16 at a time", size: 4096, count: 400, together: 16 },
];

#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    size: usize,
    count: usize,
    together: usize,
}

/// Measures it in a vault of its own.
pub async fn measure(folder: &std::path::Path, rounds: usize, environment: &Environment) -> Result<Blobs> {
    let place = Place::new(folder, None, Duration::from_secs(120))?;
    let _server = place.start().await?;
    let api = Api::sign_in(&place).await?;
    api.call(Method::POST, &format!("{}/providers/Microsoft.Storage/register", api.root()), None).await?;
    let group = format!("{}/resourceGroups/bench", api.root());
    api.call(Method::PUT, &group, Some(json!({"location": "local"}))).await?;
    let account = format!("{group}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}");
    let body =
        json!({"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}});
    api.call(Method::PUT, &account, Some(body)).await?;
    let container = format!("{account}/blobServices/default/containers/{CONTAINER}");
    api.call(Method::PUT, &container, Some(json!({"properties": {}}))).await?;
    api.assign("Storage Blob Data Owner", &account).await?;
    let authority = Certificate::from_pem(&std::fs::read(place.ca())?)?;
    let served = MicrosoftAzureBuilder::new()
        .with_account(ACCOUNT)
        .with_container_name(CONTAINER)
        .with_endpoint(format!("{}/{ACCOUNT}", place.url()))
        .with_bearer_token_authorization(api.storage_token(&place).await?)
        .with_client_options(ClientOptions::new().with_root_certificate(authority))
        .build()?;
    let beside = folder.join("direct");
    std::fs::create_dir_all(&beside)?;
    // What the vault answers has reached the disk: so must what is written directly.
    let direct = LocalFileSystem::new_with_prefix(&beside)?.with_fsync(true);
    let mut loads = Vec::new();
    for load in LOADS {
        loads.extend(compare(load, &served, &direct, rounds).await?);
    }
    Ok(Blobs { environment: environment.clone(), loads, ..Blobs::default() })
}

async fn compare(
    load: Load,
    served: &dyn ObjectStore,
    direct: &dyn ObjectStore,
    rounds: usize,
) -> Result<[BlobLoad; 2]> {
    let data = Bytes::from((0..load.size).map(|n| (n * 31 + n / 251) as u8).collect::<Vec<u8>>());
    let megabytes = (load.size * load.count) as f64 / 1e6;
    let mut both = [("put", BlobLoad::default()), ("get", BlobLoad::default())];
    for (verb, outcome) in &mut both {
        outcome.what = format!("{verb}: {}", load.name);
        // The first round warms up and is not counted.
        for round in 0..=rounds {
            let (mut through, mut past) = (0.0, 0.0);
            for turn in 0..2 {
                let is_through = (round + turn) % 2 == 0;
                let store = if is_through { served } else { direct };
                let seconds =
                    if *verb == "put" { write(store, load, &data).await? } else { get(store, load).await? };
                if is_through { through = megabytes / seconds } else { past = megabytes / seconds }
            }
            if round > 0 {
                outcome.served.add(through);
                outcome.direct.add(past);
                outcome.ratio.add(through / past);
            }
        }
    }
    Ok(both.map(|(_, outcome)| outcome))
}

async fn write(store: &dyn ObjectStore, load: Load, data: &Bytes) -> Result<f64> {
    let begun = Instant::now();
    stream::iter(0..load.count)
        .map(|n| async move { store.put(&Path::from(format!("{n}")), PutPayload::from(data.clone())).await })
        .buffer_unordered(load.together)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}

async fn get(store: &dyn ObjectStore, load: Load) -> Result<f64> {
    let begun = Instant::now();
    stream::iter(0..load.count)
        .map(|n| async move {
            let got = store.get(&Path::from(format!("{n}"))).await?.into_stream();
            let length = got.try_fold(0, |sum, piece| async move { Ok(sum + piece.len()) }).await?;
            ensure!(length == load.size, "a blob of {} bytes came back with {length}", load.size);
            Ok(())
        })
        .buffer_unordered(load.together)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    Ok(begun.elapsed().as_secs_f64())
}
