//! The database: PostgreSQL 15 with `psql`, `pg_dump` and `pgbench`, without root.
//!
//! Runs as user and group 999 (`postgres`); give a volume mounted at `/var/lib/postgresql/data` the
//! `fsGroup` 999. The first start makes a database cluster in `$PGDATA`, a directory below it.
//! Environment: `POSTGRES_PASSWORD` (needed at the first start), `POSTGRES_DB` (a database to make
//! then), `PGDATA`. Inside the container every user may connect through the socket; from elsewhere
//! a password is asked. Arguments go to the server. It writes to `$PGDATA`, `/var/run/postgresql`
//! and `/tmp` only.

use super::base::{self, Account};
use super::{pairs, words};
use crate::archive::Settings;
use crate::debian::{Ingredients, Package};
use crate::error::Error;
use crate::libraries;
use crate::tree::{Kind, Node, Tree};

const POSTGRES: Account = Account { name: "postgres", number: 999, home: "/var/lib/postgresql" };
/// Just-in-time compilation would add 150 MB of libraries; the server does without when they are absent.
const UNWANTED: [&str; 2] = ["usr/lib/postgresql/15/lib/llvmjit", "usr/lib/postgresql/15/lib/bitcode"];

/// What it is made of.
pub const INGREDIENTS: Ingredients = Ingredients {
    seeds: &["postgresql-15", "busybox-static"],
    parts: &["postgresql-client-15", "tzdata", "libc-bin", "gcc-12-base", "zlib1g"],
    without: &["libllvm14", "libz3-4", "libperl5.36"],
};

/// Its files, from those packages, and how it starts.
pub fn recipe(packages: &[Package]) -> Result<(Tree, Settings), Error> {
    let mut server = Tree::default();
    for name in ["postgresql-15", "postgresql-client-15"] {
        base::add_below(&mut server, packages, name, "usr/lib/postgresql/")?;
        base::add_below(&mut server, packages, name, "usr/share/postgresql/")?;
    }
    let mut tree = base::skeleton(&[POSTGRES])?;
    for (path, node) in server.iter().filter(|(path, _)| !UNWANTED.iter().any(|no| path.starts_with(no))) {
        tree.put(path, node.clone())?;
    }
    base::add_below(&mut tree, packages, "tzdata", "usr/share/zoneinfo/")?;
    base::add_below(&mut tree, packages, "libc-bin", "usr/lib/locale/")?;
    libraries::add_needed(&mut tree, packages)?;
    base::add_busybox(&mut tree, packages)?;
    let entrypoint = Kind::File(include_bytes!("files/postgres-start.sh").to_vec());
    tree.put("usr/local/bin/postgres-start", Node { kind: entrypoint, mode: 0o755, owner: 0 })?;
    tree.directory("var/lib/postgresql", 0o755, POSTGRES.number)?;
    tree.directory("var/lib/postgresql/data", 0o700, POSTGRES.number)?;
    tree.directory("var/run/postgresql", 0o1777, POSTGRES.number)?;
    let settings = Settings {
        entrypoint: words(&["/usr/local/bin/postgres-start"]),
        environment: pairs(&[
            ("PATH", "/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/usr/sbin"),
            ("PGDATA", "/var/lib/postgresql/data/pgdata"),
            ("PGUSER", "postgres"),
            ("LANG", "C.UTF-8"),
        ]),
        user: format!("{0}:{0}", POSTGRES.number),
        ports: vec![5432],
        ..Settings::default()
    };
    Ok((tree, settings))
}
