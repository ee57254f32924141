//! An API server that has what a small healthy cluster has, and behaves badly: slowly, by fits and starts, or no more
//! from some request on. It holds as many claims as it is told, with the names that it is told.

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What is wrong with it.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Nothing.
    None,
    /// Lists come after this long.
    SlowLists(Duration),
    /// Every so-many-th connection is closed without an answer.
    Flapping(usize),
    /// After so many requests nothing answers any more.
    GoneAfter(usize),
}

/// What it holds.
#[derive(Debug, Clone)]
pub struct Holds {
    /// What it says its version is.
    pub version: &'static str,
    /// Claims that wait for a volume.
    pub claims: usize,
    /// The name of each, a number behind it.
    pub claim: &'static str,
}

/// The server.
pub struct FaultApiServer {
    /// Where it listens.
    pub port: u16,
    asked: Arc<AtomicUsize>,
}

impl FaultApiServer {
    /// Starts it; it ends with the test's process.
    pub fn start(fault: Fault, holds: Holds) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                let holds = holds.clone();
                std::thread::spawn(move || drop(serve(stream, number, fault, &holds)));
            }
        });
        Self { port, asked }
    }

    /// How many connections came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One request for each connection.
fn serve(mut stream: TcpStream, number: usize, fault: Fault, holds: &Holds) -> std::io::Result<()> {
    match fault {
        Fault::Flapping(every) if number.is_multiple_of(every) => return Ok(()),
        Fault::GoneAfter(last) if number > last => return Ok(()),
        _ => {}
    }
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    if let Fault::SlowLists(wait) = fault
        && target.contains("limit=")
    {
        std::thread::sleep(wait);
    }
    let (status, answer) = answer(&head, &target, &body, holds);
    let text = answer.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn answer(head: &str, target: &str, body: &[u8], holds: &Holds) -> (&'static str, Value) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if head.starts_with("POST") {
        let mut asked: Value = serde_json::from_slice(body).unwrap_or_default();
        asked["status"] = json!({"allowed": true, "userInfo": {"username": "ann"}});
        return ("201 Created", asked);
    }
    let named = |name: &str| json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": name, "uid": name}});
    match path {
        "/version" => ("200 OK", version(holds.version)),
        "/api/v1/namespaces/kube-system" => ("200 OK", named("kube-system")),
        "/api/v1" => ("200 OK", json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": []})),
        "/apis" => ("200 OK", json!({"kind": "APIGroupList", "groups": []})),
        "/api/v1/persistentvolumeclaims" => ("200 OK", claims(query, holds)),
        "/apis/snapshot.storage.k8s.io/v1" => ("200 OK", snapshot_api()),
        "/api/v1/nodes" => ("200 OK", list(&[node()])),
        _ if LISTS.contains(&path.rsplit('/').next().unwrap_or_default()) => ("200 OK", list(&[])),
        _ => (
            "404 Not Found",
            json!({"kind": "Status", "code": 404, "reason": "NotFound", "message": "not found"}),
        ),
    }
}

/// What is there and empty.
const LISTS: [&str; 15] = [
    "csidrivers",
    "daemonsets",
    "deployments",
    "leases",
    "mutatingwebhookconfigurations",
    "namespaces",
    "networkpolicies",
    "persistentvolumes",
    "pods",
    "services",
    "statefulsets",
    "storageclasses",
    "validatingadmissionpolicies",
    "validatingwebhookconfigurations",
    "volumesnapshotclasses",
];

fn snapshot_api() -> Value {
    let names = ["volumesnapshots", "volumesnapshotcontents", "volumesnapshotclasses"];
    let resource =
        |name| json!({"name": name, "singularName": "", "namespaced": true, "kind": "K", "verbs": ["list"]});
    json!({
        "kind": "APIResourceList", "groupVersion": "snapshot.storage.k8s.io/v1",
        "resources": names.map(resource),
    })
}

fn node() -> Value {
    let info = [
        "architecture",
        "bootID",
        "containerRuntimeVersion",
        "kernelVersion",
        "kubeProxyVersion",
        "machineID",
        "osImage",
        "systemUUID",
    ];
    let mut described = json!({"operatingSystem": "linux", "kubeletVersion": "v1.35.4"});
    for field in info {
        described[field] = "".into();
    }
    described["architecture"] = "amd64".into();
    json!({
        "metadata": {"name": "node", "labels": {"kubernetes.io/os": "linux"}},
        "status": {
            "nodeInfo": described, "allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
}

/// A page of claims.
fn claims(query: &str, holds: &Holds) -> Value {
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse::<usize>().ok())
    };
    let begin = parameter("continue").unwrap_or(0);
    let end = (begin + parameter("limit").unwrap_or(holds.claims)).min(holds.claims);
    let claim = |number: usize| {
        json!({
            "metadata": {"name": format!("{}{number}", holds.claim), "namespace": "shop"},
            "spec": {}, "status": {"phase": "Pending"},
        })
    };
    let mut page = list(&(begin..end).map(claim).collect::<Vec<_>>());
    if end < holds.claims {
        page["metadata"]["continue"] = end.to_string().into();
        page["metadata"]["remainingItemCount"] = (holds.claims - end).into();
    }
    page
}

fn version(text: &str) -> Value {
    let mut version = json!({"major": "1", "minor": "35", "gitVersion": text});
    for field in ["gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"] {
        version[field] = "".into();
    }
    version
}
