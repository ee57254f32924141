//! A cluster that is disconnected is cut off: its gateway's tunnel and its agent's connection end within seconds, at
//! whatever replica they are, and none of its credentials lets it in again.

mod databases;
mod forwarding;
mod world;

use forwarding::{Gateway, LEASE, database, dialler, get, until};
use http::Request;
use http_body_util::BodyExt;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use reqwest::Method;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tunnel::{
    Body, ConnectionId, Part,
    credential::{Credential, EnrolmentToken},
    empty,
    enrol::{EnrolError, enrol, renew},
    full,
    tls::{AGENT, GATEWAY},
};
use vault::{cluster_link::LinkError, seal::make_key};
use world::{World, fault_cluster::FaultCluster, protected::Protected};

const SOON: Duration = Duration::from_secs(20);
const WATCH: &str = "/apis/clusterbackup.cofferdam.io/v1/backups?watch=true";

/// An agent's connection, with the code by which agents dial and enrol.
#[derive(Clone)]
struct Agent(SendRequest<Body>);

impl Agent {
    /// And what ends when the connection does.
    async fn dial(port: u16, ca: &Path, credential: &Credential) -> (Self, JoinHandle<()>) {
        let stream = dialler(port, ca).dial(AGENT, Some(credential)).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        (Self(sender), tokio::spawn(async move { drop(connection.await) }))
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        let request = request.body(body.map_or_else(empty, |body| full(body.to_string()))).unwrap();
        let answer = self.0.clone().send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

async fn connect(it: &Protected) -> (ConnectionId, EnrolmentToken) {
    let answer = it.call(Method::POST, &format!("{}/connect", it.managed), None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let connection = ConnectionId(answer.body["connection"].as_str().unwrap().parse().unwrap());
    (connection, answer.body["token"].as_str().unwrap().parse().unwrap())
}

/// Until the gateway's tunnel ends at this replica.
async fn tunnelled(at: &World, connection: ConnectionId) {
    let id = connection.to_string();
    until("the gateway is connected", async || at.app.clusters.connected().contains(&id).then_some(())).await;
}

/// Two replicas, and a cluster whose gateway is connected to the first of them.
struct Set {
    it: Protected,
    other: World,
    connection: ConnectionId,
    token: EnrolmentToken,
    gateway: Gateway,
}

impl Set {
    async fn start() -> Self {
        let (database, key) = (database().await, make_key());
        let one = World::replica(&database, &key, LEASE, None).await;
        let other = World::replica(&database, &key, LEASE, Some(&one)).await;
        let it = Protected::over(one, Arc::new(FaultCluster::default())).await;
        let (connection, token) = connect(&it).await;
        let gateway = Gateway::new(it.world.port(), &it.world.ca, it.cluster.clone());
        gateway.keep(&it.world.ca, token.text(), CancellationToken::new());
        tunnelled(&it.world, connection).await;
        until("it knows its binding", async || (!gateway.bindings.lock().is_empty()).then_some(())).await;
        Self { it, other, connection, token, gateway }
    }
}

/// Disconnects the cluster, whose agent is connected, too, by a call at the same replica or at the other.
async fn disconnect(is_elsewhere: bool) {
    let Set { it, other, connection, token, gateway } = Set::start().await;
    let (one, ca, port) = (&it.world, it.world.ca.clone(), it.world.port());
    let mut watch = one.app.links.open(connection, "backuprb", get(WATCH), SOON).await.unwrap().into_body();
    let credential = enrol(&dialler(port, &ca), &token, Part::Agent).await.unwrap();
    let (agent, link) = Agent::dial(port, &ca, &credential).await;
    let (told, desired) = agent.ask(Method::GET, "/cluster/v1/desired", None).await;
    let waiting = format!("/cluster/v1/desired?after={}&wait=50", desired["revision"].as_str().unwrap());
    let asking = agent.clone();
    let waits = tokio::spawn(async move { asking.ask(Method::GET, &waiting, None).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(told == 200 && !waits.is_finished() && !link.is_finished());

    let at = if is_elsewhere { &other } else { one };
    let off = at.call(&at.administrator, Method::POST, &format!("{}/disconnect", it.managed), None).await;
    let waited = timeout(SOON, waits).await.unwrap().unwrap();
    let broke = timeout(SOON, watch.frame()).await.unwrap();
    timeout(SOON, link).await.expect("the agent's connection ends").unwrap();
    let cut = async || one.app.clusters.connected().is_empty().then_some(());
    timeout(SOON, until("the tunnel is cut", cut)).await.unwrap();
    let call = one.app.links.open(connection, "backuprb", get("/api"), SOON).await;

    assert_eq!((off.status, &off.body["properties"]["cofferdam"]["connected"]), (200, &json!(false)));
    assert_eq!((waited.0, &waited.1["error"]["code"]), (401, &json!("ClusterDisconnected")));
    assert!(broke.is_none_or(|frame| frame.is_err()), "the watch tells nothing more");
    assert_eq!(call.err(), Some(LinkError::NotConnected));

    // The gateway dials again and again; so does whoever took its credentials.
    let stolen = dialler(port, &ca).dial(GATEWAY, Some(&gateway.credential())).await;
    for _ in 0..30 {
        assert_eq!(one.app.clusters.connected(), Vec::<String>::new());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(stolen);
    let (agent, link) = Agent::dial(port, &ca, &credential).await;
    let report = json!({"agentVersion": "6.6.6", "cluster": {}, "extensions": []});
    let refused = agent.ask(Method::PUT, "/cluster/v1/report", Some(report)).await;
    timeout(SOON, link).await.expect("that connection ends, too").unwrap();
    let renewed = renew(&dialler(port, &ca), &credential).await.map(drop).unwrap_err();
    let again = enrol(&dialler(port, &ca), &token, Part::Agent).await.map(drop).unwrap_err();
    let (anew, its_token) = connect(&it).await;
    Gateway::new(port, &ca, it.cluster.clone()).keep(&ca, its_token.text(), CancellationToken::new());
    tunnelled(one, anew).await;

    assert_eq!((refused.0, &refused.1["error"]["code"]), (401, &json!("ClusterDisconnected")));
    let code = |error: EnrolError| match error {
        EnrolError::Refused { code, .. } => code,
        other => panic!("{other}"),
    };
    assert_eq!([code(renewed), code(again)], ["ClusterDisconnected", "EnrolmentTokenInvalid"]);
    assert_eq!(one.app.clusters.connected(), [anew.to_string()], "the new connection alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_cuts_gateway_and_agent_and_none_of_their_credentials_lets_them_in_again() {
    disconnect(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_at_one_replica_cuts_what_is_connected_to_another() {
    disconnect(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_hears_within_seconds_of_consent_that_was_withdrawn_and_given_at_another_replica() {
    let Set { it, other, gateway, .. } = Set::start().await;
    let binding = it.binding().to_string();
    let written = other.get(&other.administrator, &binding).await.body;
    let known = async |number: usize| {
        let look = async || (gateway.bindings.lock().len() == number).then_some(());
        timeout(SOON, until("the gateway hears of it", look)).await.is_ok()
    };
    assert!(known(1).await);

    let gone = other.call(&other.administrator, Method::DELETE, &binding, None).await;
    let withdrawn = known(0).await;
    let body = json!({"properties": {"sourceResourceId": it.vault, "roles": written["properties"]["roles"]}});
    let given = other.call(&other.administrator, Method::PUT, &binding, Some(body)).await;
    let heard = known(1).await;

    assert_eq!((gone.status / 100, given.status / 100), (2, 2), "{gone:?} {given:?}");
    assert_eq!((withdrawn, heard), (true, true));
}
