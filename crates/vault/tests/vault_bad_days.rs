//! Bad input and bad days, seen from outside: bodies without end, clients that never finish a word, writers at once, tokens
//! that are used twice; a database that is locked, full, lost and back.

mod databases;
mod dataprotection;
mod small;
mod world;

use bytes::Bytes;
use databases::{Server, new_database, own, sqlite};
use dataprotection::{cli_vault, make_vault, ready};
use futures::{StreamExt, future::join_all};
use jiff::SignedDuration;
use reqwest::Method;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::json;
use small::Small;
use sqlx::Executor;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use telemetry::SystemClock;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tunnel::{
    Part, Proxy,
    credential::EnrolmentToken,
    dial::{Dialler, Target},
    enrol::{EnrolError, enrol},
    tls::Trust,
};
use vault::{
    server::Limits,
    store::{Change, Expected},
};
use world::{
    Answer, Choices, VERSION, World,
    protected::{POINT, Protected},
};

const HUNDRED_MIB: u64 = 100 * 1024 * 1024;

/// A body of 100 MiB that counts what of it was taken.
fn endless(taken: &Arc<AtomicU64>) -> reqwest::Body {
    const PART: usize = 64 * 1024;
    let (taken, part) = (taken.clone(), Bytes::from(vec![b'x'; PART]));
    let parts = futures::stream::iter(0..HUNDRED_MIB / PART as u64).map(move |_| {
        taken.fetch_add(PART as u64, Ordering::SeqCst);
        Ok::<_, std::io::Error>(part.clone())
    });
    reqwest::Body::wrap_stream(parts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_body_of_100_mib_no_more_is_taken_than_may_be_there() {
    let world = World::start().await;
    let table = [
        (Method::PUT, format!("{}?api-version={VERSION}", world.group("g"))),
        (Method::POST, format!("/providers/Microsoft.ResourceGraph/resources?api-version={VERSION}")),
        (Method::POST, format!("/{}/oauth2/v2.0/token", world.tenant)),
        (Method::POST, "/cluster/v1/enrol".to_owned()),
        (Method::POST, "/cluster/v1/grants".to_owned()),
    ];

    for (method, path) in table {
        for declared in [true, false] {
            let taken = Arc::new(AtomicU64::new(0));
            let mut request = world.http.request(method.clone(), format!("{}{path}", world.url));
            if declared {
                request = request.header("content-length", HUNDRED_MIB);
            }
            let sent = request.bearer_auth(&world.administrator.token).body(endless(&taken)).send();
            let answer = timeout(Duration::from_secs(60), sent).await.unwrap();

            // What lies in the buffers on the way is a few MiB at most; of a body that does not say how long it is 8 MiB more
            // are thrown away, so that its sender hears the answer.
            let taken = taken.load(Ordering::SeqCst);
            let most = if declared { 16 * 1024 * 1024 } else { 24 * 1024 * 1024 };
            assert!(taken < most, "{path}, declared: {declared}: {taken} bytes");
            let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(answer.status(), 413, "{path}, declared: {declared}");
        }
    }
    assert_eq!(world.get(&world.administrator, "/subscriptions").await.status, 200);
}

/// A client that has shaken hands and speaks HTTP/1.1.
async fn dialled(world: &World) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(&world.ca).unwrap();
    roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", world.port())).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn a_client_that_sends_all_before_it_listens_hears_that_it_was_too_much() {
    let world = World::start().await;
    let mut stream = dialled(&world).await;
    let length = 8 * 1024 * 1024;
    let head = format!(
        "PUT {}?api-version={} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n",
        world.group("g"),
        VERSION,
        world.administrator.token
    );

    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; length]).await.expect("all of it is taken");
    stream.flush().await.unwrap();
    let mut answer = [0_u8; 12];
    timeout(Duration::from_secs(60), stream.read_exact(&mut answer)).await.unwrap().unwrap();

    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_say_half_a_word_are_let_go_and_keep_nobody_else_waiting() {
    let limits =
        Limits { head: Duration::from_secs(3), body_time: Duration::from_secs(3), ..Limits::default() };
    let world = World::with(limits).await;
    let mut slow = Vec::new();
    for number in 0..40 {
        let mut stream = dialled(&world).await;
        let word = if number % 2 == 0 {
            "GET /subscr".to_owned()
        } else {
            let path = format!("{}?api-version={VERSION}", world.group("g"));
            let token = &world.administrator.token;
            format!(
                "PUT {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-length: 500\r\n\r\n{{"
            )
        };
        stream.write_all(word.as_bytes()).await.unwrap();
        slow.push(stream);
    }

    let meanwhile = world.get(&world.administrator, "/subscriptions").await;
    let ends = slow.into_iter().map(|mut stream| async move {
        let mut said = Vec::new();
        let ended = timeout(Duration::from_secs(30), stream.read_to_end(&mut said)).await;
        (ended.is_ok(), String::from_utf8_lossy(&said).into_owned())
    });
    let ends: Vec<(bool, String)> = join_all(ends).await;

    assert_eq!(meanwhile.status, 200);
    for (number, (ended, said)) in ends.iter().enumerate() {
        assert!(ended, "client {number} still hangs: {said}");
        let wanted =
            if number % 2 == 0 { said.is_empty() || said.contains(" 408 ") } else { said.contains(" 408 ") };
        assert!(wanted, "client {number}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_writers_that_read_the_same_version_one_succeeds() {
    let world = ready().await;
    let vault = make_vault(&world, "v1").await;
    let guard = format!("{}/providers/Microsoft.DataProtection/resourceGuards/guard", world.group("g"));
    let made =
        world.call(&world.administrator, Method::PUT, &guard, Some(json!({"location": "local"}))).await;
    assert_eq!(made.status, 201, "{made:?}");

    for path in [&vault, &guard] {
        let before = world.get(&world.administrator, path).await;
        let tag = before.header("etag").to_owned();
        assert!(!tag.is_empty(), "{before:?}");
        let writers = (0..8).map(|number| {
            let mut body = cli_vault();
            body["tags"] = json!({"writer": number.to_string()});
            let request = world.http.put(format!("{}{path}?api-version=2024-04-01", world.url));
            let request = request.bearer_auth(&world.administrator.token).header("if-match", &tag);
            async move { Answer::of(request.body(body.to_string()).send().await.unwrap()).await }
        });
        let answers: Vec<Answer> = join_all(writers).await;
        let after = world.get(&world.administrator, path).await;

        let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(won.len(), 1, "{path}: {answers:?}");
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            assert_eq!((lost.status, lost.code()), (412, "PreconditionFailed"), "{path}");
        }
        assert_eq!(after.body["tags"], won[0].body["tags"], "{path}: what was answered is there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_enrolment_token_that_is_replayed_forged_or_too_old_lets_nobody_in() {
    let it = Protected::start().await;
    let connect = async || {
        let answer = it.call(Method::POST, &format!("{}/connect", it.managed), None).await;
        answer.body["token"].as_str().unwrap().to_owned()
    };
    let trust = Trust::from_pem(&std::fs::read_to_string(&it.world.ca).unwrap()).unwrap();
    let target = Target { host: "localhost".to_owned(), port: it.world.port() };
    let dialler = Dialler::new(target, trust, Proxy::none(), Arc::new(SystemClock));
    let try_with = async |token: &str, part| {
        let token: EnrolmentToken = token.parse().unwrap();
        match enrol(&dialler, &token, part).await {
            Ok(_) => "enrolled".to_owned(),
            Err(EnrolError::Refused { code, .. }) => code,
            Err(error) => panic!("{error}"),
        }
    };

    let token = connect().await;
    let at_once = join_all((0..5).map(|_| try_with(&token, Part::Agent))).await;
    let replayed = try_with(&token, Part::Agent).await;
    let other_part = (try_with(&token, Part::Gateway).await, try_with(&token, Part::Gateway).await);
    let newer = connect().await;
    let of_before = try_with(&token, Part::Gateway).await;
    let last = if newer.ends_with('A') { 'B' } else { 'A' };
    let forged = format!("{}{last}", &newer[..newer.len() - 1]);
    let forged = try_with(&forged, Part::Agent).await;
    it.world.clock.advance(SignedDuration::from_mins(61));
    let too_old = try_with(&newer, Part::Agent).await;

    assert_eq!(at_once.iter().filter(|one| *one == "enrolled").count(), 1, "{at_once:?}");
    let others = at_once.iter().filter(|one| *one != "enrolled");
    assert!(others.clone().all(|code| code == "EnrolmentTokenUsed"), "{at_once:?}");
    assert_eq!(replayed, "EnrolmentTokenUsed");
    assert_eq!((other_part.0.as_str(), other_part.1.as_str()), ("enrolled", "EnrolmentTokenUsed"));
    assert_eq!(of_before, "EnrolmentTokenInvalid");
    assert_eq!((forged.as_str(), too_old.as_str()), ("EnrolmentTokenInvalid", "EnrolmentTokenExpired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_and_a_group_that_hold_an_instance_stay() {
    let it = Protected::start().await;
    it.protect().await;

    let vault = it.call(Method::DELETE, &it.vault, None).await;
    let group = it.call(Method::DELETE, &it.group, None).await;
    let gone = it.call(Method::DELETE, &it.instance, None).await;
    it.operation(&gone).await;
    let soft_deleted = it.call(Method::DELETE, &it.vault, None).await;

    assert_eq!(
        (vault.status, vault.code()),
        (409, "UserErrorBackupVaultContainsBackupInstances"),
        "{vault:?}"
    );
    assert_eq!((group.status, group.code()), (409, "ResourceGroupDeletionBlocked"), "{group:?}");
    assert_eq!(soft_deleted.status, 409, "it can be brought back yet: {soft_deleted:?}");
    assert_eq!(it.get(&it.vault).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_immutable_vault_nothing_of_an_instance_is_kept_shorter_and_it_does_not_go_with_its_data() {
    let it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    it.ended(&it.job_of(&it.back_up().await).await).await;
    let policy = it.get(&format!("{}/backupPolicies/policy1", it.vault)).await.body;
    let keeping = async |name: &str, duration: &str| {
        let mut body = json!({"properties": policy["properties"]});
        body["properties"]["policyRules"][1]["lifecycles"][0]["deleteAfter"]["duration"] = json!(duration);
        let put = it.call(Method::PUT, &format!("{}/backupPolicies/{name}", it.vault), Some(body)).await;
        (put.status, put.code().to_owned())
    };
    let with = async |policy: &str| {
        let mut wanted = it.wanted();
        wanted["policyInfo"]["policyId"] = json!(format!("{}/backupPolicies/{policy}", it.vault));
        it.call(Method::PUT, &it.instance, Some(json!({"properties": wanted}))).await
    };
    let made = (keeping("short", "P6D").await, keeping("long", "P9D").await);
    let body = json!({"properties": {"securitySettings": {"immutabilitySettings": {"state": "Unlocked"}}}});
    let immutable = it.call(Method::PATCH, &it.vault, Some(body)).await;

    let shortened = keeping("policy1", "P6D").await;
    let to_short = with("short").await;
    let to_long = with("long").await;
    it.operation(&to_long).await;
    let back = with("policy1").await;
    let deleted = it.call(Method::DELETE, &it.instance, None).await;

    assert_eq!((made.0.0, made.1.0, immutable.status), (200, 200, 200));
    let code = "UserErrorRetentionReductionBlockedByImmutability";
    assert_eq!(shortened, (400, code.to_owned()));
    for refused in [&to_short, &back] {
        assert_eq!((refused.status, refused.code()), (400, code), "{refused:?}");
    }
    assert_eq!(to_long.status, 200, "{to_long:?}");
    assert_eq!(
        (deleted.status, deleted.code()),
        (409, "UserErrorImmutableVaultDeleteNotAllowed"),
        "{deleted:?}"
    );
}

async fn put_group(world: &World, name: &str) -> Answer {
    world
        .call(&world.administrator, Method::PUT, &world.group(name), Some(json!({"location": "local"})))
        .await
}

fn is_told(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "ServiceUnavailable"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), "5");
    assert!(
        !answer.body.to_string().to_lowercase().contains("sql"),
        "what went wrong inside is in the log: {answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_sqlite_is_locked_reads_go_on_writes_are_told_to_come_again_and_do() {
    let world = World::choosing(Choices::on_sqlite(), Arc::new(vault::cluster_link::NoClusters)).await;
    world.make_group("before").await;
    let mut other = sqlite(&world.data().join("vault.db")).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let read = world.get(&world.administrator, &world.group("before")).await;
    let written = put_group(&world, "during").await;
    other.execute("ROLLBACK").await.unwrap();
    let again = put_group(&world, "during").await;

    assert_eq!(read.status, 200);
    is_told(&written);
    assert_eq!(again.status, 201, "nothing of the first one is there: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_full_reads_go_on_and_writes_are_told_to_come_again() {
    let (server, small) = (Server::start(), Small::of(40));
    let reserve = small.path().join("reserve");
    std::fs::write(&reserve, vec![0; 8_000_000]).unwrap();
    let space = small.path().join("space");
    std::fs::create_dir(&space).unwrap();
    own(small.path());
    own(&space);
    server.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", space.display())).await;
    let url = new_database(&server, "TABLESPACE small").await;
    let choices = Choices { database: Some(url.parse().unwrap()), ..Choices::default() };
    let world = World::choosing(choices, Arc::new(vault::cluster_link::NoClusters)).await;
    world.make_group("before").await;
    // No two parts alike: PostgreSQL compresses what repeats.
    let noise: String =
        (0..20_000_u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let mut number = 0;
    let fill = async |number: usize, text: &str| {
        let id = format!("/subscriptions/s/resourceGroups/fill-{number}").parse().unwrap();
        let put = Change::Put { id, document: json!({"text": text}), expected: Expected::Absent };
        world.app.store.commit_unaudited(&[put]).await
    };
    while fill(number, &noise).await.is_ok() {
        number += 1;
        assert!(number < 1_000, "it never filled up");
    }
    while fill(number, "").await.is_ok() {
        number += 1;
        assert!(number < 200_000, "it never filled up");
    }

    let read = world.get(&world.administrator, &world.group("before")).await;
    let mut refused = None;
    for n in 0..500 {
        let answer = put_group(&world, &format!("during-{n}")).await;
        if answer.status != 201 {
            refused = Some((n, answer));
            break;
        }
    }
    let (n, refused) = refused.expect("a write should be refused");
    let health = world.http.get(format!("{}/healthz", world.url)).send().await.unwrap().status();
    std::fs::remove_file(&reserve).unwrap();
    let again = until(async || {
        let answer = put_group(&world, &format!("during-{n}")).await;
        (answer.status != 503).then_some(answer)
    })
    .await;

    assert_eq!((read.status, health.as_u16()), (200, 200));
    is_told(&refused);
    assert_eq!(again.status, 201, "nothing of the first one is there: {again:?}");
    world.stop().await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_lost_and_back_interrupts_calls_and_work_and_ends_neither() {
    let server = Server::start();
    let url = new_database(&server, "").await;
    let choices = Choices { database: Some(url.parse().unwrap()), ..Choices::default() };
    let it = Protected::choosing(choices).await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "InProgress", "stage": "snapshots"}));
    let job = it.job_of(&it.back_up().await).await;
    it.until(async || it.cluster.object("backups")).await;
    let health = async |path: &str| {
        it.world.http.get(format!("{}{path}", it.world.url)).send().await.unwrap().status().as_u16()
    };

    server.crash();
    let read = it.get(&it.vault).await;
    let written = put_group(&it.world, "during").await;
    let (who, scope) = (&it.world.administrator, format!("{}//.default", it.world.url));
    let sign_in = it.world.ask_with(&who.client_id, &who.secret, &scope).await;
    let lost = (health("/healthz").await, health("/readyz").await);
    // Work goes on trying meanwhile.
    it.world.clock.advance(SignedDuration::from_mins(2));
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.up();
    let back = until(async || {
        let answer = it.get(&it.vault).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    it.world.clock.advance(SignedDuration::from_mins(2));
    let ended = it.ended(&job).await;

    is_told(&read);
    is_told(&written);
    assert!(
        sign_in.status >= 500 && sign_in.status < 504,
        "nobody is told that the secret is wrong: {sign_in:?}"
    );
    assert_eq!(lost, (200, 503), "it lives, and is not ready");
    assert_eq!(back.body["name"], "vault1");
    assert_eq!(ended["properties"]["status"], "Completed", "{ended}");
    assert_eq!(it.cluster.made("backups").len(), 1);
    assert_eq!(health("/readyz").await, 200);
    assert_eq!(put_group(&it.world, "during").await.status, 201);
    it.world.stop().await;
    drop(server);
}

async fn until<T>(look: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it did not come about within a minute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_an_operation_ended_is_told_for_a_week_and_then_forgotten() {
    let mut it = Protected::start().await;
    it.protect().await;
    it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
    let begun = it.back_up().await;
    let path = begun.header("azure-asyncoperation").strip_prefix(&it.world.url).unwrap().to_owned();
    let asked = async |it: &Protected| {
        let url = format!("{}{path}", it.world.url);
        let answer = it.world.get_url(&it.world.administrator, &url).await;
        (answer.status, answer.code().to_owned())
    };
    it.ended(&it.job_of(&begun).await).await;

    // A vault that starts forgets at once; one that runs does so each hour.
    it.later(SignedDuration::from_hours(6 * 24)).await;
    it = it.restart().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let within = asked(&it).await;
    it.later(SignedDuration::from_hours(25)).await;
    it = it.restart().await;
    let after = until(async || {
        let answer = asked(&it).await;
        (answer.0 != 200).then_some(answer)
    })
    .await;

    assert_eq!(within.0, 200);
    assert_eq!(after, (404, "OperationNotFound".to_owned()));
    assert_eq!(
        it.get(&it.instance).await.body["properties"]["currentProtectionState"],
        json!("ProtectionConfigured")
    );
}
