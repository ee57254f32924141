//! What a caller is told when something cannot be done: Azure's code and status, and a message with the next step.

use http::StatusCode;
use quick_xml::escape::escape;
use std::fmt;

/// A refusal as it goes over the wire. What only the operator should know is logged instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobError {
    /// The HTTP status.
    pub status: StatusCode,
    /// Azure's error code.
    pub code: &'static str,
    /// What was wrong, and what to do.
    pub message: String,
    /// Headers that go with it.
    pub headers: Vec<(&'static str, String)>,
}

impl BlobError {
    /// An error of any kind.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    /// With a header.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// 401: nobody said who is asking. The service adds the challenge.
    pub fn no_authentication() -> Self {
        let message =
            "Server failed to authenticate the request. Send a bearer token in the Authorization header.";
        Self::new(StatusCode::UNAUTHORIZED, "NoAuthenticationInformation", message)
    }

    /// 401: the token cannot be used; `why` is told.
    pub fn invalid_authentication(why: &str) -> Self {
        let message =
            format!("Server failed to authenticate the request: {why}. Get a new token and try again.");
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationInfo", message)
    }

    /// 403: a kind of proof that is not offered here.
    pub fn only_tokens(given: &str) -> Self {
        let message = format!(
            "Server failed to authenticate the request: {given} is not offered here. Send a bearer token in the \
             Authorization header."
        );
        Self::new(StatusCode::FORBIDDEN, "AuthenticationFailed", message)
    }

    /// 403: the caller's roles do not allow it.
    pub fn permission_mismatch() -> Self {
        let message = "This request is not authorized to perform this operation using this permission. Assign a role \
                       with this right, for example Storage Blob Data Contributor, to the identity.";
        Self::new(StatusCode::FORBIDDEN, "AuthorizationPermissionMismatch", message)
    }

    /// 403: the network rules of the account do not allow it.
    pub fn network_rules() -> Self {
        let message = "This request is not authorized to perform this operation. The network rules of the storage \
                       account do not admit the caller.";
        Self::new(StatusCode::FORBIDDEN, "AuthorizationFailure", message)
    }

    /// 404: no such account.
    pub fn no_account(account: &str) -> Self {
        let message = format!("The storage account {account:?} does not exist here.");
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFound", message)
    }

    /// 404: no such container.
    pub fn no_container() -> Self {
        Self::new(StatusCode::NOT_FOUND, "ContainerNotFound", "The specified container does not exist.")
    }

    /// 409: the container is there.
    pub fn container_exists() -> Self {
        Self::new(StatusCode::CONFLICT, "ContainerAlreadyExists", "The specified container already exists.")
    }

    /// 409: the container's content is still being removed.
    pub fn container_being_deleted() -> Self {
        let message = "The specified container is being deleted. Try operation later.";
        Self::new(StatusCode::CONFLICT, "ContainerBeingDeleted", message)
    }

    /// 404: no such blob.
    pub fn no_blob() -> Self {
        Self::new(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.")
    }

    /// 409: the blob is there.
    pub fn blob_exists() -> Self {
        Self::new(StatusCode::CONFLICT, "BlobAlreadyExists", "The specified blob already exists.")
    }

    /// 412: a condition of the request does not hold.
    pub fn condition() -> Self {
        let message = "The condition specified using HTTP conditional header(s) is not met.";
        Self::new(StatusCode::PRECONDITION_FAILED, "ConditionNotMet", message)
    }

    /// 304: what the caller has is up to date.
    pub fn not_modified() -> Self {
        Self { status: StatusCode::NOT_MODIFIED, ..Self::condition() }
    }

    /// 409: a file where a folder would have to be, or the other way round.
    pub fn in_the_way() -> Self {
        let message = "On this account's store a blob cannot have the name of a folder of other blobs, nor lie below \
                       the name of a blob. Choose another name.";
        Self::new(StatusCode::CONFLICT, "ResourceTypeMismatch", message)
    }

    /// 409: the store keeps the blob for now.
    pub fn retained() -> Self {
        let message = "The blob is protected by a retention rule of the store. Try again when it has ended.";
        Self::new(StatusCode::CONFLICT, "BlobImmutableDueToPolicy", message)
    }

    /// 416: nothing lies in the range.
    pub fn range(size: u64) -> Self {
        let message = "The range specified is invalid for the current size of the resource.";
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message)
            .with("content-range", format!("bytes */{size}"))
    }

    /// 400: a header that cannot be used.
    pub fn header(name: &str, why: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidHeaderValue", format!("The header {name} {why}."))
    }

    /// 400: a header whose meaning is not offered, so that ignoring it would be wrong.
    pub fn unsupported_header(name: &str) -> Self {
        let message = format!("The header {name} is not supported here. Send the request without it.");
        Self::new(StatusCode::BAD_REQUEST, "UnsupportedHeader", message)
    }

    /// 400: a query parameter that cannot be used.
    pub fn parameter(name: &str, why: &str) -> Self {
        let message = format!("The query parameter {name} {why}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", message)
    }

    /// 400: an operation that is not offered.
    pub fn unsupported(what: &str) -> Self {
        let message = format!("{what} is not offered by this server.");
        Self::new(StatusCode::BAD_REQUEST, "UnsupportedQueryParameter", message)
    }

    /// 405: a method that the resource does not know.
    pub fn verb() -> Self {
        let message = "The resource doesn't support the specified HTTP verb.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb", message)
    }

    /// 400: a name that cannot be used.
    pub fn name(what: &str, why: &str) -> Self {
        let message = format!("The specified {what} name cannot be used: {why}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidResourceName", message)
    }

    /// 400: XML or a multipart body that cannot be read.
    pub fn document(why: &str) -> Self {
        let message = format!("The request body cannot be read: {why}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidXmlDocument", message)
    }

    /// 413: the body is larger than the limit.
    pub fn too_large(limit: u64) -> Self {
        let message = format!("The request body is too large: at most {limit} bytes are taken here.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge", message)
    }

    /// 400: the body ended early or went on too long.
    pub fn incomplete() -> Self {
        let message = "The request body does not have the length that its head announced.";
        Self::new(StatusCode::BAD_REQUEST, "InvalidInput", message)
    }

    /// 408: the body came too slowly.
    pub fn slow() -> Self {
        let message = "The request body came too slowly.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "OperationTimedOut", message)
    }

    /// 503: too much at a time.
    pub fn busy() -> Self {
        let message = "The server is busy: too many transfers at a time. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", message).with("retry-after", "5")
    }

    /// 503: the store behind the account does not answer.
    pub fn unreachable() -> Self {
        let message = "The store behind this account does not answer. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServerBusy", message).with("retry-after", "5")
    }

    /// 507: the store is full.
    pub fn full() -> Self {
        let message = "The store behind this account is full. Free space or raise its quota.";
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage", message)
    }

    /// 500: the store failed; the cause is in the log.
    pub fn internal() -> Self {
        let message = "The server encountered an internal error. Its operator finds the cause in its log under the \
                       request id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
    }

    /// The error document.
    pub fn document_text(&self, request_id: &str, time: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{}</Code><Message>{}\nRequestId:{request_id}\n\
             Time:{time}</Message></Error>",
            self.code,
            escape(self.message.as_str()),
        )
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status.as_u16(), self.code, self.message)
    }
}

impl std::error::Error for BlobError {}
