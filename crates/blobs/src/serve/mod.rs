//! The answers, one file per kind of operation.

mod account;
mod batch;
mod block_list;
mod blocks;
mod container;
mod copy;
mod delete;
mod get;
mod list;
mod properties;
mod put;
mod reply;

pub(crate) use block_list::Part;
pub(crate) use reply::Reply;

use crate::{BlobError, Conditions, Container, DataAction as A, operation::Operation, service::Call};
use http::StatusCode;

/// Headers that ask for something that is not offered, and that would change what is done.
const REFUSED: [&str; 8] = [
    "x-ms-encryption-",
    "x-ms-tags",
    "x-ms-if-tags",
    "x-ms-legal-hold",
    "x-ms-immutability-policy",
    "x-ms-structured-",
    "x-ms-source-if-",
    "x-ms-proposed-lease-id",
];

/// Checks the right and carries the request out.
pub(crate) async fn serve(call: Call<'_>) -> Result<Reply, BlobError> {
    let conditions = match call.target.operation {
        Operation::Batch => Conditions::NONE,
        _ => Conditions::read(&call.headers())?,
    };
    let who = call.allowed(rights(&call.target.operation, conditions.creates())).await?;
    call.headers().refuse(&REFUSED)?;
    if call.headers().text("x-ms-lease-id")?.is_some() {
        let message = "There is currently no lease on the resource; leases are not offered by this server.";
        return Err(BlobError::new(
            StatusCode::PRECONDITION_FAILED,
            "LeaseNotPresentWithBlobOperation",
            message,
        ));
    }
    match call.target.operation.clone() {
        Operation::AccountInfo => Ok(account::info()),
        Operation::ListContainers => account::containers(call).await,
        Operation::Batch => batch::batch(call).await,
        Operation::CreateContainer => container::create(call, &who).await,
        Operation::DeleteContainer => container::delete(call, &who, &conditions).await,
        Operation::ContainerProperties => container::properties(call).await,
        Operation::ListBlobs => list::blobs(call).await,
        Operation::PutBlob => put::blob(call, &conditions).await,
        Operation::GetBlob => get::content(call, &conditions).await,
        Operation::BlobProperties => get::properties(call, &conditions).await,
        Operation::DeleteBlob => delete::blob(call, &conditions).await,
        Operation::SetBlobMetadata => properties::metadata(call, &conditions).await,
        Operation::SetBlobProperties => properties::settings(call, &conditions).await,
        Operation::PutBlock(id) => blocks::put(call, &id).await,
        Operation::PutBlockList => block_list::put(call, &conditions).await,
        Operation::GetBlockList => block_list::get(call).await,
    }
}

fn rights(operation: &Operation, creates: bool) -> &'static [A] {
    match operation {
        Operation::AccountInfo => &[A::AccountInfo, A::ContainerRead, A::BlobRead],
        Operation::ListContainers | Operation::ContainerProperties => &[A::ContainerRead],
        Operation::CreateContainer => &[A::ContainerWrite],
        Operation::DeleteContainer => &[A::ContainerDelete],
        Operation::ListBlobs | Operation::GetBlob | Operation::BlobProperties | Operation::GetBlockList => {
            &[A::BlobRead]
        }
        Operation::PutBlob | Operation::PutBlockList if creates => &[A::BlobWrite, A::BlobAdd],
        // Nobody sees a block before its list is committed.
        Operation::PutBlock(_) => &[A::BlobWrite, A::BlobAdd],
        Operation::PutBlob
        | Operation::PutBlockList
        | Operation::SetBlobMetadata
        | Operation::SetBlobProperties => &[A::BlobWrite],
        Operation::DeleteBlob | Operation::Batch => &[A::BlobDelete],
    }
}

impl Call<'_> {
    /// The container of the target.
    async fn container(&self) -> Result<Container, BlobError> {
        let name = self.target.container.as_deref().ok_or_else(BlobError::no_container)?;
        self.service.accounts.container(&self.target.account, name).await
    }

    /// The blob of the target.
    fn blob(&self) -> Result<&crate::Key, BlobError> {
        self.target.blob.as_ref().ok_or_else(BlobError::no_blob)
    }

    /// The announced length of the body, which must not be above `limit`.
    fn length(&self, limit: u64) -> Result<u64, BlobError> {
        match self.headers().number("content-length")? {
            None => {
                let message = "The Content-Length header was not specified. Send the length of the content.";
                Err(BlobError::new(StatusCode::LENGTH_REQUIRED, "MissingContentLengthHeader", message))
            }
            Some(length) if length > limit => Err(BlobError::too_large(limit)),
            Some(length) => Ok(length),
        }
    }
}

/// The conditions of a write that can be judged before its content has come.
async fn check_early(
    container: &Container,
    blob: &crate::Key,
    conditions: &Conditions,
) -> Result<(), BlobError> {
    if conditions.is_none() {
        return Ok(());
    }
    conditions.check_write(container.backing.look(blob).await?.as_ref())
}
