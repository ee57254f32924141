//! The databases on which every store must do the same.

#![allow(dead_code)]

mod server;

#[allow(unused_imports, reason = "not every suite needs both")]
pub use server::{Server, own};

use sqlx::{Connection, Executor, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;
use vault::store::{Store, Stores, postgres::Postgres, sqlite::Sqlite};

/// A database of its own for one test.
pub struct World {
    pub store: Arc<dyn Store>,
    pub database: Database,
    pub folder: TempDir,
}

/// Which.
#[derive(Clone)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(String),
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::over(Database::Sqlite(folder.path().join("vault.db")), folder).await
    }

    pub async fn postgres() -> Self {
        let url = new_database(shared(), "").await;
        Self::over(Database::Postgres(url), tempfile::tempdir().unwrap()).await
    }

    async fn over(database: Database, folder: TempDir) -> Self {
        Self { store: database.open().await.unwrap(), database, folder }
    }

    /// Executes statements past the store.
    pub async fn past(&self, statements: &'static str) -> Result<(), sqlx::Error> {
        self.database.past(statements).await
    }
}

impl Database {
    /// One more opening.
    pub async fn open(&self) -> Stores<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite(path) => Arc::new(Sqlite::open(path).await?),
            Self::Postgres(url) => Arc::new(Postgres::open(&url.parse().unwrap()).await?),
        })
    }

    /// A connection past any store.
    pub async fn connect(&self) -> Past {
        match self {
            Self::Sqlite(path) => Past::Sqlite(sqlite(path).await.into()),
            Self::Postgres(url) => Past::Postgres(PgConnection::connect(url).await.unwrap().into()),
        }
    }

    /// Executes statements past any store.
    pub async fn past(&self, statements: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(path) => sqlite(path).await.execute(statements).await.map(drop),
            Self::Postgres(url) => PgConnection::connect(url).await?.execute(statements).await.map(drop),
        }
    }
}

/// A connection past any store.
pub enum Past {
    Sqlite(tokio::sync::Mutex<SqliteConnection>),
    Postgres(tokio::sync::Mutex<PgConnection>),
}

impl Past {
    pub async fn execute(&self, statements: &'static str) {
        match self {
            Self::Sqlite(connection) => connection.lock().await.execute(statements).await.map(drop).unwrap(),
            Self::Postgres(connection) => {
                connection.lock().await.execute(statements).await.map(drop).unwrap()
            }
        }
    }
}

pub async fn sqlite(path: &std::path::Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// One server for all tests of this process that do it no harm.
pub fn shared() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Executes a statement as its administrator.
    pub async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.url("postgres")).await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(statement.to_owned())).await.unwrap();
    }
}

/// The URL of a new, empty database.
pub async fn new_database(server: &Server, options: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("vault{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.execute(&format!("CREATE DATABASE {name} {options} STRATEGY file_copy")).await;
    server.url(&name)
}

/// The same tests on each database.
#[macro_export]
macro_rules! on_each_database {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::World::sqlite().await).await; })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(super::World::postgres().await).await; })*
        }
    };
}
