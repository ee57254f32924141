//! The one-time token by which the parts of a cluster become known to the vault. Only a salted hash of its secret is
//! kept, below the cluster; no call shows it.

use super::{ClusterRecord, KIND};
use crate::{
    api::resource::{Loaded, load, put},
    links,
    store::{Change, Expected, Store, StoreError},
};
use arm::{ArmError, ResourceId};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use tunnel::{ConnectionId, Part};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The type under which the token of a connection is kept; its name is the connection.
pub const ENROLMENT: &str = "Microsoft.ContainerService/managedClusters/enrolments";
/// How long a token serves.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// The setting that says whose a connection is begins with this.
const INDEX: &str = "connection ";

/// What is kept of a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Enrolment {
    /// Makes the hashes of equal secrets differ.
    salt: String,
    /// Of salt and secret. The secret has 256 random bits, so that a fast hash is as good as a slow one.
    hash: String,
    /// From when on it serves no more.
    pub expires_at: Timestamp,
    /// Which parts have used it.
    pub used: Vec<Part>,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolmentError {
    /// It is none, or not one of a cluster that is connected.
    #[error(
        "The enrolment token is not one of this vault, or the cluster was disconnected meanwhile. Make a new one: \
         cofferdam cluster connect"
    )]
    Invalid,
    /// This part has used it.
    #[error(
        "The enrolment token has been used for this part of the cluster already. If that was not you, disconnect the \
         cluster. Make a new token: cofferdam cluster connect"
    )]
    Used,
    /// Its time is over.
    #[error(
        "The enrolment token has expired; it serves for one hour. Make a new one: cofferdam cluster connect"
    )]
    Expired,
}

/// A new connection, with the token that is shown once.
pub struct NewConnection {
    /// Its id.
    pub id: Uuid,
    /// `<connection>.<secret>`.
    pub token: Zeroizing<String>,
    /// What is kept of the token.
    pub enrolment: Enrolment,
}

/// A new connection and its token.
pub fn open(now: Timestamp) -> NewConnection {
    let id = Uuid::new_v4();
    let (secret, salt) = (random::<32>(), random::<16>());
    let enrolment = Enrolment {
        hash: hash(&salt, &secret),
        salt: salt.to_string(),
        expires_at: now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX),
        used: Vec::new(),
    };
    NewConnection { id, token: Zeroizing::new(format!("{id}.{}", secret.as_str())), enrolment }
}

/// Connection and secret of a token.
pub fn split(token: &str) -> Result<(Uuid, &str), EnrolmentError> {
    let (connection, secret) = token.trim().split_once('.').ok_or(EnrolmentError::Invalid)?;
    let connection = Uuid::try_parse(connection).map_err(|_| EnrolmentError::Invalid)?;
    Ok((connection, secret))
}

/// What is kept of a token after a part has used it. Whoever does not have the secret learns nothing else.
pub fn redeem(
    record: &Enrolment,
    secret: &str,
    part: Part,
    now: Timestamp,
) -> Result<Enrolment, EnrolmentError> {
    let given = hash(&record.salt, secret);
    if aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), record.hash.as_bytes()).is_err() {
        return Err(EnrolmentError::Invalid);
    }
    if now >= record.expires_at {
        return Err(EnrolmentError::Expired);
    }
    if record.used.contains(&part) {
        return Err(EnrolmentError::Used);
    }
    let mut after = record.clone();
    after.used.push(part);
    Ok(after)
}

/// The cluster that has this connection now: one that was replaced, or whose cluster is gone, leads nowhere.
pub async fn find(store: &dyn Store, connection: Uuid) -> Result<Option<Loaded<ClusterRecord>>, StoreError> {
    let connection = connection.to_string();
    let Some(id) = store.setting(&index(&connection)).await? else { return Ok(None) };
    let id: ResourceId = id.parse().map_err(damaged)?;
    if !id.kind().is(KIND) {
        return Err(StoreError::Damaged(format!("{id} has a connection and is no cluster")));
    }
    let found: Option<Loaded<ClusterRecord>> = load(store, &id).await?;
    Ok(found.filter(|cluster| cluster.document.connection.as_deref() == Some(connection.as_str())))
}

/// What is kept of the token of a connection.
pub async fn enrolment(
    store: &dyn Store,
    cluster: &ResourceId,
    connection: Uuid,
) -> Result<Option<Loaded<Enrolment>>, StoreError> {
    load(store, &place(cluster, &connection.to_string())?).await
}

/// The changes that make a connection known, beside what is kept of the cluster.
pub fn keep(cluster: &ResourceId, new: &NewConnection) -> Result<Vec<Change>, StoreError> {
    let connection = new.id.to_string();
    Ok(vec![
        put(&place(cluster, &connection)?, &new.enrolment, Expected::Absent)?,
        Change::SetIf { name: index(&connection), before: None, value: cluster.to_string() },
    ])
}

/// The changes by which a connection goes, beside what is kept of the cluster. Its token goes too, used or not.
pub async fn forget(
    store: &dyn Store,
    cluster: &ResourceId,
    connection: &str,
) -> Result<Vec<Change>, StoreError> {
    let token = store.resource(&place(cluster, connection)?).await?;
    let token = token.map(|stored| Change::Remove(stored.id, Expected::Version(stored.version)));
    Ok(token.into_iter().chain(unset(connection)).collect())
}

/// Changes nothing, and is a conflict when the connection is not the cluster's any more.
pub fn still(connection: ConnectionId, cluster: &ResourceId) -> Change {
    let cluster = cluster.to_string();
    Change::SetIf { name: index(&connection.to_string()), before: Some(cluster.clone()), value: cluster }
}

/// The changes by which a connection leads nowhere any more, and by which the replica to which it leads hears of that.
pub(super) fn unset(connection: &str) -> [Change; 2] {
    [Change::Unset(index(connection)), links::changed()]
}

fn index(connection: &str) -> String {
    format!("{INDEX}{connection}")
}

fn place(cluster: &ResourceId, connection: &str) -> Result<ResourceId, StoreError> {
    cluster.child("enrolments", connection).map_err(damaged)
}

fn damaged(error: arm::IdError) -> StoreError {
    StoreError::Damaged(error.to_string())
}

fn random<const N: usize>() -> Zeroizing<String> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    rand::rng().fill_bytes(bytes.as_mut());
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn hash(salt: &str, secret: &str) -> String {
    let hash = Sha256::new().chain_update(salt).chain_update(".").chain_update(secret).finalize();
    URL_SAFE_NO_PAD.encode(hash)
}

impl From<EnrolmentError> for ArmError {
    fn from(error: EnrolmentError) -> Self {
        let code = match error {
            EnrolmentError::Invalid => "EnrolmentTokenInvalid",
            EnrolmentError::Used => "EnrolmentTokenUsed",
            EnrolmentError::Expired => "EnrolmentTokenExpired",
        };
        Self::new(401, code, error.to_string())
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enrolment").field("expires_at", &self.expires_at).field("used", &self.used).finish()
    }
}

impl fmt::Debug for NewConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewConnection").field("id", &self.id).field("enrolment", &self.enrolment).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn later(minutes: i64) -> Timestamp {
        now() + SignedDuration::from_mins(minutes)
    }

    #[test]
    fn a_token_serves_once_for_each_part() {
        let new = open(now());
        let (connection, secret) = split(&new.token).unwrap();

        let once = redeem(&new.enrolment, secret, Part::Agent, later(1)).unwrap();
        let both = redeem(&once, secret, Part::Gateway, later(59)).unwrap();

        assert_eq!(connection, new.id);
        assert_eq!(redeem(&once, secret, Part::Agent, later(2)), Err(EnrolmentError::Used));
        assert_eq!(redeem(&both, secret, Part::Gateway, later(59)), Err(EnrolmentError::Used));
    }

    #[test]
    fn without_the_secret_nothing_else_is_learnt() {
        let (one, other) = (open(now()), open(now()));
        let (_, secret) = split(&one.token).unwrap();
        let (_, wrong) = split(&other.token).unwrap();
        let used = redeem(&one.enrolment, secret, Part::Agent, now()).unwrap();

        for given in [wrong, "", "x"] {
            for at in [now(), later(600)] {
                assert_eq!(redeem(&used, given, Part::Agent, at), Err(EnrolmentError::Invalid), "{given}");
            }
        }
        assert_eq!(redeem(&one.enrolment, secret, Part::Agent, later(60)), Err(EnrolmentError::Expired));
        for token in ["", "x", "x.y", &one.id.to_string()] {
            assert_eq!(split(token).unwrap_err(), EnrolmentError::Invalid, "{token}");
        }
    }

    #[test]
    fn the_secret_is_neither_kept_nor_shown() {
        let new = open(now());
        let (_, secret) = split(&new.token).unwrap();

        let kept = serde_json::to_string(&new.enrolment).unwrap();

        assert!(secret.len() >= 43 && !kept.contains(secret));
        assert!(!format!("{new:?}").contains(secret));
    }
}
