//! Device codes, authorization codes and refresh tokens.

use super::{Columns, Database, Query, query, rows};
use crate::store::{Expected, Grants, OAuthGrant, Stores};

pub async fn grant(database: &impl Database, id: &str) -> Stores<Option<OAuthGrant>> {
    let row = query("SELECT * FROM oauth_grants WHERE id = ?1").bind(id);
    database.fetch(row).await?.first().map(record).transpose()
}

fn record(row: &impl Columns) -> Stores<OAuthGrant> {
    Ok(OAuthGrant {
        id: rows::text(row, "id")?,
        family: rows::text(row, "family")?,
        principal: row.text("principal")?,
        document: rows::json(row, "document")?,
        expires_at: rows::time(row, "expires_at")?,
        version: rows::number(row, "version")?,
    })
}

pub fn put(grant: OAuthGrant, expected: Expected) -> (Query, Option<String>) {
    let query = match expected {
        Expected::Absent => query(
            "INSERT INTO oauth_grants (id, family, principal, document, expires_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
        )
        .bind(grant.id)
        .bind(grant.family),
        Expected::Version(version) => query(
            "UPDATE oauth_grants SET principal = ?3, document = ?4, expires_at = ?5, version = version + 1
             WHERE id = ?1 AND version = ?2",
        )
        .bind(grant.id)
        .bind(version),
    };
    let query =
        query.bind(grant.principal).bind(grant.document.to_string()).bind(rows::to_column(grant.expires_at));
    // The id is a hash, and says nothing to a reader.
    (query, Some("the code or token".to_owned()))
}

pub fn remove(which: Grants) -> (Query, Option<String>) {
    let query = match which {
        Grants::Family(family) => query("DELETE FROM oauth_grants WHERE family = ?1").bind(family),
        Grants::Principal(principal) => {
            query("DELETE FROM oauth_grants WHERE principal = ?1").bind(principal)
        }
        Grants::EndedBy(at) => {
            query("DELETE FROM oauth_grants WHERE expires_at <= ?1").bind(rows::to_column(at))
        }
    };
    (query, None)
}
