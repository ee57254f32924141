//! What the store holds.

use arm::{OperationStatus, ResourceId};
use identity::{Assignment, RoleId};
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

/// What kind of someone a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// An application with a secret.
    Application,
    /// The identity of a resource; it has no secret.
    ManagedIdentity,
    /// A person.
    User,
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
    /// What kind of someone it is.
    pub kind: PrincipalKind,
    /// The resource whose identity it is.
    pub resource: Option<ResourceId>,
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

/// A device code, an authorization code or a refresh token, known by the hash of its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct OAuthGrant {
    /// Hash of its secret.
    pub id: String,
    /// All that came from one sign-in.
    pub family: String,
    /// Object id of who signed in; nobody yet, for a device code that waits.
    pub principal: Option<String>,
    /// What else is kept of it.
    pub document: Value,
    /// From when on it counts no more.
    pub expires_at: Timestamp,
    /// Grows with every write.
    pub version: i64,
}

/// Several grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grants {
    /// All that came from one sign-in.
    Family(String),
    /// All of a principal.
    Principal(String),
    /// All that ended by a time.
    EndedBy(Timestamp),
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

/// Where something sealed is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A key that signs tokens.
    SigningKey,
    /// A secret of its own name.
    Secret,
}

/// Something sealed with the wrapping key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Where.
    pub place: Place,
    /// Its id there.
    pub id: String,
    /// The sealed content.
    pub sealed: Vec<u8>,
}

impl Sealed {
    /// The name under which it was sealed.
    pub fn name(&self) -> String {
        match self.place {
            Place::SigningKey => format!("signing key {}", self.id),
            Place::Secret => self.id.clone(),
        }
    }
}

/// A long-running operation.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRecord {
    /// Its id, unguessable.
    pub id: String,
    /// What is done, an action.
    pub kind: String,
    /// On what.
    pub target: ResourceId,
    /// Object id of who began it.
    pub principal: String,
    /// How it stands.
    pub status: OperationStatus,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What it made: the `properties` of its status and the body of its result.
    pub result: Option<Value>,
    /// Why it failed, as a client reads it.
    pub error: Option<Value>,
}

/// How an operation ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// `Succeeded`, `Failed` or `Canceled`.
    pub status: OperationStatus,
    /// What it made.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<Value>,
}

/// Something that the vault has to do in the background, at a time. Whoever claims it does it; a claim ends by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Its id: the same id again is the same work.
    pub id: String,
    /// What is to be done.
    pub kind: String,
    /// On what.
    pub target: ResourceId,
    /// The connection of the cluster that its last step needed: the replica that holds the tunnel goes on with it.
    pub connection: Option<String>,
    /// From when on.
    pub due_at: Timestamp,
    /// How often it was claimed since it last got on.
    pub attempts: u32,
    /// What else is kept of it.
    pub document: Value,
}

impl Work {
    /// Work that no replica has claimed yet and that any may do.
    pub fn new(id: String, kind: &str, target: ResourceId, due_at: Timestamp, document: Value) -> Self {
        Self { id, kind: kind.to_owned(), target, connection: None, due_at, attempts: 0, document }
    }
}

/// Which replica holds the tunnel of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// The connection of the cluster.
    pub connection: String,
    /// The run of the replica.
    pub replica: String,
    /// Where other replicas reach it; empty where they do not.
    pub address: String,
    /// This one standing of the tunnel, unique.
    pub session: String,
    /// Until when this counts unless it is renewed.
    pub held_until: Timestamp,
}

/// Who wants work, and which.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Unique for each claim; only its bearer may change what it claimed.
    pub owner: String,
    /// What is due by now.
    pub now: Timestamp,
    /// Until when the claim holds unless it is renewed.
    pub until: Timestamp,
    /// The run of the replica that claims. Work for a cluster whose tunnel another one holds is left to that one…
    pub replica: String,
    /// …unless it was due by then.
    pub overdue: Timestamp,
    /// At most so many.
    pub most: u32,
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
    /// A setting that must have been so: of several replicas that set it, one succeeds.
    SetIf {
        /// Which.
        name: String,
        /// What it must have been; `None` when it must not have been there.
        before: Option<String>,
        /// What it becomes.
        value: String,
    },
    /// A new secret, sealed.
    Keep(String, Vec<u8>),
    /// Something sealed is sealed with another key; it must be as it was read.
    Reseal {
        /// Where.
        place: Place,
        /// Which.
        id: String,
        /// As it was read.
        before: Vec<u8>,
        /// As it becomes.
        sealed: Vec<u8>,
    },
    /// A setting goes; absent is fine.
    Unset(String),
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
    /// Changes nothing, and is a conflict unless the resource is there in this version.
    Stays(ResourceId, i64),
    /// Changes nothing of a resource but its version, which need not be known: whoever decided on what the resource was meets
    /// a conflict. It must be there.
    Touch(ResourceId),
    /// Changes nothing, and is a conflict unless the resource is there and has at most so many of a kind below it. It comes
    /// behind the changes that add some. Of several calls that each saw room for one more, no more get through than there
    /// was room for, on whatever replicas they are.
    AtMost {
        /// Below what.
        under: ResourceId,
        /// Of which kind.
        kind: &'static str,
        /// How many.
        most: usize,
    },
    /// Changes nothing, and is a conflict when a subscription has something of a kind that was not seen in this version: it
    /// came, or was written, since whoever commits looked. What went meanwhile is none.
    NoneBut {
        /// Below which subscription.
        subscription: ResourceId,
        /// Of which kind.
        kind: &'static str,
        /// What was seen.
        seen: Vec<(ResourceId, i64)>,
    },
    /// A resource goes, with all that is below it, the roles assigned there, and the principals whose resources these are.
    Remove(ResourceId, Expected),
    /// A role is assigned.
    Assign(AssignmentRecord),
    /// What else is kept of an assignment changes.
    Describe(String, Value),
    /// A role assignment goes, by its name.
    Unassign(String),
    /// A new principal.
    AddPrincipal(Principal),
    /// A principal goes, by its object id, with its secrets, its grants and what it was assigned.
    RemovePrincipal(String),
    /// A new secret of a client.
    AddSecret(ClientSecret),
    /// All secrets of a client go, by its client id.
    RemoveSecrets(String),
    /// A grant is made or, in the version that it has, replaced.
    PutGrant(OAuthGrant, Expected),
    /// Grants go.
    RemoveGrants(Grants),
    /// Changes nothing, and is a conflict unless one of these roles is still assigned at exactly this subscription. It
    /// comes behind the changes after which that must be so.
    KeepAssigned(ResourceId, Vec<RoleId>),
    /// A new signing key.
    AddKey(SealedKey),
    /// A signing key goes.
    RemoveKey(String),
    /// An operation begins.
    Begin(OperationRecord),
    /// An operation ends; one that has ended stays as it is, and the whole commit is a conflict.
    End(String, Ending, Timestamp),
    /// Operations that had ended by a time go, so many at most, the oldest first.
    ForgetOperations {
        /// By when they had ended.
        ended_by: Timestamp,
        /// How many.
        most: u32,
    },
    /// New work; the same again changes nothing.
    AddWork(Work),
    /// Claimed work is put down until a time, with what is now kept of it. It must be claimed by this owner.
    PutDown {
        /// Which.
        id: String,
        /// Who claimed it.
        owner: String,
        /// When it goes on.
        due_at: Timestamp,
        /// Whether it got on: its attempts count from zero again.
        advanced: bool,
        /// What is kept of it.
        document: Value,
        /// The connection of the cluster that it needs.
        connection: Option<String>,
    },
    /// Claimed work is done. It must be claimed by this owner.
    Done(String, String),
    /// Work goes, whoever has claimed it; absent is fine.
    Drop(String),
    /// Work is due now; absent is fine.
    Hurry(String, Timestamp),
}
