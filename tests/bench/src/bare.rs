//! What the API server itself can do: the same lists and the same creates, with nothing done to the objects.

use crate::api;
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use http::Request;
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Lists at once: as many as a capture reads by default.
const LISTS: usize = 4;
/// Objects of the first page and of the following ones: as a capture asks for them by default.
const PAGES: (u32, u32) = (100, 500);
/// Creates at once: as many as a restore sends by default.
const CREATES: usize = 16;

/// Lists to read, by path, with the number of their objects.
#[derive(Debug)]
pub struct Lists(Vec<(String, u64)>);

impl Lists {
    /// The lists that a backup captured, told by its counts per `<resource>[.<group>]`.
    pub async fn of_backup(client: &Client, backup: &Value) -> Result<Self> {
        let kinds = backup["status"]["kinds"].as_object().context("a backup counts its kinds")?;
        let mut lists = Vec::new();
        for kind in kinds.keys() {
            let path = match kind.split_once('.') {
                None => format!("/api/v1/{kind}"),
                Some((resource, group)) => {
                    let found = api::get(client, &format!("/apis/{group}")).await?;
                    let version = found["preferredVersion"]["groupVersion"].as_str();
                    format!("/apis/{}/{resource}", version.context("a group has a preferred version")?)
                }
            };
            let first = api::get(client, &format!("{path}?limit=1")).await?;
            let more = first["metadata"]["remainingItemCount"].as_u64().unwrap_or_default();
            let here = first["items"].as_array().map_or(0, Vec::len) as u64;
            lists.push((path, here + more));
        }
        Ok(Self(lists))
    }

    /// Objects of all lists.
    pub fn objects(&self) -> u64 {
        self.0.iter().map(|(_, objects)| objects).sum()
    }

    /// Reads all lists to their ends and drops what arrives.
    pub async fn read(&self, client: &Client) -> Result<Duration> {
        let begun = Instant::now();
        stream::iter(&self.0)
            .map(|(path, _)| async move { read_list(client, path).await })
            .buffer_unordered(LISTS)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        Ok(begun.elapsed())
    }
}

async fn read_list(client: &Client, path: &str) -> Result<()> {
    let mut token = String::new();
    let mut limit = PAGES.0;
    loop {
        let request = Request::get(format!("{path}?limit={limit}&continue={token}")).body(Body::empty())?;
        let response = client.send(request).await?;
        if !response.status().is_success() {
            bail!("could not list {path}: {}", response.status());
        }
        // The list says in its first bytes whether it goes on.
        let mut head = Vec::new();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data()
                && head.len() < 4096
            {
                head.extend_from_slice(data.get(..data.len().min(4096)).unwrap_or_default());
            }
        }
        token = continues(&String::from_utf8_lossy(&head)).to_owned();
        if token.is_empty() {
            return Ok(());
        }
        limit = PAGES.1;
    }
}

/// The continue token in the beginning of a list.
fn continues(head: &str) -> &str {
    let metadata = head.split_once("\"items\":").map_or(head, |(metadata, _)| metadata);
    let token = metadata.split_once("\"continue\":\"").map_or("", |(_, rest)| rest);
    token.split_once('"').map_or("", |(token, _)| token)
}

/// Objects that are created again elsewhere.
#[derive(Debug)]
pub struct Copies(Vec<(&'static str, Value)>);

const KINDS: [&str; 7] = [
    "/api/v1|configmaps",
    "/api/v1|secrets",
    "/api/v1|serviceaccounts",
    "/api/v1|services",
    "/apis/apps/v1|deployments",
    "/apis/rbac.authorization.k8s.io/v1|roles",
    "/apis/rbac.authorization.k8s.io/v1|rolebindings",
];

impl Copies {
    /// Reads what the generator made, and drops what the API server added.
    pub async fn read(client: &Client) -> Result<Self> {
        let mut copies = Vec::new();
        for kind in KINDS {
            let path =
                format!("{}?labelSelector=app.kubernetes.io/part-of=generated", kind.replace('|', "/"));
            for mut object in api::list(client, &path).await? {
                if let Some(fields) = object.as_object_mut() {
                    fields.remove("status");
                }
                let metadata = &object["metadata"];
                object["metadata"] = json!({
                    "name": metadata["name"], "namespace": metadata["namespace"], "labels": metadata["labels"],
                });
                copies.push((kind, object));
            }
        }
        Ok(Self(copies))
    }

    /// Creates the namespaces, then all objects in them, many at once. Says how many objects these were.
    pub async fn create(
        &self,
        client: &Client,
        mappings: &BTreeMap<String, String>,
    ) -> Result<(Duration, u64)> {
        let bodies: Vec<_> = self.0.iter().filter_map(|copy| moved(copy, mappings)).collect();
        let namespaces: Vec<Value> = mappings
            .values()
            .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .collect();
        let begun = Instant::now();
        stream::iter(&namespaces)
            .map(|body| api::create(client, "/api/v1/namespaces", body))
            .buffer_unordered(CREATES)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        stream::iter(&bodies)
            .map(|(path, body)| create(client, path, body))
            .buffer_unordered(CREATES)
            .try_for_each(|()| async { Ok(()) })
            .await?;
        Ok((begun.elapsed(), (bodies.len() + namespaces.len()) as u64))
    }
}

/// The same object in the namespace that it goes to.
fn moved((kind, object): &(&str, Value), mappings: &BTreeMap<String, String>) -> Option<(String, Vec<u8>)> {
    let target = mappings.get(object["metadata"]["namespace"].as_str()?)?;
    let (root, resource) = kind.split_once('|')?;
    let mut object = object.clone();
    object["metadata"]["namespace"] = target.as_str().into();
    Some((format!("{root}/namespaces/{target}/{resource}"), object.to_string().into_bytes()))
}

/// Sends a create and drops the answer.
async fn create(client: &Client, path: &str, body: &[u8]) -> Result<()> {
    let request =
        Request::post(path).header("content-type", "application/json").body(Body::from(body.to_vec()))?;
    let response = client.send(request).await?;
    if !response.status().is_success() {
        bail!("could not create at {path}: {}", response.status());
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_the_next_page_stands_before_the_items() {
        let head = r#"{"kind":"List","metadata":{"resourceVersion":"7","continue":"abc"},"items":[{"continue":"x"}]}"#;

        assert_eq!(continues(head), "abc");
        assert_eq!(continues(r#"{"metadata":{},"items":[{"a":"\"continue\":\"x\""}]}"#), "");
    }
}
