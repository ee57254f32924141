//! Reads of principals, secrets, roles and keys; and the count of failures to sign in.

use super::{Columns, Database, Query, query, rows};
use crate::store::{
    AssignmentRecord, ClientSecret, FailedSignIns, Place, Principal, Sealed, SealedKey, Stores,
};
use arm::ResourceId;
use identity::{Assignment, RoleId};
use jiff::Timestamp;

/// In milliseconds; longer than any lock-out.
const DAY: i64 = 24 * 60 * 60 * 1_000;

pub async fn assignment(database: &impl Database, name: &str) -> Stores<Option<AssignmentRecord>> {
    let row = query("SELECT * FROM role_assignments WHERE name = ?1").bind(name.to_lowercase());
    database.fetch(row).await?.first().map(assignment_record).transpose()
}

pub async fn roles_of(database: &impl Database, principal: &str) -> Stores<Vec<Assignment>> {
    let found = query("SELECT principal, role, scope FROM role_assignments WHERE principal = ?1");
    database.fetch(found.bind(principal)).await?.iter().map(assignment_of).collect()
}

pub async fn roles_at(
    database: &impl Database,
    principal: &str,
    scope: &ResourceId,
) -> Stores<Vec<Assignment>> {
    let scopes = std::iter::successors(Some(scope.clone()), ResourceId::parent);
    let keys: Vec<String> = scopes.map(|scope| format!("{principal} {}", scope.folded())).collect();
    let places: Vec<String> = (1..=keys.len()).map(|number| format!("?{number}")).collect();
    // As the index has it, whose words these are.
    let sql = format!(
        "SELECT principal, role, scope FROM role_assignments WHERE principal || ' ' || scope_key IN ({})",
        places.join(", ")
    );
    let found = keys.into_iter().fold(query(sql), Query::bind);
    database.fetch(found).await?.iter().map(assignment_of).collect()
}

pub async fn assignments_of(database: &impl Database, principal: &str) -> Stores<Vec<AssignmentRecord>> {
    let found = query("SELECT * FROM role_assignments WHERE principal = ?1").bind(principal);
    database.fetch(found).await?.iter().map(assignment_record).collect()
}

pub async fn assignments_in(
    database: &impl Database,
    subscription: &ResourceId,
) -> Stores<Vec<AssignmentRecord>> {
    let found = query(
        "SELECT * FROM role_assignments WHERE scope_key = ?1 OR (scope_key > ?2 AND scope_key < ?3)
         ORDER BY scope_key, name",
    );
    let key = subscription.folded();
    let found = found.bind(key).bind(format!("{key}/")).bind(format!("{key}0"));
    database.fetch(found).await?.iter().map(assignment_record).collect()
}

fn assignment_record(row: &impl Columns) -> Stores<AssignmentRecord> {
    Ok(AssignmentRecord {
        name: rows::text(row, "name")?,
        assignment: assignment_of(row)?,
        document: rows::json(row, "document")?,
    })
}

fn assignment_of(row: &impl Columns) -> Stores<Assignment> {
    Ok(Assignment {
        principal: rows::text(row, "principal")?,
        role: RoleId::new(&rows::text(row, "role")?),
        scope: rows::id(row, "scope")?,
    })
}

pub async fn principal(database: &impl Database, object_id: &str) -> Stores<Option<Principal>> {
    let row = query(
        "SELECT object_id, client_id, name, kind, resource, created_at FROM principals WHERE object_id = ?1",
    )
    .bind(object_id.to_lowercase());
    database.fetch(row).await?.first().map(principal_record).transpose()
}

pub async fn principal_of_client(database: &impl Database, client_id: &str) -> Stores<Option<Principal>> {
    let row = query("SELECT * FROM principals WHERE client_id = ?1").bind(client_id.to_lowercase());
    database.fetch(row).await?.first().map(principal_record).transpose()
}

fn principal_record(row: &impl Columns) -> Stores<Principal> {
    Ok(Principal {
        object_id: rows::text(row, "object_id")?,
        client_id: rows::text(row, "client_id")?,
        name: rows::text(row, "name")?,
        kind: rows::principal_kind(row, "kind")?,
        resource: rows::optional_id(row, "resource")?,
        created_at: rows::time(row, "created_at")?,
    })
}

pub async fn client_secrets(database: &impl Database, client_id: &str) -> Stores<Vec<ClientSecret>> {
    let found = query("SELECT * FROM client_secrets WHERE client_id = ?1 ORDER BY created_at DESC");
    let found = database.fetch(found.bind(client_id.to_lowercase())).await?;
    found.iter().map(client_secret).collect()
}

fn client_secret(row: &impl Columns) -> Stores<ClientSecret> {
    Ok(ClientSecret {
        id: rows::text(row, "id")?,
        client_id: rows::text(row, "client_id")?,
        hash: rows::text(row, "hash")?,
        created_at: rows::time(row, "created_at")?,
    })
}

pub async fn failed_sign_ins(database: &impl Database, client_id: &str) -> Stores<FailedSignIns> {
    let row = query("SELECT failures, last_at FROM failed_sign_ins WHERE client_id = ?1").bind(client_id);
    let found = database.fetch(row).await?;
    let Some(row) = found.first() else { return Ok(FailedSignIns::default()) };
    Ok(FailedSignIns {
        failures: u32::try_from(rows::number(row, "failures")?).unwrap_or(u32::MAX),
        last_at: Some(rows::time(row, "last_at")?),
    })
}

pub async fn note_sign_in(
    database: &impl Database,
    client_id: &str,
    failed_at: Option<Timestamp>,
) -> Stores<()> {
    if let Some(at) = failed_at {
        let old = query("DELETE FROM failed_sign_ins WHERE last_at < ?1").bind(rows::to_column(at) - DAY);
        database.execute(old).await?;
    }
    let noted = match failed_at {
        Some(at) => query(
            "INSERT INTO failed_sign_ins (client_id, failures, last_at) VALUES (?1, 1, ?2)
             ON CONFLICT (client_id) DO UPDATE SET failures = failed_sign_ins.failures + 1, last_at = ?2",
        )
        .bind(client_id)
        .bind(rows::to_column(at)),
        None => query("DELETE FROM failed_sign_ins WHERE client_id = ?1").bind(client_id),
    };
    database.execute(noted).await.map(drop)
}

pub async fn signing_keys(database: &impl Database) -> Stores<Vec<SealedKey>> {
    let found = query("SELECT * FROM signing_keys ORDER BY created_at, id");
    let found = database.fetch(found).await?;
    found.iter().map(signing_key).collect()
}

fn signing_key(row: &impl Columns) -> Stores<SealedKey> {
    Ok(SealedKey {
        id: rows::text(row, "id")?,
        sealed: rows::bytes(row, "sealed")?,
        created_at: rows::time(row, "created_at")?,
    })
}

pub async fn secret(database: &impl Database, name: &str) -> Stores<Option<Vec<u8>>> {
    let row = query("SELECT sealed FROM sealed_secrets WHERE name = ?1").bind(name);
    database.fetch(row).await?.first().map(|row| rows::bytes(row, "sealed")).transpose()
}

/// Every table with something sealed is read here; a test compares with the schema.
pub async fn sealed(database: &impl Database) -> Stores<Vec<Sealed>> {
    let mut all = Vec::new();
    for (place, statement) in [
        (Place::SigningKey, "SELECT id AS id, sealed FROM signing_keys ORDER BY id"),
        (Place::Secret, "SELECT name AS id, sealed FROM sealed_secrets ORDER BY name"),
    ] {
        for row in &database.fetch(query(statement)).await? {
            all.push(Sealed { place, id: rows::text(row, "id")?, sealed: rows::bytes(row, "sealed")? });
        }
    }
    Ok(all)
}
