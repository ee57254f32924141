//! Device codes, authorization codes and refresh tokens.

use super::{commit::Query, rows, unavailable};
use crate::store::{Expected, Grants, OAuthGrant, Stores};
use sqlx::{Row, SqlitePool, sqlite::SqliteRow};

pub async fn grant(pool: &SqlitePool, id: &str) -> Stores<Option<OAuthGrant>> {
    let row = sqlx::query("SELECT * FROM oauth_grants WHERE id = ?1").bind(id);
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        Ok(OAuthGrant {
            id: rows::text(row, "id")?,
            family: rows::text(row, "family")?,
            principal: row.try_get("principal").map_err(unavailable)?,
            document: rows::json(row, "document")?,
            expires_at: rows::time(row, "expires_at")?,
            version: rows::number(row, "version")?,
        })
    };
    row.as_ref().map(read).transpose()
}

pub fn put(grant: OAuthGrant, expected: Expected) -> (Query, Option<String>) {
    let query = match expected {
        Expected::Absent => sqlx::query(
            "INSERT INTO oauth_grants (id, family, principal, document, expires_at, version)
             VALUES (?1, ?2, ?3, ?4, ?5, 1)",
        )
        .bind(grant.id)
        .bind(grant.family)
        .bind(grant.principal)
        .bind(grant.document.to_string())
        .bind(rows::to_column(grant.expires_at)),
        Expected::Version(version) => sqlx::query(
            "UPDATE oauth_grants SET principal = ?3, document = ?4, expires_at = ?5, version = version + 1
             WHERE id = ?1 AND version = ?2",
        )
        .bind(grant.id)
        .bind(version)
        .bind(grant.principal)
        .bind(grant.document.to_string())
        .bind(rows::to_column(grant.expires_at)),
    };
    // The id is a hash, and says nothing to a reader.
    (query, Some("the code or token".to_owned()))
}

pub fn remove(which: Grants) -> (Query, Option<String>) {
    let query = match which {
        Grants::Family(family) => sqlx::query("DELETE FROM oauth_grants WHERE family = ?1").bind(family),
        Grants::Principal(principal) => {
            sqlx::query("DELETE FROM oauth_grants WHERE principal = ?1").bind(principal)
        }
        Grants::EndedBy(at) => {
            sqlx::query("DELETE FROM oauth_grants WHERE expires_at <= ?1").bind(rows::to_column(at))
        }
    };
    (query, None)
}
