//! Who may do what: the question that the service asks before it looks at anything.

use crate::BlobError;
use async_trait::async_trait;
use std::{fmt, net::IpAddr};

/// What a caller wants to do, in the words of Azure's roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DataAction {
    /// Look at a container, or list containers.
    ContainerRead,
    /// Make a container.
    ContainerWrite,
    /// Delete a container.
    ContainerDelete,
    /// Read and list blobs.
    BlobRead,
    /// Write a blob, also over another one.
    BlobWrite,
    /// Write a blob that is not there yet.
    BlobAdd,
    /// Delete a blob.
    BlobDelete,
    /// Learn about the account.
    AccountInfo,
}

impl DataAction {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ContainerRead,
        Self::ContainerWrite,
        Self::ContainerDelete,
        Self::BlobRead,
        Self::BlobWrite,
        Self::BlobAdd,
        Self::BlobDelete,
        Self::AccountInfo,
    ];

    /// The action's name as it stands in role definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ContainerRead => "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            Self::ContainerWrite => "Microsoft.Storage/storageAccounts/blobServices/containers/write",
            Self::ContainerDelete => "Microsoft.Storage/storageAccounts/blobServices/containers/delete",
            Self::BlobRead => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            Self::BlobWrite => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            Self::BlobAdd => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
            Self::BlobDelete => "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            Self::AccountInfo => "Microsoft.Storage/storageAccounts/blobServices/getInfo/action",
        }
    }

    /// Whether it is about blobs (a *data action* of roles) and not about the container or the account (an *action*).
    pub fn is_data(self) -> bool {
        matches!(self, Self::BlobRead | Self::BlobWrite | Self::BlobAdd | Self::BlobDelete)
    }
}

impl fmt::Display for DataAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One question to the gate. Names have been checked, but may be of nothing that exists.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The token of the `Authorization` header.
    pub bearer: &'a str,
    /// The account.
    pub account: &'a str,
    /// The container; `None` for the account itself.
    pub container: Option<&'a str>,
    /// The blob; `None` for the container itself.
    pub blob: Option<&'a str>,
    /// What would be done; a right to one of them is enough.
    pub any_of: &'a [DataAction],
    /// Where the request comes from.
    pub peer: IpAddr,
    /// The id under which the caller finds this request in logs.
    pub request_id: &'a str,
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, container, blob, any_of, peer, request_id, bearer: _ } = self;
        write!(f, "Asked({account}/{container:?}/{blob:?}, {any_of:?}, {peer}, {request_id})")
    }
}

/// Who was let in, by the name under which records of what they change are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who(pub String);

/// Decides about every request, before anything else is looked at.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Who the caller is, when they may. Otherwise [`BlobError::invalid_authentication`],
    /// [`BlobError::permission_mismatch`], [`BlobError::network_rules`] or [`BlobError::no_account`].
    async fn authorize(&self, asked: &Asked<'_>) -> Result<Who, BlobError>;
}
