//! Keys and certificates: what replicas have in common, and what is exchanged while they run.

use std::{
    future::{Future, poll_fn},
    path::Path,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use telemetry::{Clock, SystemClock};
use tokio_util::sync::CancellationToken;
use vault::{
    directory::{DataDirectory, Readers},
    rewrap::{self, RewrapError},
    seal::{KEY_FILE, KeySource, SealError, make_key},
    server::{CertificateFiles, Config, Limits, ServeError, Vault},
    store::{AuditEntry, AuditOutcome, Change, SealedKey, Store, StoreError},
};

mod databases;

use databases::{Database, World};

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: SystemClock.now(),
        principal: "p".into(),
        action: action.into(),
        scope: "/".into(),
        outcome: AuditOutcome::Changed,
        correlation: "c".into(),
    }
}

fn directory(world: &World, name: &str) -> DataDirectory {
    DataDirectory::open(&world.folder.path().join(name)).unwrap()
}

/// Seals three things with the key of a directory.
async fn sealed(store: &dyn Store, directory: &DataDirectory) {
    let mut wrapping = KeySource::Directory.open(directory).unwrap();
    rewrap::settle(store, &mut wrapping, SystemClock.now()).await.unwrap();
    let keep = |name: &str| Change::Keep(name.into(), wrapping.seal(name, name.as_bytes()).unwrap());
    let sealed = wrapping.seal("signing key k", b"signing key k").unwrap();
    let key = Change::AddKey(SealedKey { id: "k".into(), sealed, created_at: SystemClock.now() });
    store.commit(&[wrapping.guard(), keep("a"), keep("b"), key], &audit("seal")).await.unwrap();
}

/// Everything opens with the keys of the directory; how many keys there are.
async fn opens(store: &dyn Store, directory: &DataDirectory) -> usize {
    let mut wrapping = KeySource::Directory.open(directory).unwrap();
    rewrap::settle(store, &mut wrapping, SystemClock.now()).await.unwrap();
    let all = store.sealed().await.unwrap();
    assert_eq!(all.len(), 3);
    for one in all {
        let name = one.name();
        assert_eq!(wrapping.open_secret(&name, &one.sealed).unwrap().as_slice(), name.as_bytes());
    }
    wrapping.count()
}

/// Runs a future for so many polls, and then drops it in the middle, as a kill does.
async fn cut<T>(future: impl Future<Output = T>, polls: u32) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn an_exchange_of_the_key_that_is_killed_anywhere_leaves_everything_readable(world: World) {
    let (store, directory) = (world.store.as_ref(), directory(&world, "data"));
    sealed(store, &directory).await;
    let before = directory.read(KEY_FILE).unwrap().unwrap();

    let mut cuts = 0;
    let done = loop {
        let exchange = rewrap::exchange(store, &KeySource::Directory, &directory, SystemClock.now());
        match cut(exchange, cuts).await {
            Some(done) => break done.unwrap(),
            None => cuts += 1,
        }
        assert!(opens(store, &directory).await <= 2, "after {cuts} polls");
    };

    let after = directory.read(KEY_FILE).unwrap().unwrap();
    // How many there are depends on how fast the database answers.
    assert!(cuts > 1, "{cuts}");
    assert_eq!(opens(store, &directory).await, 1);
    assert!(!after.contains(before.trim()), "the old key is gone");
    assert_eq!(KeySource::Directory.open(&directory).unwrap().fingerprint(), done.key);
}

async fn an_exchange_goes_on_from_each_of_its_three_states(world: World) {
    let (store, directory, now) = (world.store.as_ref(), directory(&world, "data"), SystemClock.now());
    sealed(store, &directory).await;
    let old = directory.read(KEY_FILE).unwrap().unwrap();
    let both = format!("{old}\n{}\n", make_key().as_str());
    let exchange = async || rewrap::exchange(store, &KeySource::Directory, &directory, now).await.unwrap();

    // Killed once both keys were in the file.
    directory.write(KEY_FILE, &both, Readers::Owner).unwrap();
    let with_both = opens(store, &directory).await;
    let first = exchange().await;
    // Killed once the database was sealed anew, the file was not yet written.
    let once_more = directory.read(KEY_FILE).unwrap().unwrap();
    directory.write(KEY_FILE, &format!("{once_more}\n{}\n", make_key().as_str()), Readers::Owner).unwrap();
    let mut wrapping = KeySource::Directory.open(&directory).unwrap();
    rewrap::reseal(store, &mut wrapping, now).await.unwrap();
    let sealed_anew = opens(store, &directory).await;
    let second = exchange().await;

    assert_eq!((with_both, first.resealed), (2, 3));
    assert_eq!((sealed_anew, second.resealed), (2, 0));
    assert_eq!(opens(store, &directory).await, 1);
}

async fn nothing_is_left_behind_that_was_sealed_while_the_key_was_exchanged(world: World) {
    let (store, directory) = (world.store.as_ref(), directory(&world, "data"));
    sealed(store, &directory).await;
    let mut late = KeySource::Directory.open(&directory).unwrap();
    rewrap::settle(store, &mut late, SystemClock.now()).await.unwrap();

    rewrap::exchange(store, &KeySource::Directory, &directory, SystemClock.now()).await.unwrap();
    let with_the_old_key = Change::Keep("late".into(), late.seal("late", b"x").unwrap());
    let refused = store.commit(&[late.guard(), with_the_old_key], &audit("seal")).await;

    assert!(matches!(refused, Err(StoreError::Conflict(_))));
    assert_eq!(opens(store, &directory).await, 1);
}

async fn keys_that_the_operator_gave_are_exchanged_for_the_last_one(world: World) {
    let (store, directory) = (world.store.as_ref(), directory(&world, "data"));
    sealed(store, &directory).await;
    let old = directory.read(KEY_FILE).unwrap().unwrap();
    let given = |text: String| KeySource::Given(text.into());
    let new = make_key();

    let alone = rewrap::exchange(store, &given(old.clone()), &directory, SystemClock.now()).await;
    let both = given(format!("{old}\n{}", new.as_str()));
    let done = rewrap::exchange(store, &both, &directory, SystemClock.now()).await.unwrap();
    let again = rewrap::exchange(store, &both, &directory, SystemClock.now()).await.unwrap();
    let mut without = given(old).open(&directory).unwrap();
    let refused = rewrap::settle(store, &mut without, SystemClock.now()).await.unwrap_err();

    assert!(matches!(alone, Err(RewrapError::OneKey(_))));
    assert_eq!((done.resealed, again.resealed), (3, 0));
    assert!(matches!(refused, RewrapError::Seal(SealError::Other { .. })), "{refused}");
    let mut newest = given(new.to_string()).open(&directory).unwrap();
    rewrap::settle(store, &mut newest, SystemClock.now()).await.unwrap();
}

async fn a_key_that_opens_nothing_is_not_taken_for_the_right_one(world: World) {
    let (store, right, wrong) =
        (world.store.as_ref(), directory(&world, "right"), directory(&world, "wrong"));
    sealed(store, &right).await;
    world.past("DELETE FROM settings WHERE name = 'wrapping key'").await.unwrap();

    let mut wrapping = KeySource::Directory.open(&wrong).unwrap();
    let refused = rewrap::settle(store, &mut wrapping, SystemClock.now()).await.unwrap_err();

    assert!(matches!(refused, RewrapError::Seal(SealError::Altered(_))), "{refused}");
    assert_eq!(opens(store, &right).await, 1);
}

on_each_database! {
    an_exchange_of_the_key_that_is_killed_anywhere_leaves_everything_readable,
    an_exchange_goes_on_from_each_of_its_three_states,
    nothing_is_left_behind_that_was_sealed_while_the_key_was_exchanged,
    keys_that_the_operator_gave_are_exchanged_for_the_last_one,
    a_key_that_opens_nothing_is_not_taken_for_the_right_one,
}

fn config(data: &Path, database: &Database, key: &str) -> Config {
    let Database::Postgres(url) = database else { panic!("replicas share PostgreSQL") };
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database: Some(url.parse().unwrap()),
        wrapping_key: KeySource::Given(key.to_owned().into()),
        ..Config::at(data.to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_start_first_at_once_make_one_vault() {
    let (world, key) = (World::postgres().await, make_key());

    let opened = (0..4).map(|n| {
        let config = config(&world.folder.path().join(n.to_string()), &world.database, &key);
        tokio::spawn(Vault::open(config, Arc::new(SystemClock)))
    });
    let mut vaults = Vec::new();
    for one in opened.collect::<Vec<_>>() {
        vaults.push(one.await.unwrap().unwrap());
    }

    let administrators = vaults.iter_mut().filter_map(Vault::take_first).count();
    let tenants: std::collections::BTreeSet<_> =
        vaults.iter().map(|vault| vault.app().issuer.tenant().to_owned()).collect();
    let authorities: std::collections::BTreeSet<_> =
        vaults.iter().map(|vault| std::fs::read_to_string(vault.ca()).unwrap()).collect();
    let keys: std::collections::BTreeSet<_> =
        vaults.iter().map(|vault| vault.app().issuer.key_set().to_string()).collect();
    assert_eq!((administrators, tenants.len(), authorities.len(), keys.len()), (1, 1, 1, 1));
    assert_eq!(world.store.subscriptions().await.unwrap().len(), 1);
    assert_eq!(world.store.signing_keys().await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_with_another_wrapping_key_is_told_so() {
    let world = World::postgres().await;
    let first = config(&world.folder.path().join("1"), &world.database, &make_key());
    drop(Vault::open(first, Arc::new(SystemClock)).await.unwrap());

    let second = config(&world.folder.path().join("2"), &world.database, &make_key());
    let refused = Vault::open(second, Arc::new(SystemClock)).await.unwrap_err();

    assert!(matches!(refused, ServeError::Rewrap(_)), "{refused}");
    assert!(refused.to_string().contains("COFFERDAM_WRAPPING_KEY_FILE"), "{refused}");
}

/// A certificate of its own, written beside its key.
fn certificate(files: &CertificateFiles) -> rcgen::Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let made =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    std::fs::write(&files.certificate, made.pem()).unwrap();
    made
}

async fn trusts(shown: &rcgen::Certificate, url: &str) -> bool {
    let authority = reqwest::Certificate::from_pem(shown.pem().as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
    http.get(format!("{url}/healthz")).send().await.is_ok_and(|answer| answer.status() == 200)
}

async fn soon(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_certificate_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let files =
        CertificateFiles { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
    let first = certificate(&files);
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        certificate: Some(files.clone()),
        ..Config::at(folder.path().join("vault"))
    };
    let vault = Vault::open(config, Arc::new(SystemClock)).await.unwrap();
    let (url, stop) = (vault.public().to_string(), CancellationToken::new());
    let served = tokio::spawn(vault.serve(stop.clone()));
    assert!(trusts(&first, &url).await);

    std::fs::write(&files.certificate, "no certificate").unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let with_a_bad_file = trusts(&first, &url).await;
    let second = certificate(&files);
    soon("the new certificate should be shown", async || trusts(&second, &url).await).await;

    assert!(with_a_bad_file);
    assert!(!trusts(&first, &url).await);
    stop.cancel();
    served.await.unwrap().unwrap();
    std::fs::write(&files.key, "no key").unwrap();
    let at_start = Config { certificate: Some(files), ..Config::at(folder.path().join("other")) };
    let at_start = Config { listen: "127.0.0.1:0".parse().unwrap(), ..at_start };
    assert!(matches!(Vault::open(at_start, Arc::new(SystemClock)).await, Err(ServeError::Pki(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_served_only_where_the_operator_says_and_name_no_path_of_a_client() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        metrics: Some(port),
        limits: Limits::default(),
        ..Config::at(folder.path().join("vault"))
    };
    let vault = Vault::open(config, Arc::new(SystemClock)).await.unwrap();
    let (url, stop) = (vault.public().to_string(), CancellationToken::new());
    let authority = reqwest::Certificate::from_pem(&std::fs::read(vault.ca()).unwrap()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([authority]).no_proxy().build().unwrap();
    let served = tokio::spawn(vault.serve(stop.clone()));

    let asked = ["/healthz", "/subscriptions?api-version=2022-12-01", "/some/secret/path"];
    for path in asked {
        http.get(format!("{url}{path}")).send().await.unwrap();
    }
    let on_the_main_listener = http.get(format!("{url}/metrics")).send().await.unwrap().status().as_u16();
    let text = http.get(format!("http://{port}/metrics")).send().await.unwrap().text().await.unwrap();
    let elsewhere = http.get(format!("http://{port}/subscriptions")).send().await.unwrap().status().as_u16();

    assert_eq!((on_the_main_listener, elsewhere), (401, 404));
    assert!(text.contains(r#"cofferdam_vault_requests_total{operation="health",status="200"} 1"#), "{text}");
    assert!(text.contains(r#"status="401""#) && text.contains("cofferdam_vault_connections 1"), "{text}");
    assert!(text.contains("cofferdam_vault_request_seconds_bucket"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    stop.cancel();
    served.await.unwrap().unwrap();
}
