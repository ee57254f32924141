//! Which replica holds which tunnel. Whoever writes names the session that it found: of two, one succeeds.

use super::{Columns, Database, query, rows};
use crate::store::{Holding, Stores};
use jiff::{SignedDuration, Timestamp};

/// What is over so long is forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(24);

pub async fn one(database: &impl Database, connection: &str) -> Stores<Option<Holding>> {
    let found =
        query("SELECT connection, replica, address, session, held_until FROM tunnels WHERE connection = ?1");
    let found = database.fetch(found.bind(connection)).await?;
    found.first().map(holding).transpose()
}

pub async fn take(database: &impl Database, holding: &Holding, before: Option<&str>) -> Stores<bool> {
    let taken = match before {
        None => query(
            "INSERT INTO tunnels (connection, replica, address, session, held_until) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (connection) DO NOTHING",
        ),
        Some(_) => query(
            "UPDATE tunnels SET replica = ?2, address = ?3, session = ?4, held_until = ?5
             WHERE connection = ?1 AND session = ?6",
        ),
    };
    let taken = taken
        .bind(&holding.connection)
        .bind(&holding.replica)
        .bind(&holding.address)
        .bind(&holding.session)
        .bind(rows::to_column(holding.held_until));
    let taken = match before {
        Some(before) => taken.bind(before),
        None => taken,
    };
    Ok(database.execute(taken).await? > 0)
}

pub async fn keep(database: &impl Database, replica: &str, until: Timestamp) -> Stores<Vec<String>> {
    let renewed = query("UPDATE tunnels SET held_until = ?2 WHERE replica = ?1 AND held_until > 0");
    database.execute(renewed.bind(replica).bind(rows::to_column(until))).await?;
    let held = query("SELECT session FROM tunnels WHERE replica = ?1 AND held_until > 0").bind(replica);
    database.fetch(held).await?.iter().map(|row| rows::text(row, "session")).collect()
}

pub async fn leave(database: &impl Database, session: &str) -> Stores<()> {
    let left = query(
        "UPDATE tunnels SET held_until = 0, left_at = held_until WHERE session = ?1 AND held_until > 0",
    );
    database.execute(left.bind(session)).await.map(drop)
}

pub async fn leave_all(database: &impl Database, replica: &str) -> Stores<()> {
    let left = query(
        "UPDATE tunnels SET held_until = 0, left_at = held_until WHERE replica = ?1 AND held_until > 0",
    );
    database.execute(left.bind(replica)).await.map(drop)
}

pub async fn elsewhere(
    database: &impl Database,
    replica: &str,
    address: &str,
    now: Timestamp,
) -> Stores<Vec<String>> {
    let old = rows::to_column(now.checked_sub(FORGOTTEN).unwrap_or(now));
    let forgotten = query("DELETE FROM tunnels WHERE held_until < ?1 AND left_at < ?1");
    database.execute(forgotten.bind(old)).await?;
    // Without an address nothing is known of who has it.
    let held = query(
        "SELECT connection FROM tunnels WHERE held_until > ?2 AND replica <> ?1 AND (address <> ?3 OR address = '')",
    );
    let held = database.fetch(held.bind(replica).bind(rows::to_column(now)).bind(address)).await?;
    held.iter().map(|row| rows::text(row, "connection")).collect()
}

fn holding(row: &impl Columns) -> Stores<Holding> {
    Ok(Holding {
        connection: rows::text(row, "connection")?,
        replica: rows::text(row, "replica")?,
        address: rows::text(row, "address")?,
        session: rows::text(row, "session")?,
        held_until: rows::time(row, "held_until")?,
    })
}
