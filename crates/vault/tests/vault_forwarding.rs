//! Three replicas on one PostgreSQL and a cluster on a real tunnel: the cluster is reached through every replica, whichever
//! its gateway dialled, also after that one was killed.

mod chain;
mod databases;
mod forwarding;
mod world;

use chain::first_broken;
use forwarding::{Gateway, LEASE, Process, Relay, database, get, until};
use http_body_util::BodyExt;
use hyper::body::Frame;
use reqwest::Method;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use telemetry::{Clock, SystemClock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tunnel::{
    ConnectionId, ReplicaId,
    replica::{Identity, Peers},
    tls::{AGENT, GATEWAY, REPLICA},
    wire::{BINDING_HEADER, CONNECTION_HEADER, FAILED_HEADER},
};
use uuid::Uuid;
use vault::{
    cluster_link::{ClusterRequest, LinkError},
    links::open_of_replicas,
    seal::make_key,
    store::{AuditEntry, Holding},
};
use world::{
    World,
    fault_cluster::FaultCluster,
    protected::{POINT, Protected},
};

const HEAD: Duration = Duration::from_secs(20);
const WATCH: &str = "/apis/clusterbackup.cofferdam.io/v1/backups?watch=true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_runs_here_when_a_test_beside_starts_it() {
    Process::run().await;
}

/// Two replicas in this process, what is protected in them, and the cluster's connection and token.
struct Set {
    it: Protected,
    other: World,
    database: String,
    key: String,
    connection: ConnectionId,
    token: String,
}

impl Set {
    async fn start() -> Self {
        let (database, key) = (database().await, make_key());
        let one = World::replica(&database, &key, LEASE, None).await;
        let other = World::replica(&database, &key, LEASE, Some(&one)).await;
        let it = Protected::over(one, Arc::new(FaultCluster::default())).await;
        let answer = it.call(Method::POST, &format!("{}/connect", it.managed), None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let connection = ConnectionId(answer.body["connection"].as_str().unwrap().parse().unwrap());
        let token = answer.body["token"].as_str().unwrap().to_owned();
        Self { it, other, database, key: key.to_string(), connection, token }
    }

    fn gateway(&self, port: u16) -> Gateway {
        Gateway::new(port, &self.it.world.ca, self.it.cluster.clone())
    }

    /// Which replica holds the tunnel now.
    async fn holder(&self) -> Option<Holding> {
        let found = self.it.world.app.store.tunnel(&self.connection.to_string()).await.unwrap();
        found.filter(|found| found.held_until > SystemClock.now())
    }

    async fn held_by(&self, port: u16) {
        let address = format!("127.0.0.1:{port}");
        until("the tunnel ends where it should", async || {
            self.holder().await.filter(|holder| holder.address == address)
        })
        .await;
    }

    /// A call of the vault to the cluster, at one of the replicas.
    async fn call(&self, at: &World) -> Result<u16, LinkError> {
        let request = ClusterRequest::get("/api/v1/namespaces/nothing");
        let connection = self.connection.to_string();
        at.app.clusters.call(&connection, "backuprb", request).await.map(|answer| answer.status)
    }
}

/// How often a replica claimed a job.
fn jobs_claimed(at: &World) -> u64 {
    let text = at.app.metrics.text();
    let line = text.lines().find(|line| line.starts_with("cofferdam_vault_work_claimed_total{kind=\"job\"}"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

fn done() -> Value {
    json!({"phase": "Completed", "recoveryPoint": {"location": "default", "id": POINT}, "objects": 12, "bytesAdded": 4096,
        "volumes": {"snapshots": 1, "fileCopies": 0, "notProtected": 0}, "problems": [], "problemCount": 0})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_reached_through_every_replica_also_after_the_one_it_dialled_was_killed() {
    let set = Set::start().await;
    let (it, other, links) = (&set.it, &set.other, &set.it.world.app.links);
    let folder = tempfile::tempdir().unwrap();
    let (killed, port) = Process::start(
        "a_replica_runs_here_when_a_test_beside_starts_it",
        &folder.path().join("vault"),
        &set.database,
        &set.key,
        &it.world.url,
    )
    .await;
    let relay = Relay::to(port).await;
    let gateway = set.gateway(relay.port);
    gateway.keep(&it.world.ca, &set.token, CancellationToken::new());
    set.held_by(port).await;

    // Calls, a watch, one that is broken off, and jobs, all through replicas that do not hold the tunnel.
    until("all know that it is connected", async || {
        let shown = other.get(&other.administrator, it.managed.as_str()).await;
        (shown.body["properties"]["cofferdam"]["connected"] == true).then_some(())
    })
    .await;
    let here = (it.world.app.clusters.connected(), other.app.clusters.connected());
    let calls = (set.call(&it.world).await, set.call(other).await);
    let unknown = links.open(ConnectionId(Uuid::from_u128(7)), "backuprb", get("/api"), HEAD).await;
    let mut watch = links.open(set.connection, "backuprb", get(WATCH), HEAD).await.unwrap().into_body();
    let say = gateway.watches.lock().pop().unwrap();
    say.unbounded_send(Ok(Frame::data("one".into()))).unwrap();
    let one = watch.frame().await.unwrap().unwrap().into_data().unwrap();
    drop(watch);
    until("a watch that nobody reads ends in the cluster", async || say.is_closed().then_some(())).await;
    let slow = links.open(set.connection, "backuprb", get("/slow"), Duration::from_millis(500)).await;
    until("a request is broken off", async || gateway.broken_off.load(Ordering::SeqCst).then_some(())).await;
    it.protect().await;
    let backup = json!({"backupRuleOptions": {"ruleName": "BackupHourly", "triggerOption": {"retentionTagOverride": "Default"}}});
    let begun = other
        .call(&other.administrator, Method::POST, &format!("{}/backup", it.instance), Some(backup))
        .await;
    let job = it.job_of(&begun).await;
    until("the cluster is asked for a backup", async || it.cluster.object("backups")).await;
    let mut lasting = links.open(set.connection, "backuprb", get(WATCH), HEAD).await.unwrap().into_body();

    assert_eq!(here, (vec![], vec![]), "neither of them holds it");
    assert_eq!(calls, (Ok(404), Ok(404)), "the API server's answer");
    assert_eq!(unknown.err(), Some(LinkError::NotConnected));
    assert_eq!(one, "one");
    assert!(matches!(slow, Err(LinkError::Cut(_))));

    // Its replica dies; what was open breaks, and is not taken for an end.
    relay.turn(1);
    drop(killed);
    let broke = timeout(HEAD, lasting.frame()).await.unwrap();
    let gone = set.call(other).await;
    let shown =
        until("the entry ends with its lease", async || set.holder().await.is_none().then_some(())).await;
    relay.turn(it.world.port());
    set.held_by(it.world.port()).await;
    let again = (set.call(&it.world).await, set.call(other).await);
    it.cluster.says("Backup", done());
    let ended = it.ended(&job).await;

    assert!(broke.unwrap().is_err());
    assert_eq!((gone, shown), (Err(LinkError::NotConnected), ()));
    assert_eq!(again, (Ok(404), Ok(404)));
    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    assert_eq!(it.cluster.made("backups").len(), 1, "no work is done twice");
    let rows = it.world.app.store.audit(0, 100_000).await.unwrap();
    assert_eq!(first_broken(&rows), None);
    let entries = rows.iter().map(|row| serde_json::from_str::<AuditEntry>(&row.record).unwrap());
    assert!(entries.filter(|entry| entry.action == "job").count() >= 2, "asked for and ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_tunnel_gives_way_to_a_newer_one_at_another_replica_and_work_follows_it() {
    let set = Set::start().await;
    let (one, other) = (&set.it.world, &set.other);
    let gateway = set.gateway(one.port());
    let first = CancellationToken::new();
    gateway.keep(&one.ca, &set.token, first.clone());
    set.held_by(one.port()).await;

    let second = CancellationToken::new();
    gateway.once(other.port(), &one.ca, second.clone()).await;
    set.held_by(other.port()).await;
    first.cancel();
    until("the older one is dropped", async || one.app.clusters.connected().is_empty().then_some(())).await;
    let calls = (set.call(one).await, set.call(other).await);
    set.it.protect().await;
    set.it.job_of(&set.it.back_up().await).await;
    until("the cluster is asked for a backup", async || set.it.cluster.object("backups")).await;
    let before = (jobs_claimed(one), jobs_claimed(other));
    until("the job is looked after", async || (jobs_claimed(other) > before.1 + 5).then_some(())).await;
    let by_others = jobs_claimed(one) - before.0;
    let held = set.holder().await.unwrap();
    second.cancel();
    until("whoever has no tunnel says so", async || set.holder().await.is_none().then_some(())).await;

    assert_eq!(calls, (Ok(404), Ok(404)));
    assert!(by_others <= 2, "the replica that holds the tunnel does the work: {by_others}");
    assert_eq!(held.address, format!("127.0.0.1:{}", other.port()), "the older one took nothing back");
    assert_eq!(set.call(one).await, Err(LinkError::NotConnected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binding_that_was_made_a_moment_ago_counts_at_every_replica_before_the_gateway_has_heard_of_it() {
    let set = Set::start().await;
    let (one, other) = (&set.it.world, &set.other);
    let gateway = set.gateway(one.port());
    gateway.keep(&one.ca, &set.token, CancellationToken::new());
    set.held_by(one.port()).await;
    set.it.remove(&set.it.binding()).await;
    one.app.links.look_again();
    until("the gateway forgets it", async || gateway.bindings.lock().is_empty().then_some(())).await;

    let without = (set.call(one).await, set.call(other).await);
    // Nobody is told that it was made.
    set.it.bind().await;
    let forwarded = set.call(other).await;
    let again = (set.call(one).await, set.call(other).await);

    assert_eq!(without, (Err(LinkError::Refused), Err(LinkError::Refused)));
    assert_eq!(forwarded, Ok(404), "the API server's answer");
    assert_eq!(again, (Ok(404), Ok(404)));
    assert_eq!(*gateway.bindings.lock(), ["backuprb"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_killed_between_making_a_backup_and_writing_that_down_leaves_one_backup_and_one_job()
 {
    let set = Set::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (database, key, public) = (set.database.clone(), set.key.clone(), set.it.world.url.clone());
    let start = async |name: &str| {
        let test = "a_replica_runs_here_when_a_test_beside_starts_it";
        Process::start(test, &folder.path().join(name), &database, &key, &public).await
    };
    let (killed, port) = start("one").await;
    let relay = Relay::to(port).await;
    let gateway = set.gateway(relay.port);
    gateway.keep(&set.it.world.ca, &set.token, CancellationToken::new());
    set.held_by(port).await;
    set.it.protect().await;
    // Of the three replicas only the process is left, so that it does the work.
    let Set { mut it, other, .. } = set;
    other.stop().await;
    it.world.stop_signal().cancel();
    let health = format!("{}/healthz", it.world.url);
    until("the first replica ends", async || it.world.http.get(&health).send().await.is_err().then_some(()))
        .await;
    it.world.url = format!("https://localhost:{port}");

    it.cluster.hangs_after("POST");
    let begun = it.back_up().await;
    until("the cluster has made it", async || it.cluster.object("backups")).await;
    relay.turn(1);
    drop(killed);
    let (_second, port) = start("two").await;
    relay.turn(port);
    it.world.url = format!("https://localhost:{port}");
    it.cluster.says("Backup", done());
    let jobs = until("the job ends", async || {
        let listed = it.get(&format!("{}/backupJobs?$filter=operation eq 'Backup'", it.vault)).await;
        let jobs = listed.body["value"].as_array()?.clone();
        jobs.iter().all(|job| job["properties"]["status"] != "InProgress").then_some(jobs)
    })
    .await;
    let points = it.get(&format!("{}/recoveryPoints", it.instance)).await;

    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(jobs[0]["properties"]["status"], "Completed", "{jobs:?}");
    assert_eq!(it.cluster.made("backups").len(), 1, "no second backup");
    assert_eq!(points.names(), [POINT]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_entry_is_used_no_longer_than_its_lease_and_nobody_who_only_has_its_address_gets_a_call() {
    let set = Set::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dialled = Arc::new(AtomicU32::new(0));
    let counted = dialled.clone();
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let entry = |replica: Uuid, address: &str, session: &str| Holding {
        connection: set.connection.to_string(),
        replica: replica.to_string(),
        address: address.to_owned(),
        session: session.to_owned(),
        held_until: SystemClock.now() + LEASE,
    };
    let store = &set.it.world.app.store;
    assert!(store.take_tunnel(&entry(Uuid::new_v4(), &address, "s1"), None).await.unwrap());

    let within = set.call(&set.other).await;
    let tried = dialled.load(Ordering::SeqCst);
    tokio::time::sleep(LEASE + Duration::from_millis(200)).await;
    let after = set.call(&set.other).await;
    let tried_after = dialled.load(Ordering::SeqCst);
    // A real replica listens here, but it is not the one that is meant.
    let real = format!("127.0.0.1:{}", set.it.world.port());
    assert!(store.take_tunnel(&entry(Uuid::new_v4(), &real, "s2"), Some("s1")).await.unwrap());
    let mistaken = set.call(&set.other).await;

    let none = Err(LinkError::NotConnected);
    assert_eq!((&within, &after, &mistaken), (&none, &none, &none));
    assert!(tried > 0, "it was used while it counted");
    assert_eq!(tried_after, tried, "and not afterwards");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_run_held_at_the_address_of_this_one_counts_for_nothing_here() {
    let set = Set::start().await;
    let connection = set.connection.to_string();
    let former = Holding {
        connection: connection.clone(),
        replica: Uuid::new_v4().to_string(),
        address: format!("127.0.0.1:{}", set.other.port()),
        session: "s1".to_owned(),
        held_until: SystemClock.now() + Duration::from_secs(300),
    };

    assert!(set.it.world.app.store.take_tunnel(&former, None).await.unwrap());
    let elsewhere = &set.it.world.app.clusters;
    until("a replica elsewhere takes it for held", async || {
        elsewhere.known().contains(&connection).then_some(())
    })
    .await;
    // This one has looked meanwhile, too: both do three times within a lease.
    tokio::time::sleep(LEASE).await;

    assert!(!set.other.app.clusters.known().contains(&connection));
    assert_eq!(set.call(&set.other).await, Err(LinkError::NotConnected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_replicas_are_let_in_as_replicas_and_what_they_forward_goes_no_further() {
    let set = Set::start().await;
    let one = &set.it.world;
    let gateway = set.gateway(one.port());
    gateway.keep(&one.ca, &set.token, CancellationToken::new());
    set.held_by(one.port()).await;
    let now = SystemClock.now();
    let authority = open_of_replicas(one.app.store.as_ref(), &one.app.wrapping, now).await.unwrap();
    let id = ReplicaId(Uuid::new_v4());
    let (replica, _) = authority.replica(id, now).unwrap();
    let part = gateway.credential();
    let server = |name: &str| std::fs::read_to_string(one.ca.with_file_name(name)).unwrap();
    let server = (server("server.crt"), server("server.key"));
    let replica = (replica.certificate.as_str(), replica.key.as_str());

    let genuine = let_in(one.port(), REPLICA, Some(replica)).await;
    let refused = [
        ("no certificate", let_in(one.port(), REPLICA, None).await),
        ("a part's", let_in(one.port(), REPLICA, Some((part.certificate(), part.key()))).await),
        ("the server's", let_in(one.port(), REPLICA, Some((&server.0, &server.1))).await),
        ("a replica as an agent", let_in(one.port(), AGENT, Some(replica)).await),
        ("a replica as a gateway", let_in(one.port(), GATEWAY, Some(replica)).await),
    ];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let peers = Peers::new(Arc::new(Identity::new(id, authority, clock).unwrap()));
    let send = async |to: &World, size: usize| {
        let mut request = get("/api/v1/namespaces/nothing").map(|_| tunnel::full(vec![b'x'; size]));
        let connection = set.connection.to_string().parse().unwrap();
        request.headers_mut().insert(CONNECTION_HEADER, connection);
        request.headers_mut().insert(BINDING_HEADER, "backuprb".parse().unwrap());
        *request.uri_mut() = "https://replica.cofferdam/api/v1/namespaces/nothing".parse().unwrap();
        let id = to.app.replica.parse().unwrap();
        let answer = peers.send(id, &format!("127.0.0.1:{}", to.port()), request).await.unwrap();
        let failed = answer.headers().get(FAILED_HEADER).map(|code| code.to_str().unwrap().to_owned());
        (answer.status().as_u16(), failed)
    };
    let (holder, no_holder) = (send(one, 0).await, send(&set.other, 0).await);
    let large = send(one, 9 * 1024 * 1024).await;

    assert!(genuine, "a replica's certificate of today");
    for (what, let_in) in refused {
        assert!(!let_in, "{what}");
    }
    assert_eq!(holder, (404, None), "the API server's answer");
    assert_eq!(
        no_holder,
        (502, Some("not-connected".to_owned())),
        "it knows who holds the tunnel, and does not ask"
    );
    assert_eq!(large, (502, Some("api-server".to_owned())), "a request is bounded");
    assert_eq!(set.call(&set.other).await, Ok(404), "from itself it does");
}

/// Whether the vault goes on speaking with whoever names this protocol and shows this certificate.
async fn let_in(port: u16, protocol: &[u8], pair: Option<(&str, &str)>) -> bool {
    let builder = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone));
    let mut config = match pair {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).map(Result::unwrap).collect();
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let Ok(mut stream) = TlsConnector::from(Arc::new(config)).connect(name, tcp).await else { return false };
    // The beginning of HTTP/2 with empty settings; whoever is let in gets settings back.
    if stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.is_err() {
        return false;
    }
    let mut first = [0_u8; 1];
    matches!(timeout(Duration::from_secs(20), stream.read(&mut first)).await, Ok(Ok(1)))
}

/// Takes every server for the right one: who is judged is the client.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
