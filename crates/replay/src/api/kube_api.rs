//! A real API server behind [`ClusterApi`]: plain HTTP requests, so that objects pass through without being
//! squeezed into types of this product.

use super::{ApiError, ClusterApi, Discovery, Owned, Shape, Write, Written, paths};
use crate::item::{Place, ResourceType};
use crate::json;
use async_trait::async_trait;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use std::time::Duration;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
    application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
const PAGE: u32 = 500;

/// The API server that a [`kube::Client`] reaches.
#[derive(Clone)]
pub struct KubeApi {
    client: kube::Client,
}

struct Answer {
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl std::fmt::Debug for KubeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KubeApi")
    }
}

impl KubeApi {
    /// The cluster of this client.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    async fn call(&self, tried: &str, request: Request<Vec<u8>>) -> Result<Answer, ApiError> {
        let response = self
            .client
            .send(request.map(Body::from))
            .await
            .map_err(|error| ApiError::unreachable(tried, &error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| ApiError::unreachable(tried, &error))?.to_bytes();
        if parts.status.is_success() {
            return Ok(Answer { headers: parts.headers, body });
        }
        Err(ApiError::from_status(tried, parts.status.as_u16(), retry_after(&parts.headers), &body))
    }

    async fn read(&self, tried: &str, path: &str, accept: &str) -> Result<Value, ApiError> {
        let request = Request::get(path).header(header::ACCEPT, accept).body(Vec::new());
        let answer = self.call(tried, built(tried, request)?).await?;
        parse(tried, &answer.body)
    }

    async fn write(
        &self,
        tried: &str,
        builder: http::request::Builder,
        content_type: &str,
        body: &Value,
        whole: bool,
    ) -> Result<Written, ApiError> {
        let bytes = serde_json::to_vec(body).map_err(|error| ApiError::unreachable(tried, &error))?;
        let request = builder
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, if whole { "application/json" } else { METADATA_ONLY })
            .body(bytes);
        let answer = self.call(tried, built(tried, request)?).await?;
        let written = parse(tried, &answer.body)?;
        Ok(Written {
            uid: json::text(&written, &["metadata", "uid"]).unwrap_or("").to_owned(),
            resource_version: json::text(&written, &["metadata", "resourceVersion"]).unwrap_or("").to_owned(),
            warnings: warnings(&answer.headers),
            object: whole.then_some(written),
        })
    }

    /// The documents of each group and version, for servers without aggregated discovery.
    async fn discover_each(&self, groups: &Value, discovery: &mut Discovery) -> Result<(), ApiError> {
        let mut versions = Vec::new();
        for group in json::items(groups, &["groups"]) {
            let name = json::text(group, &["name"]).unwrap_or("").to_owned();
            for version in json::items(group, &["versions"]) {
                let version = json::text(version, &["version"]).unwrap_or("").to_owned();
                versions.push((format!("/apis/{name}/{version}"), name.clone(), version));
            }
        }
        for (path, group, version) in versions {
            match self.read(&format!("read {path}"), &path, "application/json").await {
                Ok(document) => discovery.read_list(&group, &version, &document),
                // One extension server that is down must not hide the rest of the cluster.
                Err(_) => discovery.add_unavailable(&group),
            }
        }
        let core = self.read("read /api/v1", "/api/v1", "application/json").await?;
        discovery.read_list("", "v1", &core);
        Ok(())
    }
}

#[async_trait]
impl ClusterApi for KubeApi {
    async fn discover(&self) -> Result<Discovery, ApiError> {
        let mut discovery = Discovery::default();
        let groups = self.read("discover the served types", "/apis", AGGREGATED).await?;
        if json::text(&groups, &["kind"]) != Some("APIGroupDiscoveryList") {
            self.discover_each(&groups, &mut discovery).await?;
            return Ok(discovery);
        }
        discovery.read_aggregated(&groups);
        let core = self.read("discover the core types", "/api", AGGREGATED).await?;
        discovery.read_aggregated(&core);
        Ok(discovery)
    }

    async fn get(&self, place: &Place) -> Result<Option<Value>, ApiError> {
        let tried = format!("get {place}");
        match self.read(&tried, &paths::object(place), "application/json").await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.refusal == super::Refusal::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(
        &self,
        kind: &ResourceType,
        namespace: Option<&str>,
        shape: Shape,
    ) -> Result<Vec<Value>, ApiError> {
        let tried = format!("list {}", kind.group_resource());
        let accept = match shape {
            Shape::Full => "application/json",
            Shape::Metadata => METADATA_LIST,
        };
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let path =
                format!("{}?limit={PAGE}&continue={}", paths::list(kind, namespace), paths::segment(&token));
            let mut page = self.read(&tried, &path, accept).await?;
            token = json::text(&page, &["metadata", "continue"]).unwrap_or("").to_owned();
            if let Some(Value::Array(items)) = json::take(&mut page, &["items"]) {
                found.extend(items);
            }
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    async fn create(&self, place: &Place, body: &Value, write: &Write) -> Result<Written, ApiError> {
        let tried = format!("create {place}");
        let path = format!(
            "{}?{}",
            paths::list(&place.kind, place.namespace.as_deref()),
            query(write, "&fieldValidation=Warn")
        );
        self.write(&tried, Request::post(path), "application/json", body, write.whole).await
    }

    async fn patch(&self, place: &Place, patch: &Value, write: &Write) -> Result<Written, ApiError> {
        let tried = format!("patch {place}");
        let path = format!("{}?{}", paths::object(place), query(write, "&fieldValidation=Warn"));
        self.write(&tried, Request::patch(path), "application/merge-patch+json", patch, write.whole).await
    }

    async fn delete(&self, place: &Place, uid: &str, owned: Owned, write: &Write) -> Result<(), ApiError> {
        let tried = format!("delete {place}");
        let mut options = json!({
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": match owned {
                Owned::Goes => "Background",
                Owned::Stays => "Orphan",
            },
            "preconditions": {"uid": uid},
        });
        if write.dry_run {
            json::set(&mut options, &["dryRun"], json!(["All"]));
        }
        let body = serde_json::to_vec(&options).map_err(|error| ApiError::unreachable(&tried, &error))?;
        let request =
            Request::delete(paths::object(place)).header(header::CONTENT_TYPE, "application/json").body(body);
        self.call(&tried, built(&tried, request)?).await.map(drop)
    }

    async fn openapi(&self, api_version: &str) -> Result<Value, ApiError> {
        let root = if api_version.contains('/') { "apis" } else { "api" };
        let path = format!("/openapi/v3/{root}/{api_version}");
        self.read(&format!("read the schema of {api_version}"), &path, "application/json").await
    }
}

fn query(write: &Write, more: &str) -> String {
    let dry_run = if write.dry_run { "&dryRun=All" } else { "" };
    format!("fieldManager={}{dry_run}{more}", paths::segment(&write.manager))
}

fn built(tried: &str, request: http::Result<Request<Vec<u8>>>) -> Result<Request<Vec<u8>>, ApiError> {
    request.map_err(|error| ApiError {
        tried: tried.to_owned(),
        refusal: super::Refusal::Other(StatusCode::BAD_REQUEST.as_u16()),
        message: error.to_string(),
        fields: Vec::new(),
    })
}

fn parse(tried: &str, body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body)
        .map_err(|_| ApiError::unreachable(tried, &"the API server's answer is not JSON"))
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The texts of `Warning: 299 - "text"` headers.
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let texts = headers.get_all(header::WARNING).iter().filter_map(|value| value.to_str().ok());
    texts
        .filter_map(|value| value.split_once('"'))
        .map(|(_, quoted)| quoted.strip_suffix('"').unwrap_or(quoted).replace("\\\"", "\""))
        .collect()
}
