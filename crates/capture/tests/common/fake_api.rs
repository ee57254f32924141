//! A scripted API server: discovery, paged lists and every way in which they go wrong, over real HTTP.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use futures::stream;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A resource that the server has.
#[derive(Debug, Clone)]
pub struct Resource {
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub namespaced: bool,
}

/// What goes wrong with requests whose path and query contain `on`.
#[derive(Debug, Clone)]
pub struct Fault {
    pub on: &'static str,
    /// How often.
    pub times: u32,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// An error, with `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// The connection breaks after so many bytes of the answer.
    Cut(usize),
    /// Another document.
    Body(&'static str),
    /// A namespace goes away before the answer.
    DeleteNamespace(&'static str),
    /// A resource goes away before the answer.
    DeleteResource(&'static str),
    /// Every object is replaced by one of a later instant before the answer.
    Rewrite,
    /// The answer never comes.
    Hang,
}

#[derive(Debug, Default)]
struct Inner {
    resources: Vec<Resource>,
    /// By path of the resource, then in the order in which the server lists them.
    objects: BTreeMap<String, Vec<(String, String)>>,
    faults: Vec<Fault>,
    requests: Vec<(Instant, String)>,
    version: u64,
    aggregated: bool,
    groups_without_answer: Vec<&'static str>,
    mixes_namespaces: bool,
}

/// The server; ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct FakeApi {
    inner: Arc<Mutex<Inner>>,
    address: std::net::SocketAddr,
}

pub const CONFIG_MAPS: Resource =
    Resource { group: "", version: "v1", kind: "ConfigMap", plural: "configmaps", namespaced: true };
pub const SECRETS: Resource =
    Resource { group: "", version: "v1", kind: "Secret", plural: "secrets", namespaced: true };
pub const NAMESPACES: Resource =
    Resource { group: "", version: "v1", kind: "Namespace", plural: "namespaces", namespaced: false };
pub const WIDGETS: Resource =
    Resource { group: "example.com", version: "v1", kind: "Widget", plural: "widgets", namespaced: true };

impl FakeApi {
    /// A server with `kube-system`, the given namespaces and these resources besides namespaces.
    pub async fn start(namespaces: &[&str], resources: &[Resource]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = Self { inner: Arc::default(), address };
        {
            let mut inner = api.inner.lock().unwrap();
            inner.version = 100;
            inner.aggregated = true;
            inner.resources = [&[NAMESPACES], resources].concat();
        }
        for name in ["kube-system"].iter().chain(namespaces) {
            api.add(&NAMESPACES, "", name, json!({}));
        }
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        api
    }

    /// Adds an object; `fields` are merged into its metadata under `metadata` and beside it otherwise.
    pub fn add(&self, resource: &Resource, namespace: &str, name: &str, fields: Value) {
        let mut object =
            json!({"metadata": {"name": name, "uid": format!("uid-{}-{namespace}-{name}", resource.plural)}});
        if resource.namespaced {
            object["metadata"]["namespace"] = json!(namespace);
        }
        for (key, value) in fields.as_object().unwrap() {
            match (key.as_str(), value) {
                ("metadata", Value::Object(more)) => {
                    object["metadata"].as_object_mut().unwrap().extend(more.clone());
                }
                _ => object[key] = value.clone(),
            }
        }
        let mut inner = self.inner.lock().unwrap();
        let list = inner.objects.entry(path_of(resource)).or_default();
        list.push((namespace.to_owned(), object.to_string()));
    }

    pub fn fault(&self, on: &'static str, times: u32, what: What) {
        self.inner.lock().unwrap().faults.push(Fault { on, times, what });
    }

    /// Answers discovery in the older form only.
    pub fn without_aggregated_discovery(&self) {
        self.inner.lock().unwrap().aggregated = false;
    }

    /// A group whose server does not answer: stale in the aggregated form, 503 in the older one.
    pub fn without_answer_of(&self, group: &'static str) {
        self.inner.lock().unwrap().groups_without_answer.push(group);
    }

    /// Answers a list of one namespace with the objects of all.
    pub fn mixes_namespaces(&self) {
        self.inner.lock().unwrap().mixes_namespaces = true;
    }

    /// Paths and queries of the requests that contain `part`.
    pub fn requests(&self, part: &str) -> Vec<String> {
        self.timed_requests(part).into_iter().map(|(_, path)| path).collect()
    }

    pub fn timed_requests(&self, part: &str) -> Vec<(Instant, String)> {
        let inner = self.inner.lock().unwrap();
        inner.requests.iter().filter(|(_, path)| path.contains(part)).cloned().collect()
    }

    /// A client without retries of its own.
    pub fn client(&self) -> kube::Client {
        let mut config = kube::Config::new(format!("http://{}", self.address).parse().unwrap());
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }
}

fn path_of(resource: &Resource) -> String {
    match resource.group {
        "" => format!("/api/{}/{}", resource.version, resource.plural),
        group => format!("/apis/{group}/{}/{}", resource.version, resource.plural),
    }
}

async fn answer(State(api): State<FakeApi>, request: Request<Body>) -> Response<Body> {
    let target = request.uri().path_and_query().unwrap().to_string();
    let accept = request.headers().get(header::ACCEPT).map(|value| value.to_str().unwrap().to_owned());
    let what = {
        let mut inner = api.inner.lock().unwrap();
        inner.requests.push((Instant::now(), target.clone()));
        let fault = inner.faults.iter_mut().find(|fault| fault.times > 0 && target.contains(fault.on));
        fault.map(|fault| {
            fault.times -= 1;
            fault.what.clone()
        })
    };
    let mut cut = usize::MAX;
    match what {
        Some(What::Status(code, after)) => return status(code, after),
        Some(What::Body(text)) => return Response::new(Body::from(text)),
        Some(What::Hang) => std::future::pending().await,
        Some(What::Cut(bytes)) => cut = bytes,
        Some(What::DeleteNamespace(name)) => api.inner.lock().unwrap().delete_namespace(name),
        Some(What::DeleteResource(plural)) => {
            api.inner.lock().unwrap().resources.retain(|resource| resource.plural != plural);
        }
        Some(What::Rewrite) => api.inner.lock().unwrap().rewrite(),
        None => {}
    }
    let aggregated = accept.is_some_and(|accept| accept.contains("APIGroupDiscoveryList"));
    let result = api.inner.lock().unwrap().respond(&target, aggregated);
    match result {
        Ok(text) => Response::new(in_pieces(text, cut)),
        Err(code) => status(code, None),
    }
}

/// The answer in pieces of 1,000 bytes, broken off after `cut`.
fn in_pieces(text: String, cut: usize) -> Body {
    let bytes = Bytes::from(text);
    let whole = cut >= bytes.len();
    let shown = bytes.slice(..cut.min(bytes.len()));
    let mut pieces: Vec<Result<Bytes, std::io::Error>> =
        shown.chunks(1000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    if !whole {
        pieces.push(Err(std::io::Error::other("cut")));
    }
    Body::from_stream(stream::iter(pieces))
}

fn status(code: u16, after: Option<u32>) -> Response<Body> {
    let reason = if code == 410 { "Expired" } else { "Scripted" };
    let text =
        json!({"kind": "Status", "status": "Failure", "reason": reason, "message": "scripted", "code": code});
    let mut response = Response::builder().status(StatusCode::from_u16(code).unwrap());
    if let Some(after) = after {
        response = response.header(header::RETRY_AFTER, after);
    }
    response.body(Body::from(text.to_string())).unwrap()
}

impl Inner {
    fn respond(&self, target: &str, aggregated: bool) -> Result<String, u16> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match path {
            "/version" => return Ok(json!({"gitVersion": "v1.35.4-fake"}).to_string()),
            "/api" | "/apis" if aggregated && self.aggregated => return Ok(self.aggregated(path == "/api")),
            "/api" => return Ok(json!({"kind": "APIVersions", "versions": ["v1"]}).to_string()),
            "/apis" => return Ok(self.groups()),
            _ => {}
        }
        if let Some(resource) = self.resources.iter().find(|resource| path == path_of(resource)) {
            return self.list(resource, None, query);
        }
        for resource in &self.resources {
            let (root, _) = path_of(resource)
                .rsplit_once('/')
                .map(|(root, plural)| (root.to_owned(), plural.len()))
                .unwrap();
            if path == root {
                return self.resource_list(&root);
            }
            let middle = path.strip_prefix(&format!("{root}/namespaces/"));
            if let Some(namespace) =
                middle.and_then(|rest| rest.strip_suffix(&format!("/{}", resource.plural)))
            {
                return self.list(resource, Some(namespace), query);
            }
        }
        Err(404)
    }

    fn list(&self, resource: &Resource, namespace: Option<&str>, query: &str) -> Result<String, u16> {
        if self.groups_without_answer.contains(&resource.group) {
            return Err(503);
        }
        let value = |key: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(&format!("{key}="))).map(str::to_owned)
        };
        let limit: usize = value("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        let (version, start) = match value("continue") {
            Some(token) => {
                let (version, start) = token.split_once("-").unwrap();
                (version.parse().unwrap(), start.parse().unwrap())
            }
            None => (self.version, 0_usize),
        };
        let all = self.objects.get(&path_of(resource)).map(Vec::as_slice).unwrap_or_default();
        let objects: Vec<&String> = all
            .iter()
            .filter(|(place, _)| self.mixes_namespaces || namespace.is_none_or(|wanted| wanted == place))
            .map(|(_, text)| text)
            .collect();
        let end = start.saturating_add(limit).min(objects.len());
        let next = if end < objects.len() { format!("{version}-{end}") } else { String::new() };
        let group_version = if resource.group.is_empty() {
            resource.version.to_owned()
        } else {
            format!("{}/{}", resource.group, resource.version)
        };
        let metadata = json!({"resourceVersion": version.to_string(), "continue": next});
        let items: Vec<&str> = objects[start.min(end)..end].iter().map(|text| text.as_str()).collect();
        Ok(format!(
            r#"{{"kind":"{}List","apiVersion":"{group_version}","metadata":{metadata},"items":[{}]}}"#,
            resource.kind,
            items.join(",")
        ))
    }

    fn aggregated(&self, core: bool) -> String {
        let mut groups: Vec<&str> = self.resources.iter().map(|resource| resource.group).collect();
        groups.retain(|group| group.is_empty() == core);
        groups.dedup();
        let items = groups.iter().map(|group| {
            let of_group = self.resources.iter().filter(|resource| resource.group == *group);
            let version = of_group.clone().next().unwrap().version;
            let resources: Vec<Value> = of_group
                .map(|resource| {
                    json!({"resource": resource.plural, "responseKind": {"kind": resource.kind},
                        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" }, "verbs": ["get", "list"]})
                })
                .collect();
            match self.groups_without_answer.contains(group) {
                true => json!({"metadata": {"name": group}, "versions": [{"version": version, "freshness": "Stale"}]}),
                false => json!({"metadata": {"name": group}, "versions": [{"version": version, "resources": resources}]}),
            }
        });
        json!({"kind": "APIGroupDiscoveryList", "items": items.collect::<Vec<_>>()}).to_string()
    }

    fn groups(&self) -> String {
        let mut named: Vec<&Resource> =
            self.resources.iter().filter(|resource| !resource.group.is_empty()).collect();
        named.dedup_by_key(|resource| resource.group);
        let group = |resource: &&Resource| {
            let version = json!({"groupVersion": format!("{}/{}", resource.group, resource.version), "version": resource.version});
            json!({"name": resource.group, "versions": [version], "preferredVersion": version})
        };
        json!({"kind": "APIGroupList", "groups": named.iter().map(group).collect::<Vec<_>>()}).to_string()
    }

    fn resource_list(&self, root: &str) -> Result<String, u16> {
        let of_root: Vec<&Resource> = self
            .resources
            .iter()
            .filter(|resource| path_of(resource).rsplit_once('/').unwrap().0 == root)
            .collect();
        if self.groups_without_answer.contains(&of_root[0].group) {
            return Err(503);
        }
        let entry = |resource: &&Resource| json!({"name": resource.plural, "kind": resource.kind, "namespaced": resource.namespaced, "verbs": ["list"]});
        Ok(json!({"kind": "APIResourceList", "resources": of_root.iter().map(entry).collect::<Vec<_>>()})
            .to_string())
    }

    fn delete_namespace(&mut self, name: &str) {
        let listed = format!(r#""name":"{name}""#);
        for (path, objects) in &mut self.objects {
            objects.retain(|(place, text)| {
                place != name && !(path == "/api/v1/namespaces" && text.contains(&listed))
            });
        }
        self.version += 1;
    }

    fn rewrite(&mut self) {
        self.version += 1;
        let version = self.version;
        for (path, objects) in &mut self.objects {
            if path != "/api/v1/namespaces" {
                for (_, text) in objects {
                    let mut object: Value = serde_json::from_str(text).unwrap();
                    object["metadata"]["resourceVersion"] = json!(version.to_string());
                    *text = object.to_string();
                }
            }
        }
    }
}
