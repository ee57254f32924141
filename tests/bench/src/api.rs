//! The few plain requests that the measurements need.

use anyhow::{Context, Result, bail};
use http::Request;
use kube::Client;
use serde_json::Value;
use std::time::{Duration, Instant};

/// How often something is looked at whose end is measured.
pub const LOOK: Duration = Duration::from_millis(25);

/// Reads a document.
pub async fn get(client: &Client, path: &str) -> Result<Value> {
    let request = Request::get(path).body(Vec::new())?;
    client.request(request).await.with_context(|| format!("could not get {path}"))
}

/// Creates an object.
pub async fn create(client: &Client, path: &str, body: &Value) -> Result<Value> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(serde_json::to_vec(body)?)
        .with_context(|| format!("could not create at {path}"))?;
    client.request(request).await.with_context(|| format!("could not create at {path}"))
}

/// Creates an object unless it exists.
pub async fn ensure(client: &Client, path: &str, body: &Value) -> Result<()> {
    let request =
        Request::post(path).header("content-type", "application/json").body(serde_json::to_vec(body)?)?;
    match client.request::<Value>(request).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not create at {path}")),
    }
}

/// Deletes an object or a collection; one that is gone is fine.
pub async fn delete(client: &Client, path: &str) -> Result<()> {
    match client.request::<Value>(Request::delete(path).body(Vec::new())?).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("could not delete {path}")),
    }
}

/// All objects of a list, page by page.
pub async fn list(client: &Client, path: &str) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let between = if path.contains('?') { '&' } else { '?' };
        let page = get(client, &format!("{path}{between}limit=500&continue={token}")).await?;
        found.extend(page["items"].as_array().into_iter().flatten().cloned());
        token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        if token.is_empty() {
            return Ok(found);
        }
    }
}

/// How an operation ended that was created as an object and tells its end in `status.phase`.
#[derive(Debug)]
pub struct Ended {
    /// From the request to the end.
    pub took: Duration,
    /// The object at its end, or as it was when patience ended.
    pub object: Value,
    /// Whether it came to its end.
    pub ended: bool,
}

/// Creates an object and waits until its phase is one of `ends`. Another phase of `failures` is an error.
pub async fn operate(
    client: &Client,
    path: &str,
    body: &Value,
    ends: &[&str],
    failures: &[&str],
    patience: Duration,
) -> Result<Ended> {
    let begun = Instant::now();
    let created = create(client, path, body).await?;
    let name = created["metadata"]["name"].as_str().context("a created object has a name")?;
    loop {
        tokio::time::sleep(LOOK).await;
        let object = get(client, &format!("{path}/{name}")).await?;
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        let (done, took) = (ends.contains(&phase), begun.elapsed());
        if failures.contains(&phase) {
            bail!("{name} ended as {phase}: {}", object["status"]);
        }
        if done || took > patience {
            return Ok(Ended { took, object, ended: done });
        }
    }
}
