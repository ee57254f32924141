//! What the vault keeps, behind one trait: a change and its audit record are committed together or not at all.

mod audit;
mod migrations;
pub mod postgres;
mod records;
mod sql;
pub mod sqlite;
pub mod whole;

pub use audit::{AuditEntry, AuditOutcome, AuditRow, chained};
pub use records::{
    AssignmentRecord, Change, Claim, ClientSecret, Ending, Expected, FailedSignIns, Grants, Holding,
    OAuthGrant, OperationRecord, Place, Principal, PrincipalKind, Sealed, SealedKey, Stored, Subscription,
    Work,
};
pub use whole::{Filling, Snapshot};

use arm::{OperationStatus, ResourceId};
use async_trait::async_trait;
use identity::Assignment;
use jiff::Timestamp;
use std::{collections::BTreeSet, fmt};

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// What was to be changed is not as it was when it was read: read again, decide again.
    #[error("{0} was changed meanwhile")]
    Conflict(String),
    /// The database is busy, full or gone; the same call may succeed later.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// What stands in the database cannot be read.
    #[error("the database holds something unreadable: {0}")]
    Damaged(String),
    /// It holds something already, in this table.
    #[error(
        "the database is not empty (its table {0} holds something); name an empty one, or move the file vault.db and what begins like it away"
    )]
    NotEmpty(String),
    /// A newer program wrote it.
    #[error("the database was written by a newer version of this program: {0}; install that version")]
    Newer(String),
}

/// A result of the store.
pub type Stores<T> = Result<T, StoreError>;

/// The store. One implementation per database; one behaviour suite for all.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Whether it answers.
    async fn ready(&self) -> Stores<()>;

    /// A setting that the vault made for itself.
    async fn setting(&self, name: &str) -> Stores<Option<String>>;
    /// All subscriptions, by id.
    async fn subscriptions(&self) -> Stores<Vec<Subscription>>;
    /// The namespaces that a subscription has registered, in lower case.
    async fn registrations(&self, subscription: &ResourceId) -> Stores<BTreeSet<String>>;

    /// One resource or resource group.
    async fn resource(&self, id: &ResourceId) -> Stores<Option<Stored>>;
    /// Those of a kind below an id, ordered by key, from behind `after`, which is a key.
    async fn resources(
        &self,
        kind: &str,
        under: &ResourceId,
        after: Option<&str>,
        most: u32,
    ) -> Stores<Vec<Stored>>;

    /// How many of a kind are below an id.
    async fn count(&self, kind: &str, under: &ResourceId) -> Stores<usize>;

    /// Those of a kind that are about something, ordered by key: the jobs of an instance, by its id, and the extension
    /// with an identity, by the identity's object id. Case does not count, of ASCII.
    async fn resources_about(&self, kind: &str, about: &str) -> Stores<Vec<Stored>>;

    /// One role assignment, by its name.
    async fn assignment(&self, name: &str) -> Stores<Option<AssignmentRecord>>;
    /// What authorization needs of what a principal was assigned, anywhere; asked with each call, so the records' notes
    /// stay where they are.
    async fn roles_of(&self, principal: &str) -> Stores<Vec<Assignment>>;
    /// The same at one scope and above it alone, for principals with assignments at thousands of scopes.
    async fn roles_at(&self, principal: &str, scope: &ResourceId) -> Stores<Vec<Assignment>>;
    /// What a principal was assigned, anywhere.
    async fn assignments_of(&self, principal: &str) -> Stores<Vec<AssignmentRecord>>;
    /// All assignments at a subscription and below, ordered by scope and name.
    async fn assignments_in(&self, subscription: &ResourceId) -> Stores<Vec<AssignmentRecord>>;

    /// A principal by its object id.
    async fn principal(&self, object_id: &str) -> Stores<Option<Principal>>;
    /// A principal by the id with which it signs in.
    async fn principal_of_client(&self, client_id: &str) -> Stores<Option<Principal>>;
    /// The secrets with which a client may sign in.
    async fn client_secrets(&self, client_id: &str) -> Stores<Vec<ClientSecret>>;
    /// How often signing in failed since it last succeeded, by a key that names client and source.
    async fn failed_sign_ins(&self, key: &str) -> Stores<FailedSignIns>;
    /// One more failure; or, with `None`, success, which forgets all failures. Failures of other keys that are older than
    /// a day are forgotten too.
    async fn note_sign_in(&self, key: &str, failed_at: Option<Timestamp>) -> Stores<()>;

    /// A device code, an authorization code or a refresh token, by the hash of its secret.
    async fn oauth_grant(&self, id: &str) -> Stores<Option<OAuthGrant>>;

    /// The keys that sign tokens, oldest first.
    async fn signing_keys(&self) -> Stores<Vec<SealedKey>>;

    /// A secret that the vault keeps under a name, sealed.
    async fn secret(&self, name: &str) -> Stores<Option<Vec<u8>>>;
    /// Everything that is sealed with the wrapping key.
    async fn sealed(&self) -> Stores<Vec<Sealed>>;

    /// A long-running operation.
    async fn operation(&self, id: &str) -> Stores<Option<OperationRecord>>;
    /// The operations in this state.
    async fn operations(&self, status: OperationStatus) -> Stores<Vec<OperationRecord>>;

    /// Claims due work that nobody has claimed, or whose claim has ended, the longest due first. No two callers ever
    /// get the same.
    async fn claim(&self, claim: &Claim) -> Stores<Vec<Work>>;
    /// Work that is not done yet, claimed or not.
    async fn work(&self, id: &str) -> Stores<Option<Work>>;
    /// Makes all work due that is due later.
    async fn hurry(&self, now: Timestamp) -> Stores<()>;
    /// Makes a claim hold longer; `false` when it is not this owner's any more.
    async fn renew(&self, id: &str, owner: &str, until: Timestamp) -> Stores<bool>;
    /// When the next work is due that nobody has claimed, or the next claim ends.
    async fn next_due(&self) -> Stores<Option<Timestamp>>;

    /// What stands about the tunnel of a connection, also when its time is over.
    async fn tunnel(&self, connection: &str) -> Stores<Option<Holding>>;
    /// Writes down who holds a tunnel from now on, if the session `before` (or nothing) still stands there; else `false`.
    async fn take_tunnel(&self, holding: &Holding, before: Option<&str>) -> Stores<bool>;
    /// Renews all that a replica holds, and tells the sessions. What another one has taken over is not among them.
    async fn keep_tunnels(&self, replica: &str, until: Timestamp) -> Stores<Vec<String>>;
    /// A tunnel is over. What stands there is not used any more; it stays a day, so that nobody takes it for new.
    async fn leave_tunnel(&self, session: &str) -> Stores<()>;
    /// All tunnels that a replica holds are over, as it ends.
    async fn leave_tunnels(&self, replica: &str) -> Stores<()>;
    /// The connections that other replicas than this one hold now. Whatever claims to be at this one's own address is an earlier
    /// run of it, which has ended.
    async fn tunnels_elsewhere(&self, replica: &str, address: &str, now: Timestamp) -> Stores<Vec<String>>;

    /// Makes all changes, and writes the audit record with them.
    async fn commit(&self, changes: &[Change], audit: &AuditEntry) -> Stores<()>;
    /// Makes changes that are nobody's doing: work that is put down or done. Everything else is audited.
    async fn commit_unaudited(&self, changes: &[Change]) -> Stores<()>;
    /// Writes an audit record of something that changed nothing.
    async fn note(&self, audit: &AuditEntry) -> Stores<()>;
    /// Audit records, oldest first, from behind a number.
    async fn audit(&self, after: i64, most: u32) -> Stores<Vec<AuditRow>>;

    /// One moment of everything, to be read table by table. Reads and writes of others go on.
    async fn snapshot(&self) -> Stores<Box<dyn Snapshot>>;
    /// Fills the database, which must be empty ([`StoreError::NotEmpty`]): all of it, or nothing.
    async fn fill(&self) -> Stores<Box<dyn Filling>>;

    /// Ends all connections.
    async fn close(&self);
}
