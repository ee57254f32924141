//! One container as Azure Blob storage serves it, as far as the product asks: put if absent, get with ranges, head,
//! list, delete; judged by role.

use axum::{body::Body, http::request::Parts, response::Response};
use std::{collections::BTreeMap, fmt::Write};

const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";

#[derive(Default)]
pub struct Blobs {
    files: BTreeMap<String, Vec<u8>>,
    /// Tokens after this one may write; none when there is no number.
    pub writers_from: Option<usize>,
}

impl Blobs {
    pub fn answer(&mut self, head: &Parts, body: &[u8], token: usize) -> Response {
        let Some(path) = head.uri.path().strip_prefix("/acct/backups") else {
            return refuse(404, "ContainerNotFound");
        };
        let path = path.trim_start_matches('/').to_owned();
        let writes = matches!(head.method.as_str(), "PUT" | "DELETE");
        if writes && self.writers_from.is_none_or(|from| token <= from) {
            return refuse(403, "AuthorizationPermissionMismatch");
        }
        let query = head.uri.query().unwrap_or_default();
        match head.method.as_str() {
            "GET" if query.contains("comp=list") => self.list(query),
            "PUT" if head.headers.contains_key("if-none-match") && self.files.contains_key(&path) => {
                refuse(409, "BlobAlreadyExists")
            }
            "PUT" => {
                self.files.insert(path, body.to_vec());
                found(201, Vec::new())
            }
            "DELETE" if self.files.remove(&path).is_some() => found(202, Vec::new()),
            method => match self.files.get(&path) {
                None => refuse(404, "BlobNotFound"),
                Some(file) if method == "HEAD" => Response::builder()
                    .header("etag", "\"e\"")
                    .header("last-modified", MODIFIED)
                    .header("content-length", file.len())
                    .body(Body::empty())
                    .unwrap(),
                Some(file) => match range(head) {
                    None => found(200, file.clone()),
                    Some((start, end)) => {
                        let end = end.min(file.len() - 1);
                        let part = file[start..=end].to_vec();
                        let mut answer = found(206, part);
                        let text = format!("bytes {start}-{end}/{}", file.len());
                        answer.headers_mut().insert("content-range", text.parse().unwrap());
                        answer
                    }
                },
            },
        }
    }

    fn list(&self, query: &str) -> Response {
        let query = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        let asked: BTreeMap<String, String> = query.query_pairs().into_owned().collect();
        let prefix = asked.get("prefix").cloned().unwrap_or_default();
        let mut text = String::from("<?xml version=\"1.0\"?><EnumerationResults><Blobs>");
        let mut folders = Vec::new();
        for (name, file) in self.files.iter().filter(|(name, _)| name.starts_with(&prefix)) {
            let rest = &name[prefix.len()..];
            match rest.split_once('/').filter(|_| asked.contains_key("delimiter")) {
                Some((folder, _)) => folders.push(format!("{prefix}{folder}/")),
                None => write!(
                    text,
                    "<Blob><Name>{name}</Name><Properties><Last-Modified>{MODIFIED}</Last-Modified>\
                     <Content-Length>{}</Content-Length><Content-Type>x</Content-Type><Etag>e</Etag>\
                     </Properties></Blob>",
                    file.len()
                )
                .unwrap(),
            }
        }
        folders.dedup();
        for folder in folders {
            write!(text, "<BlobPrefix><Name>{folder}</Name></BlobPrefix>").unwrap();
        }
        text.push_str("</Blobs><NextMarker/></EnumerationResults>");
        found(200, text.into_bytes())
    }
}

fn range(head: &Parts) -> Option<(usize, usize)> {
    let text = head.headers.get("x-ms-range").or_else(|| head.headers.get("range"))?.to_str().ok()?;
    let (start, end) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((start.parse().ok()?, end.parse().unwrap_or(usize::MAX)))
}

fn found(status: u16, body: Vec<u8>) -> Response {
    Response::builder()
        .status(status)
        .header("etag", "\"e\"")
        .header("last-modified", MODIFIED)
        .body(Body::from(body))
        .unwrap()
}

fn refuse(status: u16, code: &str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>No.</Message></Error>");
    Response::builder().status(status).header("x-ms-error-code", code).body(Body::from(body)).unwrap()
}
