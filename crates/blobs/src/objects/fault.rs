//! What a caller is told of an object store's error. The store's own words are the operator's, in the log.

use crate::BlobError;
use object_store::Error;

/// What is told of an error, met while `tried` was done to `name`.
pub(super) fn at_fault(tried: &str, name: &str, error: &Error) -> BlobError {
    let text = error.to_string();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let told = match error {
        Error::NotFound { .. } => BlobError::no_blob(),
        Error::AlreadyExists { .. } => BlobError::blob_exists(),
        Error::Precondition { .. } => BlobError::condition(),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            BlobError::unsupported("This operation in this account's store")
        }
        _ if has(&[
            "BlobImmutable",
            "ObjectLocked",
            "RetentionPolicyNotMet",
            "retentionPolicyNotMet",
            "object lock",
        ]) =>
        {
            BlobError::retained()
        }
        _ if has(&["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"]) => BlobError::full(),
        _ if has(&["KeyTooLong", "InvalidObjectName"]) => {
            BlobError::name("blob", "it is too long for this account's store")
        }
        _ if has(&["MetadataTooLarge"]) => crate::properties::too_much(),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => BlobError::internal(),
        _ if is_refusal(error) => BlobError::internal(),
        _ => BlobError::unreachable(),
    };
    if told.status.is_server_error() {
        tracing::error!(%error, name, "could not {tried} an object");
    }
    told
}

/// Whether the store understood and refused.
pub(super) fn is_refusal(error: &Error) -> bool {
    let text = error.to_string();
    matches!(
        error,
        Error::InvalidPath { .. } | Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    ) || text.contains("status code: 4")
        && !text.contains("status code: 429")
        && !text.contains("status code: 408")
}
