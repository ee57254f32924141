//! The other database under a world, where the environment asks for it: one server for all worlds of a test process, one
//! database for each, dropped with it.

// Suites that compare databases have it already, in a module that knows nothing of worlds.
#[allow(clippy::duplicate_mod)]
#[path = "../databases/server.rs"]
mod server;

use server::Server;
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};
use vault::store::postgres::DatabaseUrl;

/// `postgres`, or `sqlite`, which is what absence means.
const WHICH: &str = "COFFERDAM_TEST_DATABASE";

/// The database of one world.
#[derive(Debug)]
pub struct OwnDatabase {
    name: String,
    pub url: DatabaseUrl,
}

impl OwnDatabase {
    /// A new, empty one, where the environment asks for PostgreSQL.
    pub fn asked_for() -> Option<Self> {
        match std::env::var(WHICH).as_deref() {
            Err(_) | Ok("" | "sqlite") => None,
            Ok("postgres") => Some(Self::new()),
            Ok(other) => panic!("{WHICH} is {other}; there are sqlite and postgres"),
        }
    }

    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("world{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server().make(&name);
        let url = server().url(&name).parse().unwrap();
        Self { name, url }
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        server().remove(&self.name);
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}
