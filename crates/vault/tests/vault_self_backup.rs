//! Backups that the vault makes of itself: whole, of one moment, opened by the right keys alone, on schedule, once for all
//! replicas.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use telemetry::{Clock, FixedClock, SystemClock};
use tokio_util::sync::CancellationToken;
use vault::{
    directory::{DataDirectory, Readers},
    recover::{RecoverError, recover},
    rewrap,
    seal::{KEY_FILE, KeySource, Wrapping, make_key},
    sealed_file::{Identity, Opener, Sealer},
    self_backup::{Content, Newest, Place, SelfBackupError, Settings, Taking, content_of, state, take},
    server::{Config, Vault},
    store::{
        AuditEntry, AuditOutcome, Change, Expected, OAuthGrant, SealedKey, Store, StoreError, Work,
        whole::{Cells, LEFT_OUT, TABLES},
    },
};

mod chain;
mod databases;
mod small;

use chain::first_broken;
use databases::{Database, World};
use small::Small;

const RESOURCES: usize = 250;

fn now() -> Timestamp {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

fn audit(action: &str) -> AuditEntry {
    AuditEntry {
        at: now(),
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

/// A vault with something in every table, more than a page of resources, and text that is hard to copy.
async fn filled(world: &World, directory: &DataDirectory) -> Wrapping {
    let store = world.store.as_ref();
    vault::bootstrap::first_start(store, None, now()).await.unwrap();
    let mut wrapping = KeySource::Directory.open(directory).unwrap();
    rewrap::settle(store, &mut wrapping, now()).await.unwrap();
    let put = |n: usize| Change::Put {
        id: format!("/subscriptions/S/resourceGroups/Groß-{n}").parse().unwrap(),
        document: json!({"n": n, "text": "\"\n\\ 'ß' 漢字 \u{1F600}", "long": "x".repeat(n * 20)}),
        expected: Expected::Absent,
    };
    let mut changes: Vec<Change> = (0..RESOURCES).map(put).collect();
    let subscription: arm::ResourceId = "/subscriptions/S".parse().unwrap();
    let sealed = |name: &str| wrapping.seal(name, name.as_bytes()).unwrap();
    changes.extend([
        Change::Register(subscription.clone(), "Microsoft.X".into()),
        Change::Register(subscription.clone(), "Microsoft.Y".into()),
        Change::Keep("secret".into(), sealed("secret")),
        Change::AddKey(SealedKey { id: "k".into(), sealed: sealed("signing key k"), created_at: now() }),
        Change::AddWork(Work::new("w".into(), "kind", subscription.clone(), now(), json!({"a": [1]}))),
        Change::Begin(vault::store::OperationRecord {
            id: "op".into(),
            kind: "k".into(),
            target: subscription,
            principal: "p".into(),
            status: arm::OperationStatus::Inprogress,
            started_at: now(),
            ended_at: None,
            result: None,
            error: None,
        }),
        Change::PutGrant(grant(), Expected::Absent),
    ]);
    store.commit(&changes, &audit("fill")).await.unwrap();
    store.note_sign_in("somebody", Some(now())).await.unwrap();
    wrapping
}

fn grant() -> OAuthGrant {
    OAuthGrant {
        id: "g".into(),
        family: "f".into(),
        principal: None,
        document: json!({}),
        expires_at: now(),
        version: 1,
    }
}

/// All rows of a database.
async fn rows(store: &dyn Store) -> Vec<(&'static str, Cells)> {
    let (mut snapshot, mut all) = (store.snapshot().await.unwrap(), Vec::new());
    for table in TABLES {
        let mut after = None;
        loop {
            let page = snapshot.page(table, after.as_ref()).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            all.extend(page.into_iter().map(|row| (table.name, row)));
        }
    }
    all
}

async fn taken(
    store: &dyn Store,
    wrapping: &Wrapping,
    directory: &DataDirectory,
    settings: &Settings,
) -> Result<PathBuf, SelfBackupError> {
    taken_at(store, wrapping, directory, settings, now()).await
}

async fn taken_at(
    store: &dyn Store,
    wrapping: &Wrapping,
    directory: &DataDirectory,
    settings: &Settings,
    now: Timestamp,
) -> Result<PathBuf, SelfBackupError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::open(settings.store.as_ref(), directory, &clock).unwrap();
    let taking = Taking { store, wrapping, directory, place: &place, settings, principal: "operator", now };
    take(&taking).await.map(|taken| directory.path("backups").join(taken.name))
}

async fn content(path: &Path) -> Content {
    content_of(tokio::fs::File::open(path).await.unwrap())
}

/// The other kind of database, empty.
async fn other(world: &World) -> World {
    match world.database {
        Database::Sqlite(_) => World::postgres().await,
        Database::Postgres(_) => World::sqlite().await,
    }
}

fn copy_key(from: &DataDirectory, to: &DataDirectory) {
    to.write(KEY_FILE, &from.read(KEY_FILE).unwrap().unwrap(), Readers::Owner).unwrap();
}

async fn what_one_database_held_is_in_the_other_kind_row_by_row(world: World) {
    let (data, new) = (directory(&world, "data"), directory(&world, "new"));
    let wrapping = filled(&world, &data).await;
    data.write("tls/ca.crt", "certificate", Readers::Everyone).unwrap();
    data.write("tls/ca.key", "key", Readers::Owner).unwrap();
    let before = rows(world.store.as_ref()).await;
    let file = taken(world.store.as_ref(), &wrapping, &data, &Settings::default()).await.unwrap();
    let target = other(&world).await;
    copy_key(&data, &new);

    let source = KeySource::Directory;
    let from = ("file", content(&file).await);
    let done = recover(target.store.as_ref(), &new, &source, None, from, now()).await.unwrap();

    let mut after = rows(target.store.as_ref()).await;
    let audit = target.store.audit(0, 1_000).await.unwrap();
    assert_eq!((first_broken(&audit), done.audit_broken_at), (None, None));
    assert!(audit.last().unwrap().record.contains("recover the vault as it was at 2026-03-04T05:06:07Z"));
    after.pop();
    assert_eq!(after.len(), before.len());
    assert!(after == before, "rows differ");
    assert_eq!(done.rows.values().sum::<u64>(), before.len() as u64);
    for table in TABLES {
        assert!(done.rows.contains_key(table.name), "the test puts nothing into {}", table.name);
    }
    assert_eq!(target.store.oauth_grant("g").await.unwrap(), None);
    assert_eq!(new.read("tls/ca.key").unwrap().as_deref(), Some("key"));
    assert_eq!(std::fs::metadata(new.path("tls/ca.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read(&file).unwrap();
    // One other letter in one of the rows, and the comparison sees it.
    let (third, planted) = (other(&world).await, world.folder.path().join("planted.age"));
    std::fs::write(&planted, rewritten(&text, &wrapping, "漢字", "漢宇")).unwrap();
    let from = ("file", content(&planted).await);
    recover(third.store.as_ref(), &new, &source, None, from, now()).await.unwrap();
    assert!(rows(third.store.as_ref()).await[..before.len()] != before);
    assert!(!text.windows(11).any(|part| part == b"certificate"), "the file is sealed");
}

async fn a_backup_is_of_one_moment_whatever_is_written_meanwhile(world: World) {
    let data = directory(&world, "data");
    filled(&world, &data).await;
    let table = |name: &str| TABLES.iter().find(|table| table.name == name).unwrap();
    let (settings, resources) = (table("settings"), table("resources"));
    let mut snapshot = world.store.snapshot().await.unwrap();
    snapshot.page(settings, None).await.unwrap();

    let id: arm::ResourceId = "/subscriptions/S/resourceGroups/aaa-late".parse().unwrap();
    let late = Change::Put { id: id.clone(), document: json!({}), expected: Expected::Absent };
    world.store.commit(&[late], &audit("late")).await.unwrap();

    let page = snapshot.page(resources, None).await.unwrap();
    assert!(!format!("{page:?}").contains("aaa-late"));
    assert!(world.store.resource(&id).await.unwrap().is_some());
}

async fn a_key_of_the_operator_opens_a_backup_without_any_other(world: World) {
    let (data, new, third) = (directory(&world, "data"), directory(&world, "new"), directory(&world, "3"));
    let wrapping = filled(&world, &data).await;
    let (mine, strange) = (Identity::make(), Identity::make());
    let settings = Settings { recipients: vec![mine.recipient().unwrap()], ..Settings::default() };
    let file = taken(world.store.as_ref(), &wrapping, &data, &settings).await.unwrap();
    let (target, source) = (other(&world).await, KeySource::Directory);
    let own_file = world.folder.path().join("own.key");
    std::fs::write(&own_file, make_key().as_bytes()).unwrap();
    let from = async || ("file", content(&file).await);
    let store = target.store.as_ref();

    let without = recover(store, &new, &source, None, from().await, now()).await.unwrap_err();
    let wrong = recover(store, &new, &source, Some(strange), from().await, now()).await.unwrap_err();
    let own = KeySource::File(own_file);
    let not_replaced =
        recover(store, &third, &own, Some(mine.clone()), from().await, now()).await.unwrap_err();
    let done = recover(store, &new, &source, Some(mine), from().await, now()).await.unwrap();

    assert!(matches!(without, RecoverError::NoKey(_)), "{without}");
    assert!(matches!(wrong, RecoverError::WrongKey { .. }), "{wrong}");
    assert!(not_replaced.to_string().contains("leave --wrapping-key-file out"), "{not_replaced}");
    assert!(done.key_written);
    assert_eq!(new.read(KEY_FILE).unwrap().unwrap().trim(), data.read(KEY_FILE).unwrap().unwrap().trim());
    assert_eq!(std::fs::metadata(new.path(KEY_FILE)).unwrap().permissions().mode() & 0o777, 0o600);
    let opened = KeySource::Directory.open(&new).unwrap();
    let secret = target.store.secret("secret").await.unwrap().unwrap();
    assert_eq!(opened.open_secret("secret", &secret).unwrap().as_slice(), b"secret");
}

async fn the_key_that_was_there_is_kept_beside_the_one_that_came_with_the_backup(world: World) {
    let (data, new) = (directory(&world, "data"), directory(&world, "new"));
    let wrapping = filled(&world, &data).await;
    let mine = Identity::make();
    let settings = Settings { recipients: vec![mine.recipient().unwrap()], ..Settings::default() };
    let file = taken(world.store.as_ref(), &wrapping, &data, &settings).await.unwrap();
    let there = make_key();
    new.write(KEY_FILE, &format!("{}\n", there.as_str()), Readers::Owner).unwrap();
    let sealed_before = KeySource::Directory.open(&new).unwrap().seal("other", b"other").unwrap();
    let target = other(&world).await;
    let recovered = async || {
        let from = ("file", content(&file).await);
        recover(target.store.as_ref(), &new, &KeySource::Directory, Some(mine.clone()), from, now()).await
    };

    let done = recovered().await.unwrap();
    let again = recovered().await;

    let own = data.read(KEY_FILE).unwrap().unwrap();
    let lines = new.read(KEY_FILE).unwrap().unwrap();
    assert!(done.key_written);
    assert!(matches!(again, Err(RecoverError::Store(StoreError::NotEmpty(_)))));
    assert_eq!(lines.lines().collect::<Vec<_>>(), [own.trim(), there.trim()], "the first one seals");
    let opened = KeySource::Directory.open(&new).unwrap();
    let secret = target.store.secret("secret").await.unwrap().unwrap();
    assert_eq!(opened.open_secret("secret", &secret).unwrap().as_slice(), b"secret");
    assert_eq!(opened.open_secret("other", &sealed_before).unwrap().as_slice(), b"other");
}

async fn a_full_disk_refuses_a_backup_and_leaves_no_part_of_it_and_neither_does_a_recovery(world: World) {
    let (data, small) = (directory(&world, "data"), Small::of(4));
    let wrapping = filled(&world, &data).await;
    let noise = |n: u64| {
        let words =
            (0..8_000).map(|m: u64| format!("{:016x}", (n * 8_000 + m).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        words.collect::<String>()
    };
    let large = |n: u64| Change::Put {
        id: format!("/subscriptions/S/resourceGroups/noise-{n}").parse().unwrap(),
        document: json!({"text": noise(n)}),
        expected: Expected::Absent,
    };
    let large: Vec<Change> = (0..16).map(large).collect();
    world.store.commit(&large, &audit("large")).await.unwrap();
    let whole = taken(world.store.as_ref(), &wrapping, &data, &Settings::default()).await.unwrap();
    let reserve = small.path().join("reserve");
    std::fs::write(&reserve, vec![0; 3_000_000]).unwrap();
    std::fs::create_dir(small.path().join("store")).unwrap();
    let spec = format!("backups=file://{}", small.path().join("store").display());
    let settings = Settings { store: Some(spec.parse().unwrap()), ..Settings::default() };

    let refused = taken(world.store.as_ref(), &wrapping, &data, &settings).await;
    let left = files(&small.path().join("store"));
    let told = state(world.store.as_ref()).await.unwrap();
    std::fs::remove_file(&reserve).unwrap();
    let later = now() + SignedDuration::from_mins(5);
    let taken_later = taken_at(world.store.as_ref(), &wrapping, &data, &settings, later).await;
    // The other way: a database whose disk fills up while it is filled is left empty.
    for file in files(&small.path().join("store")) {
        std::fs::remove_file(file).unwrap();
    }
    std::fs::write(&reserve, vec![0; 2_500_000]).unwrap();
    let (new, path) = (directory(&world, "new"), small.path().join("vault.db"));
    copy_key(&data, &new);
    let store = Database::Sqlite(path.clone()).open().await.unwrap();
    let from = async || ("file", content(&whole).await);
    let source = KeySource::Directory;
    let full = recover(store.as_ref(), &new, &source, None, from().await, now()).await;
    let empty = rows(store.as_ref()).await;
    std::fs::remove_file(&reserve).unwrap();
    let room = Small::of(24);
    let second = Database::Sqlite(room.path().join("vault.db")).open().await.unwrap();
    recover(second.as_ref(), &new, &source, None, from().await, now()).await.unwrap();

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing of it is left");
    assert_eq!(told.failed.map(|failed| failed.times), Some(1));
    assert_eq!(told.last.map(|last| last.at), Some(now()), "the one before is known on");
    assert!(taken_later.is_ok(), "{taken_later:?}");
    assert!(matches!(&full, Err(RecoverError::Store(StoreError::Unavailable(_)))), "{full:?}");
    assert!(empty.is_empty(), "all of it or nothing");
    assert!(rows(second.as_ref()).await.len() > RESOURCES);
    store.close().await;
    second.close().await;
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found
}

async fn what_cannot_be_recovered_is_refused_with_the_reason_and_leaves_nothing_behind(world: World) {
    let (data, new) = (directory(&world, "data"), directory(&world, "new"));
    let wrapping = filled(&world, &data).await;
    let file = taken(world.store.as_ref(), &wrapping, &data, &Settings::default()).await.unwrap();
    let whole = std::fs::read(&file).unwrap();
    let target = other(&world).await;
    let path = world.folder.path().join("wrong.age");
    let attempt = async |bytes: Vec<u8>, directory: &DataDirectory| {
        std::fs::write(&path, bytes).unwrap();
        let from = ("wrong.age", content(&path).await);
        recover(target.store.as_ref(), directory, &KeySource::Directory, None, from, now()).await
    };

    new.write(KEY_FILE, &make_key(), Readers::Owner).unwrap();
    let wrong_key = attempt(whole.clone(), &new).await.unwrap_err();
    assert!(matches!(wrong_key, RecoverError::WrongKey { .. }), "{wrong_key}");
    copy_key(&data, &new);
    for cut in [0, 10, 150, 300, whole.len() / 2, whole.len() - 1] {
        let torn = attempt(whole[..cut].to_vec(), &new).await.unwrap_err();
        assert!(matches!(torn, RecoverError::Backup(SelfBackupError::Sealed(_))), "{cut}: {torn}");
    }
    for at in [50, 100, 250, whole.len() / 2, whole.len() - 5] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        assert!(attempt(altered, &new).await.is_err(), "byte {at}");
    }
    let newer =
        attempt(rewritten(&whole, &wrapping, "\"version\":1", "\"version\":2"), &new).await.unwrap_err();
    assert!(newer.to_string().contains("install that version"), "{newer}");
    let secret = attempt(
        rewritten(&whole, &wrapping, "[\"sealed_secrets\",\"secret\"", "[\"sealed_secrets\",\"s\""),
        &new,
    );
    let secret = secret.await.unwrap_err();
    assert!(matches!(&secret, RecoverError::Secret(name) if name == "s"), "{secret}");
    assert!(rows(target.store.as_ref()).await.is_empty(), "nothing was left behind");

    attempt(whole.clone(), &new).await.unwrap();
    let before = rows(target.store.as_ref()).await;
    let again = attempt(whole, &new).await.unwrap_err();
    assert!(matches!(again, RecoverError::Store(StoreError::NotEmpty(_))), "{again}");
    assert!(again.to_string().contains("name an empty one"), "{again}");
    assert!(rows(target.store.as_ref()).await == before);
}

/// A backup as somebody with the key could write it, with other words in it.
fn rewritten(whole: &[u8], wrapping: &Wrapping, old: &str, new: &str) -> Vec<u8> {
    let identities = wrapping.backup_identities().unwrap();
    let recipient = identities[0].recipient().unwrap();
    let (mut opener, mut text) = (Opener::new(identities), Vec::new());
    opener.more(whole, &mut text).unwrap();
    opener.end(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(old), "{old}");
    let text = text.replacen(old, new, 1);
    let mut file = Vec::new();
    let mut sealer = Sealer::begin(&[recipient], &mut file).unwrap();
    sealer.more(text.as_bytes(), &mut file).unwrap();
    sealer.end(&mut file).unwrap();
    file
}

async fn a_place_that_cannot_be_written_is_told_and_counted_until_a_backup_succeeds(world: World) {
    let data = directory(&world, "data");
    let wrapping = filled(&world, &data).await;
    let stores = world.folder.path().join("store");
    std::fs::create_dir(&stores).unwrap();
    let spec = format!("backups=file://{}", stores.display()).parse().unwrap();
    let settings = Settings { store: Some(spec), ..Settings::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::open(settings.store.as_ref(), &data, &clock).unwrap();
    let store = world.store.as_ref();
    let attempt = async || {
        let taking = Taking {
            store,
            wrapping: &wrapping,
            directory: &data,
            place: &place,
            settings: &settings,
            principal: "vault",
            now: now(),
        };
        take(&taking).await
    };

    // Gone as when a volume is not mounted.
    std::fs::remove_dir(&stores).unwrap();
    let (first, second) = (attempt().await, attempt().await);
    let failed = state(store).await.unwrap().failed.unwrap();
    std::fs::create_dir(&stores).unwrap();
    let third = attempt().await.unwrap();

    assert!(first.is_err() && second.is_err());
    assert_eq!(failed.times, 2);
    let after = state(store).await.unwrap();
    assert_eq!((after.failed, after.last), (None, Some(third.clone())));
    assert!(stores.join(&third.name).is_file());
    let audit = store.audit(0, 1_000).await.unwrap();
    let told = |text: &str| audit.iter().filter(|row| row.record.contains(text)).count();
    assert_eq!((told("fail to back the vault up"), told("\"back the vault up to vault-")), (2, 1));
}

on_each_database!(
    what_one_database_held_is_in_the_other_kind_row_by_row,
    a_backup_is_of_one_moment_whatever_is_written_meanwhile,
    a_key_of_the_operator_opens_a_backup_without_any_other,
    the_key_that_was_there_is_kept_beside_the_one_that_came_with_the_backup,
    a_full_disk_refuses_a_backup_and_leaves_no_part_of_it_and_neither_does_a_recovery,
    what_cannot_be_recovered_is_refused_with_the_reason_and_leaves_nothing_behind,
    a_place_that_cannot_be_written_is_told_and_counted_until_a_backup_succeeds,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_is_copied_or_left_out_on_purpose() {
    let world = World::sqlite().await;
    let Database::Sqlite(path) = &world.database else { unreachable!() };
    let statement = "SELECT m.name AS t, p.name AS c FROM sqlite_master m
        JOIN pragma_table_xinfo(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'";

    let found = sqlx::Executor::fetch_all(&mut databases::sqlite(path).await, statement).await.unwrap();

    let mut forgotten: Vec<String> = Vec::new();
    for row in &found {
        let (table, column): (String, String) = (sqlx::Row::get(row, "t"), sqlx::Row::get(row, "c"));
        let copied =
            TABLES.iter().any(|one| one.name == table && one.columns.iter().any(|(name, _)| *name == column));
        let left =
            LEFT_OUT.contains(&table.as_str()) || LEFT_OUT.contains(&format!("{table}.{column}").as_str());
        if table != "_sqlx_migrations" && copied == left {
            forgotten.push(format!("{table}.{column}"));
        }
    }
    assert!(found.len() > 50);
    assert_eq!(forgotten, Vec::<String>::new());
}

/// The backups in a folder, the oldest first.
fn kept(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".age"))
        .collect();
    names.sort();
    names
}

async fn until(what: &str, look: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if look().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vaults_that_share_a_place_leave_each_others_backups_alone() {
    let (one, two) = (World::sqlite().await, World::sqlite().await);
    let store = one.folder.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let spec = format!("backups=file://{}", store.display()).parse().unwrap();
    let settings = Settings { store: Some(spec), keep: 1, ..Settings::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);

    let mut places = Vec::new();
    for world in [&one, &two] {
        let data = directory(world, "data");
        let wrapping = filled(world, &data).await;
        for n in 0..2 {
            let at = now() + SignedDuration::from_millis(n);
            taken_at(world.store.as_ref(), &wrapping, &data, &settings, at).await.unwrap();
        }
        places.push((Place::open(settings.store.as_ref(), &data, &clock).unwrap(), world));
    }

    assert_eq!(kept(&store).len(), 2, "the last one of each");
    let mut tenants = Vec::new();
    for (place, world) in &places {
        let tenant = world.store.setting("tenant").await.unwrap().unwrap();
        let Newest::One { name, .. } = place.newest(Some(&tenant), now()).await.unwrap() else {
            panic!("{tenant}")
        };
        assert!(name.contains(&tenant), "{name}");
        tenants.push(tenant);
    }
    tenants.sort();
    assert_eq!(places[0].0.newest(None, now()).await.unwrap(), Newest::OfSeveral(tenants));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_newest_backup_is_none_of_a_clock_that_was_ahead() {
    let world = World::sqlite().await;
    let data = directory(&world, "data");
    let wrapping = filled(&world, &data).await;
    let settings = Settings::default();
    let mut names = Vec::new();
    for hours in [-24, 0, 48] {
        let at = now() + SignedDuration::from_hours(hours);
        let path = taken_at(world.store.as_ref(), &wrapping, &data, &settings, at).await.unwrap();
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::open(None, &data, &clock).unwrap();
    let newest = async |hours| place.newest(None, now() + SignedDuration::from_hours(hours)).await.unwrap();
    let one = |name: &String, passed_over: &[&String]| Newest::One {
        name: name.clone(),
        passed_over: passed_over.iter().map(|name| (*name).clone()).collect(),
    };

    assert_eq!(newest(3).await, one(&names[1], &[&names[2]]));
    assert_eq!(newest(48).await, one(&names[2], &[]), "its time has come");
    assert_eq!(newest(-2_000).await, one(&names[2], &[]), "this machine's clock is behind");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_backup_lies_in_an_object_store_and_comes_back_from_there() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (world, moto) = (World::sqlite().await, storage::emulators::Emulator::moto().await);
    moto.create_bucket("safe").await;
    let keys = world.folder.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    for (name, value) in moto.secret_data() {
        std::fs::write(keys.join(name), value).unwrap();
    }
    let url = format!(
        "backups=s3://safe/vaults/a?endpoint={}&region=us-east-1&path-style=true&credentials={}",
        moto.endpoint(),
        keys.display()
    );
    let settings = Settings { store: Some(url.parse().unwrap()), keep: 1, ..Settings::default() };
    let data = directory(&world, "data");
    let wrapping = filled(&world, &data).await;
    let large = |n: usize| Change::Put {
        id: format!("/subscriptions/S/resourceGroups/large-{n}").parse().unwrap(),
        document: json!({"text": n.to_string().repeat(1 << 20)}),
        expected: Expected::Absent,
    };
    let large: Vec<Change> = (0..24).map(large).collect();
    world.store.commit(&large, &audit("large")).await.unwrap();

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::open(settings.store.as_ref(), &data, &clock).unwrap();
    let store = world.store.as_ref();
    taken(store, &wrapping, &data, &settings).await.unwrap();
    let before = rows(store).await;
    let soon = now() + SignedDuration::from_millis(1);
    taken_at(store, &wrapping, &data, &settings, soon).await.unwrap();
    let kept = place.list(None).await.unwrap();
    let target = World::postgres().await;
    let from = ("file", place.get(&kept[0].name).await.unwrap());
    recover(target.store.as_ref(), &data, &KeySource::Directory, None, from, now()).await.unwrap();

    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(kept[0].size > 24 << 20, "{kept:?}");
    assert!(rows(target.store.as_ref()).await[..before.len()] == before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_back_their_vault_up_once_a_day_and_keep_the_newest() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (world, key) = (World::postgres().await, make_key());
    let Database::Postgres(url) = &world.database else { unreachable!() };
    let store = world.folder.path().join("store");
    std::fs::create_dir(&store).unwrap();
    let clock = Arc::new(FixedClock::at(now()));
    let stop = CancellationToken::new();
    let mut replicas = Vec::new();
    for n in 0..3 {
        let settings = Settings {
            store: Some(format!("backups=file://{}", store.display()).parse().unwrap()),
            keep: 3,
            ..Settings::default()
        };
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: Some(url.parse().unwrap()),
            wrapping_key: KeySource::Given(key.clone()),
            self_backup: Some(settings),
            ..Config::at(world.folder.path().join(n.to_string()))
        };
        let vault = Vault::open(config, clock.clone()).await.unwrap();
        replicas.push(tokio::spawn(vault.serve(stop.clone())));
    }
    let last = async || state(world.store.as_ref()).await.unwrap().last;
    let all = || kept(&store);

    until("the first start should back up", async || last().await.is_some()).await;
    let mut counts = vec![all().len()];
    let first = all();
    for day in 1..=4 {
        clock.advance(SignedDuration::from_hours(24));
        let taken = async || last().await.is_some_and(|last| last.at == clock.now());
        until(&format!("day {day} should have its backup"), taken).await;
        counts.push(all().len());
    }
    // A second one of the same day would come now.
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.cancel();
    for replica in replicas {
        replica.await.unwrap().unwrap();
    }

    assert_eq!(counts, [1, 2, 3, 3, 3]);
    assert_eq!(all().len(), 3);
    assert!(!all().contains(&first[0]), "the oldest is gone");
    let audit = world.store.audit(0, 10_000).await.unwrap();
    let told = audit.iter().filter(|row| row.record.contains("\"back the vault up to vault-")).count();
    assert_eq!(told, 5, "once for each day");
}
