//! Reads of principals, secrets, roles and keys; and the count of failures to sign in.

use super::{rows, unavailable};
use crate::store::{AssignmentRecord, ClientSecret, FailedSignIns, Principal, SealedKey, Stores};
use arm::ResourceId;
use identity::{Assignment, RoleId};
use jiff::Timestamp;
use sqlx::{SqlitePool, sqlite::SqliteRow};

pub async fn assignment(pool: &SqlitePool, name: &str) -> Stores<Option<AssignmentRecord>> {
    let row = sqlx::query("SELECT * FROM role_assignments WHERE name = ?1").bind(name.to_lowercase());
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.as_ref().map(assignment_record).transpose()
}

pub async fn assignments_of(pool: &SqlitePool, principal: &str) -> Stores<Vec<AssignmentRecord>> {
    let found = sqlx::query("SELECT * FROM role_assignments WHERE principal = ?1").bind(principal);
    found.fetch_all(pool).await.map_err(unavailable)?.iter().map(assignment_record).collect()
}

pub async fn assignments_in(pool: &SqlitePool, subscription: &ResourceId) -> Stores<Vec<AssignmentRecord>> {
    let found = sqlx::query(
        "SELECT * FROM role_assignments WHERE scope_key = ?1 OR (scope_key > ?2 AND scope_key < ?3)
         ORDER BY scope_key, name",
    );
    let key = subscription.folded();
    let found = found.bind(key).bind(format!("{key}/")).bind(format!("{key}0"));
    found.fetch_all(pool).await.map_err(unavailable)?.iter().map(assignment_record).collect()
}

fn assignment_record(row: &SqliteRow) -> Stores<AssignmentRecord> {
    Ok(AssignmentRecord {
        name: rows::text(row, "name")?,
        assignment: Assignment {
            principal: rows::text(row, "principal")?,
            role: RoleId::new(&rows::text(row, "role")?),
            scope: rows::id(row, "scope")?,
        },
        document: rows::json(row, "document")?,
    })
}

pub async fn principal(pool: &SqlitePool, object_id: &str) -> Stores<Option<Principal>> {
    let row = sqlx::query("SELECT * FROM principals WHERE object_id = ?1").bind(object_id.to_lowercase());
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.as_ref().map(principal_record).transpose()
}

pub async fn principal_of_client(pool: &SqlitePool, client_id: &str) -> Stores<Option<Principal>> {
    let row = sqlx::query("SELECT * FROM principals WHERE client_id = ?1").bind(client_id.to_lowercase());
    let row = row.fetch_optional(pool).await.map_err(unavailable)?;
    row.as_ref().map(principal_record).transpose()
}

fn principal_record(row: &SqliteRow) -> Stores<Principal> {
    Ok(Principal {
        object_id: rows::text(row, "object_id")?,
        client_id: rows::text(row, "client_id")?,
        name: rows::text(row, "name")?,
        kind: rows::principal_kind(row, "kind")?,
        resource: rows::optional_id(row, "resource")?,
        created_at: rows::time(row, "created_at")?,
    })
}

pub async fn client_secrets(pool: &SqlitePool, client_id: &str) -> Stores<Vec<ClientSecret>> {
    let found = sqlx::query("SELECT * FROM client_secrets WHERE client_id = ?1 ORDER BY created_at DESC");
    let found = found.bind(client_id.to_lowercase()).fetch_all(pool).await.map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        Ok(ClientSecret {
            id: rows::text(row, "id")?,
            client_id: rows::text(row, "client_id")?,
            hash: rows::text(row, "hash")?,
            created_at: rows::time(row, "created_at")?,
        })
    };
    found.iter().map(read).collect()
}

pub async fn failed_sign_ins(pool: &SqlitePool, client_id: &str) -> Stores<FailedSignIns> {
    let row =
        sqlx::query("SELECT failures, last_at FROM failed_sign_ins WHERE client_id = ?1").bind(client_id);
    let Some(row) = row.fetch_optional(pool).await.map_err(unavailable)? else {
        return Ok(FailedSignIns::default());
    };
    Ok(FailedSignIns {
        failures: u32::try_from(rows::number(&row, "failures")?).unwrap_or(u32::MAX),
        last_at: Some(rows::time(&row, "last_at")?),
    })
}

pub async fn note_sign_in(pool: &SqlitePool, client_id: &str, failed_at: Option<Timestamp>) -> Stores<()> {
    let query = match failed_at {
        Some(at) => sqlx::query(
            "INSERT INTO failed_sign_ins (client_id, failures, last_at) VALUES (?1, 1, ?2)
             ON CONFLICT (client_id) DO UPDATE SET failures = failures + 1, last_at = ?2",
        )
        .bind(client_id)
        .bind(rows::to_column(at)),
        None => sqlx::query("DELETE FROM failed_sign_ins WHERE client_id = ?1").bind(client_id),
    };
    query.execute(pool).await.map(drop).map_err(unavailable)
}

pub async fn signing_keys(pool: &SqlitePool) -> Stores<Vec<SealedKey>> {
    let found = sqlx::query("SELECT * FROM signing_keys ORDER BY created_at, id");
    let found = found.fetch_all(pool).await.map_err(unavailable)?;
    let read = |row: &SqliteRow| {
        Ok(SealedKey {
            id: rows::text(row, "id")?,
            sealed: rows::bytes(row, "sealed")?,
            created_at: rows::time(row, "created_at")?,
        })
    };
    found.iter().map(read).collect()
}
