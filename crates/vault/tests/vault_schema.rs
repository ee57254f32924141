//! Databases of every schema that was released become the newest one with all that they hold; and all databases have the
//! same tables.

use sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};
use std::{collections::BTreeSet, path::Path};
use vault::store::OperationRecord;

mod chain;
mod databases;

use chain::first_broken;
use databases::{Database, World, sqlite};

const OF_VAULT: &str =
    "/subscriptions/S/resourceGroups/Old/providers/Microsoft.DataProtection/backupVaults/V";
const JOBS: &str = "Microsoft.DataProtection/backupVaults/backupJobs";

/// Every schema but the newest of each database, as a fixture is named: a new migration needs one of what was before it.
fn before_the_newest() -> BTreeSet<String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let of = |database: &'static str| {
        let steps = std::fs::read_dir(source.join(database).join("migrations")).unwrap().count();
        (1..steps).map(move |step| format!("{database}-{step}"))
    };
    of("sqlite").chain(of("postgres")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_released_schema_becomes_the_newest_with_all_that_it_holds() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let dumps: Vec<_> = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    let named = |dump: &std::path::PathBuf| dump.file_stem().unwrap().to_str().unwrap().to_owned();
    assert_eq!(dumps.iter().map(named).collect::<BTreeSet<_>>(), before_the_newest());

    for dump in dumps {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(&dump).unwrap();
        let name = dump.file_name().unwrap().to_str().unwrap().to_owned();
        let database = if name.starts_with("sqlite") {
            let path = folder.path().join("vault.db");
            let mut connection: SqliteConnection = sqlite(&path).await;
            connection.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
            connection.close().await.unwrap();
            Database::Sqlite(path)
        } else {
            let url = databases::new_database(databases::shared(), "").await;
            let mut connection = PgConnection::connect(&url).await.unwrap();
            connection.execute(sqlx::AssertSqlSafe(text)).await.unwrap();
            Database::Postgres(url)
        };

        let store = database.open().await.unwrap_or_else(|error| panic!("{name}: {error}"));

        let group = "/subscriptions/s/resourceGroups/OLD".parse().unwrap();
        let found = store.resource(&group).await.unwrap().unwrap();
        assert_eq!((found.id.as_str(), found.version), ("/subscriptions/S/resourceGroups/Old", 3), "{name}");
        assert_eq!(store.setting("tenant").await.unwrap().as_deref(), Some("t"), "{name}");
        assert_eq!(store.principal_of_client("c").await.unwrap().unwrap().name, "Administrator", "{name}");
        assert_eq!(store.client_secrets("c").await.unwrap().len(), 1, "{name}");
        assert_eq!(store.assignments_of("o").await.unwrap().len(), 1, "{name}");
        assert_eq!(store.failed_sign_ins("c").await.unwrap().failures, 2, "{name}");
        // SQLite has had secrets of its own since its fourth schema, PostgreSQL always.
        let has_secrets = !["sqlite-1.sql", "sqlite-2.sql", "sqlite-3.sql"].contains(&name.as_str());
        assert_eq!(store.sealed().await.unwrap().len(), 1 + usize::from(has_secrets), "{name}");
        if !["sqlite-1.sql", "sqlite-2.sql"].contains(&name.as_str()) {
            let grant = store.oauth_grant("g").await.unwrap().unwrap();
            assert_eq!((grant.family.as_str(), grant.version), ("f", 1), "{name}");
            let instance = format!("{OF_VAULT}/backupInstances/I");
            let jobs = store.resources_about(JOBS, &instance).await.unwrap();
            assert_eq!(
                jobs.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(),
                [format!("{OF_VAULT}/backupJobs/J")]
            );
        }
        let operation: OperationRecord = store.operation("op").await.unwrap().unwrap();
        assert_eq!((operation.principal.as_str(), operation.result), ("", None), "{name}");
        let rows = store.audit(0, 10).await.unwrap();
        assert_eq!((rows.len(), first_broken(&rows)), (3, None), "{name}");
        store.close().await;
    }
}

/// Table, column, and whether it holds bytes.
type Columns = BTreeSet<(String, String, bool)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_databases_have_the_same_tables_and_the_store_knows_all_that_is_sealed() {
    let (one, other) = (World::sqlite().await, World::postgres().await);
    let (Database::Sqlite(path), Database::Postgres(url)) = (&one.database, &other.database) else {
        unreachable!()
    };

    let of_sqlite = "SELECT m.name AS t, p.name AS c, p.type = 'BLOB' AS b FROM sqlite_master m
        JOIN pragma_table_xinfo(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%'";
    let rows = sqlite(path).await.fetch_all(of_sqlite).await.unwrap();
    let in_sqlite: Columns = rows.iter().map(|row| (row.get("t"), row.get("c"), row.get("b"))).collect();
    let of_postgres = "SELECT table_name::text AS t, column_name::text AS c, data_type = 'bytea' AS b
        FROM information_schema.columns WHERE table_schema = 'public'";
    let rows = PgConnection::connect(url).await.unwrap().fetch_all(of_postgres).await.unwrap();
    let in_postgres: Columns = rows.iter().map(|row| (row.get("t"), row.get("c"), row.get("b"))).collect();

    let only = |a: &Columns, b: &Columns| a.difference(b).cloned().collect::<Vec<_>>();
    assert_eq!(only(&in_sqlite, &in_postgres), [], "in SQLite alone");
    assert_eq!(only(&in_postgres, &in_sqlite), [], "in PostgreSQL alone");
    // Whoever adds a column of bytes that is sealed adds it to `Store::sealed`, or an exchange of the key loses it.
    let bytes: Vec<String> = in_sqlite
        .into_iter()
        .filter(|(table, _, bytes)| *bytes && table != "_sqlx_migrations")
        .map(|(table, column, _)| format!("{table}.{column}"))
        .collect();
    assert_eq!(bytes, ["audit.hash", "sealed_secrets.sealed", "signing_keys.sealed"]);
}

/// How each database finds something: on SQLite and on PostgreSQL.
async fn plans(found: &str) -> [String; 2] {
    let (one, other) = (World::sqlite().await, World::postgres().await);
    let (Database::Sqlite(path), Database::Postgres(url)) = (&one.database, &other.database) else {
        unreachable!()
    };
    let explained = format!("EXPLAIN QUERY PLAN {found}");
    let rows = sqlite(path).await.fetch_all(sqlx::AssertSqlSafe(explained)).await.unwrap();
    let on_sqlite: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    let mut connection = PgConnection::connect(url).await.unwrap();
    // A table that is almost empty is read whole otherwise.
    connection.execute("SET enable_seqscan = off").await.unwrap();
    let rows = connection.fetch_all(sqlx::AssertSqlSafe(format!("EXPLAIN {found}"))).await.unwrap();
    let on_postgres: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    [on_sqlite.join("\n"), on_postgres.join("\n")]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_that_are_forgotten_are_found_by_when_they_ended() {
    let found = "SELECT id FROM operations WHERE status <> 'Inprogress' AND ended_at <= 1 ORDER BY ended_at, id LIMIT 10";

    for plan in plans(found).await {
        assert!(plan.contains("operations_by_end"), "{plan}");
        assert!(!plan.to_lowercase().contains("sort") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_principal_was_assigned_at_a_scope_is_found_by_both() {
    let found = "SELECT principal, role, scope FROM role_assignments WHERE principal || ' ' || scope_key IN ('v /g', 'v /')";
    let world = World::postgres().await;
    let Database::Postgres(url) = &world.database else { unreachable!() };
    let mut connection = PgConnection::connect(url).await.unwrap();
    // Half of all assignments are those of one principal, half are at one scope, and hardly one is both.
    connection
        .execute(
            "INSERT INTO role_assignments (name, scope_key, scope, principal, role, document)
             SELECT n::text, CASE n % 2 WHEN 0 THEN '/g' ELSE '/c' || n END, '/', CASE n % 2 WHEN 0 THEN 'c' || n ELSE 'v' END,
             'r', repeat('d', 400) FROM generate_series(1, 4000) AS n; ANALYZE role_assignments",
        )
        .await
        .unwrap();

    let rows = connection.fetch_all(sqlx::AssertSqlSafe(format!("EXPLAIN {found}"))).await.unwrap();
    let filled: Vec<String> = rows.iter().map(|row| row.get(0)).collect();

    for plan in plans(found).await.into_iter().chain([filled.join("\n")]) {
        assert!(plan.contains("role_assignments_by_principal"), "{plan}");
    }
}
