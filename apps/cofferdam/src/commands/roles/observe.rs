//! Looks which roles are there. Where somebody may not look, the row says so; it is never taken for there.

use super::{
    row::{About, Row, State},
    subject::Subject,
};
use crate::{exit::Failure, managed::Session};
use arm::ResourceId;
use identity::required::{
    ASSIGN_ROLES, Held, Need, PERSON_ROLES, PersonPlace, PersonRole, Place, Purpose, Whose, needs,
};
use probes::resource_manager::Given;

const BIND: &str = "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write";

/// All rows: of the identities, then of whoever runs this.
pub async fn rows(session: &Session, subject: &Subject) -> Result<Vec<Row>, Failure> {
    let given = Given::by(&session.client);
    let mut rows = Vec::new();
    for need in needs(subject.purpose, &subject.places, &subject.principals) {
        rows.push(of_identity(&given, need, subject.is_bound).await);
    }
    if subject.places.store.is_none() {
        rows.extend(unknown_store(subject));
    }
    for row in PERSON_ROLES {
        if let Some(scope) = scope_of(row.place, subject) {
            rows.push(of_caller(&given, row, scope).await);
        }
    }
    for row in rows.iter_mut().filter(|row| row.state == State::Missing && !row.may_grant) {
        row.grantors = given.grantors(&row.scope).await;
    }
    Ok(rows)
}

/// Where the extension writes is not known: its role there cannot be looked for, and is not taken for there.
fn unknown_store(subject: &Subject) -> Option<Row> {
    let row = identity::required::IDENTITY_ROLES
        .iter()
        .find(|row| row.place == Place::StorageAccount && row.whose == Whose::Extension)?;
    let scope = subject.places.cluster.clone();
    let principal = subject.principals.extension.clone();
    let reason = "the cluster has no backup extension whose settings name a storage account; install it, or name the \
                  account with --storage-account-id";
    let need = Need { row, scope: scope.clone(), used: None, principal, only_read: false };
    let state = State::NotSeen(reason.to_owned());
    Some(Row { about: About::Identity(need), scope, state, may_grant: false, grantors: Vec::new() })
}

fn scope_of(place: PersonPlace, subject: &Subject) -> Option<ResourceId> {
    let is_restore = matches!(subject.purpose, Purpose::Restore { .. });
    match place {
        PersonPlace::Cluster => Some(subject.places.cluster.clone()),
        PersonPlace::VaultGroup => subject.vault.parent(),
        PersonPlace::StorageAccount => subject.places.store.clone(),
        PersonPlace::SnapshotGroup => subject.places.snapshot_group.clone(),
        PersonPlace::SourceCluster => is_restore.then(|| subject.source.clone()),
        PersonPlace::ResourceGuard => subject.guard.clone(),
    }
}

async fn of_identity(given: &Given<'_>, need: Need, is_bound: bool) -> Row {
    let held = match need.is_binding() {
        true => Ok(need.bound(is_bound)),
        false => given.held(&need).await,
    };
    let state = match held {
        Ok(Held::There) => State::There,
        Ok(Held::Inherited { scope, role }) => {
            State::Inherited(format!("{} on {scope}", given.name_of(&role)))
        }
        Ok(Held::Missing) => State::Missing,
        Ok(Held::NoIdentity) => State::NoIdentity,
        Err(reason) => State::NotSeen(reason),
    };
    let action = if need.is_binding() { BIND } else { ASSIGN_ROLES };
    let may_grant = given.may(action, &need.scope).await.unwrap_or_default();
    let scope = need.scope.clone();
    Row { about: About::Identity(need), scope, state, may_grant, grantors: Vec::new() }
}

async fn of_caller(given: &Given<'_>, row: &'static PersonRole, scope: ResourceId) -> Row {
    let mut state = State::There;
    for action in row.actions {
        match given.may(action, &scope).await {
            Ok(true) => {}
            Ok(false) => state = State::Missing,
            Err(reason) => state = State::NotSeen(reason),
        }
    }
    Row { about: About::You(row), scope, state, may_grant: false, grantors: Vec::new() }
}
