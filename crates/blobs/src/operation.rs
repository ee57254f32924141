//! What a request asks for, from its method, path and query alone.

use crate::{
    BlobError, Key,
    asked::Query,
    names::{check_account, check_container},
    staging::BlockId,
};
use http::{Method, Uri};
use percent_encoding::percent_decode_str;

/// The longest path that is looked at: a name of 1,024 characters, each encoded in up to 12 bytes.
const LONGEST_PATH: usize = 16 * 1024;
const CHANGING: [&str; 4] = ["snapshot", "versionid", "deletetype", "sharesnapshot"];

/// What is asked of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) account: String,
    pub(crate) container: Option<String>,
    pub(crate) blob: Option<Key>,
    pub(crate) operation: Operation,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operation {
    AccountInfo,
    ListContainers,
    Batch,
    CreateContainer,
    DeleteContainer,
    ContainerProperties,
    ListBlobs,
    /// *Put Blob*, *Copy Blob* or *Put Blob From URL*: the headers tell.
    PutBlob,
    GetBlob,
    BlobProperties,
    DeleteBlob,
    SetBlobMetadata,
    SetBlobProperties,
    PutBlock(BlockId),
    PutBlockList,
    GetBlockList,
}

impl Target {
    /// Reads method, path and query.
    pub(crate) fn read(method: &Method, uri: &Uri, query: &Query) -> Result<Self, BlobError> {
        let path = uri.path();
        if path.len() > LONGEST_PATH {
            return Err(BlobError::name("blob", "the address is too long"));
        }
        let Ok(path) = percent_decode_str(path).decode_utf8() else {
            return Err(BlobError::name("blob", "it is no UTF-8"));
        };
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (account, rest) = path.split_once('/').unwrap_or((path, ""));
        check_account(account)?;
        let (container, blob) = rest.split_once('/').unwrap_or((rest, ""));
        let target = |container: Option<&str>, blob, operation| Self {
            account: account.to_owned(),
            container: container.map(str::to_owned),
            blob,
            operation,
        };
        let asked = Words { method, restype: query.get("restype"), comp: query.get("comp") };
        if container.is_empty() && blob.is_empty() {
            return Ok(target(None, None, of_account(asked)?));
        }
        check_container(container)?;
        if blob.is_empty() {
            return Ok(target(Some(container), None, of_container(asked)?));
        }
        if let Some(name) = CHANGING.iter().find(|name| query.get(name).is_some()) {
            return Err(BlobError::unsupported(&format!("The query parameter {name}")));
        }
        let operation = of_blob(asked, query)?;
        Ok(target(Some(container), Some(Key::blob(blob)?), operation))
    }
}

#[derive(Clone, Copy)]
struct Words<'a> {
    method: &'a Method,
    restype: Option<&'a str>,
    comp: Option<&'a str>,
}

impl Words<'_> {
    fn reads(&self) -> bool {
        matches!(*self.method, Method::GET | Method::HEAD)
    }

    fn refused(&self) -> BlobError {
        match (self.restype, self.comp) {
            (None, None) => BlobError::verb(),
            (restype, comp) => {
                let shown = |name: &str, value: Option<&str>| {
                    value.map(|value| format!("{name}={value}")).unwrap_or_default()
                };
                let what = format!("{} {} {}", self.method, shown("restype", restype), shown("comp", comp));
                BlobError::unsupported(&what.split_whitespace().collect::<Vec<_>>().join(" "))
            }
        }
    }
}

fn of_account(asked: Words<'_>) -> Result<Operation, BlobError> {
    match (asked.restype, asked.comp) {
        (None, Some("list")) if *asked.method == Method::GET => Ok(Operation::ListContainers),
        (Some("account"), Some("properties")) if asked.reads() => Ok(Operation::AccountInfo),
        (None | Some("service"), Some("batch")) if *asked.method == Method::POST => Ok(Operation::Batch),
        _ => Err(asked.refused()),
    }
}

fn of_container(asked: Words<'_>) -> Result<Operation, BlobError> {
    match (asked.restype, asked.comp, asked.method) {
        (Some("container"), None, &Method::PUT) => Ok(Operation::CreateContainer),
        (Some("container"), None, &Method::DELETE) => Ok(Operation::DeleteContainer),
        (Some("container"), None | Some("metadata"), _) if asked.reads() => {
            Ok(Operation::ContainerProperties)
        }
        (Some("container"), Some("list"), &Method::GET) => Ok(Operation::ListBlobs),
        (Some("container"), Some("batch"), &Method::POST) => Ok(Operation::Batch),
        (Some("account"), Some("properties"), _) if asked.reads() => Ok(Operation::AccountInfo),
        _ => Err(asked.refused()),
    }
}

fn of_blob(asked: Words<'_>, query: &Query) -> Result<Operation, BlobError> {
    match (asked.restype, asked.comp, asked.method) {
        (None, None, &Method::PUT) => Ok(Operation::PutBlob),
        (None, None, &Method::GET) => Ok(Operation::GetBlob),
        (None, None, &Method::HEAD) => Ok(Operation::BlobProperties),
        (None, None, &Method::DELETE) => Ok(Operation::DeleteBlob),
        (None, Some("metadata"), &Method::PUT) => Ok(Operation::SetBlobMetadata),
        (None, Some("metadata"), _) if asked.reads() => Ok(Operation::BlobProperties),
        (None, Some("properties"), &Method::PUT) => Ok(Operation::SetBlobProperties),
        (None, Some("block"), &Method::PUT) => {
            let id = query.get("blockid").ok_or_else(|| BlobError::parameter("blockid", "is missing"))?;
            Ok(Operation::PutBlock(BlockId::read(id)?))
        }
        (None, Some("blocklist"), &Method::PUT) => Ok(Operation::PutBlockList),
        (None, Some("blocklist"), &Method::GET) => Ok(Operation::GetBlockList),
        (Some("account"), Some("properties"), _) if asked.reads() => Ok(Operation::AccountInfo),
        _ => Err(asked.refused()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(method: &str, uri: &str) -> Result<Target, BlobError> {
        let uri: Uri = uri.parse().unwrap();
        Target::read(&method.parse().unwrap(), &uri, &Query::read(&uri)?)
    }

    #[test]
    fn what_is_asked_follows_from_method_path_and_query() {
        let cases = [
            ("GET", "/acct?comp=list", Operation::ListContainers),
            ("GET", "/acct/?restype=account&comp=properties", Operation::AccountInfo),
            ("POST", "/acct/?comp=batch", Operation::Batch),
            ("PUT", "/acct/box?restype=container", Operation::CreateContainer),
            ("HEAD", "/acct/box/?restype=container", Operation::ContainerProperties),
            ("GET", "/acct/box?restype=container&comp=list", Operation::ListBlobs),
            ("POST", "/acct/box/?restype=container&comp=batch", Operation::Batch),
            ("PUT", "/acct/box/a/b", Operation::PutBlob),
            ("HEAD", "/acct/box/a%2Fb", Operation::BlobProperties),
            (
                "PUT",
                "/acct/box/a?comp=block&blockid=YQ%3D%3D",
                Operation::PutBlock(BlockId::read("YQ==").unwrap()),
            ),
            ("GET", "/acct/box/a?comp=blocklist&blocklisttype=all", Operation::GetBlockList),
        ];

        for (method, uri, operation) in cases {
            assert_eq!(read(method, uri).unwrap().operation, operation, "{method} {uri}");
        }
    }

    #[test]
    fn what_is_not_offered_is_refused_and_never_taken_for_something_else() {
        let cases = [
            ("DELETE", "/acct/box/a?snapshot=2020-01-01", "UnsupportedQueryParameter"),
            ("DELETE", "/acct/box/a?versionid=1", "UnsupportedQueryParameter"),
            ("PUT", "/acct/box/a?comp=lease", "UnsupportedQueryParameter"),
            ("PUT", "/acct/box/a?comp=page", "UnsupportedQueryParameter"),
            ("POST", "/acct?restype=service&comp=userdelegationkey", "UnsupportedQueryParameter"),
            ("POST", "/acct/box/a", "UnsupportedHttpVerb"),
            ("DELETE", "/acct/box", "UnsupportedHttpVerb"),
            ("PUT", "/acct/box/a?comp=block", "InvalidQueryParameterValue"),
            ("PUT", "/acct/box/a?comp=block&blockid=!", "InvalidQueryParameterValue"),
            ("GET", "/acct/box/../x", "InvalidResourceName"),
            ("GET", "/acct/box/%2e%2e/x", "InvalidResourceName"),
            ("GET", "/acct/box/a%00", "InvalidResourceName"),
            ("GET", "/acct/box/%ff", "InvalidResourceName"),
            ("GET", "/acct/box/.cofferdam-blocks/x", "InvalidResourceName"),
            ("GET", "/acct/$root/x", "InvalidResourceName"),
            ("GET", "/Acct/box/x", "InvalidResourceName"),
            ("GET", "/", "InvalidResourceName"),
        ];

        for (method, uri, code) in cases {
            assert_eq!(read(method, uri).unwrap_err().code, code, "{method} {uri}");
        }
    }
}
