//! What the store holds.

use arm::{OperationStatus, ResourceId};
use identity::Assignment;
use jiff::Timestamp;
use serde_json::Value;

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id, as a path.
    pub id: ResourceId,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A resource or a resource group.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// As its creator wrote it.
    pub id: ResourceId,
    /// What is kept of it.
    pub document: Value,
    /// Grows with every write.
    pub version: i64,
}

/// A role assignment.
#[derive(Debug, Clone, PartialEq)]
pub struct AssignmentRecord {
    /// Its name, a GUID in lower case.
    pub name: String,
    /// Who may do what where.
    pub assignment: Assignment,
    /// What else is kept of it.
    pub document: Value,
}

/// Someone who can sign in and be assigned roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// By which roles name it; a GUID in lower case.
    pub object_id: String,
    /// With which it signs in; a GUID in lower case.
    pub client_id: String,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A client secret, of which only the hash is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecret {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub client_id: String,
    /// The argon2 hash.
    pub hash: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Failures to sign in since the last success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FailedSignIns {
    /// How many.
    pub failures: u32,
    /// The last one.
    pub last_at: Option<Timestamp>,
}

/// A key that signs tokens, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey {
    /// Its id, as tokens name it.
    pub id: String,
    /// The private key, sealed.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A long-running operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its id, a GUID.
    pub id: String,
    /// What is done, an action.
    pub kind: String,
    /// On what.
    pub target: ResourceId,
    /// How it stands.
    pub status: OperationStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// What must be so for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// It does not exist.
    Absent,
    /// It exists in this version.
    Version(i64),
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A setting.
    Set(String, String),
    /// A new subscription.
    AddSubscription(Subscription),
    /// A namespace is registered; again changes nothing.
    Register(ResourceId, String),
    /// A namespace is registered no more.
    Unregister(ResourceId, String),
    /// A resource is created or replaced.
    Put {
        /// Which.
        id: ResourceId,
        /// What is kept.
        document: Value,
        /// What must be so.
        expected: Expected,
    },
    /// A resource goes, with all that is below it and with the roles assigned there.
    Remove(ResourceId, Expected),
    /// A role is assigned.
    Assign(AssignmentRecord),
    /// What else is kept of an assignment changes.
    Describe(String, Value),
    /// A role assignment goes, by its name.
    Unassign(String),
    /// A new principal.
    AddPrincipal(Principal),
    /// A new secret of a client.
    AddSecret(ClientSecret),
    /// A new signing key.
    AddKey(SealedKey),
    /// A signing key goes.
    RemoveKey(String),
    /// An operation begins.
    Begin(OperationRecord),
    /// An operation ends.
    End(String, OperationStatus, Timestamp),
}
