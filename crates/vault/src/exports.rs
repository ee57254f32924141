//! Exported jobs as files: what `ExportJobsResult` names is downloaded here, with a signature for one file, for reading, and
//! for a short while, instead of a token. Nothing is copied: the files are made of what the operation keeps.

mod sheet;

use crate::{app::App, reply::Reply, request::Address};
use arm::ArmError;
use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::{Value, json};

/// The first part of the path; no storage account can have such a name.
pub const FOLDER: &str = "job-exports";
/// What the operation keeps is named so.
const KIND: &str = "ExportJobsResult";
const JSON: &str = "jobs.json";
const SHEET: &str = "jobs.xlsx";
/// For so long a signature holds.
const HOLDS: SignedDuration = SignedDuration::from_mins(60);
/// The version of Azure's signatures whose fields these have.
const VERSION: &str = "2024-11-04";

/// What an operation keeps of an export.
pub fn kept(jobs: Vec<Value>) -> Value {
    let mut secret = [0_u8; 32];
    rand::rng().fill_bytes(&mut secret);
    json!({"objectType": KIND, "jobs": jobs, "secret": URL_SAFE_NO_PAD.encode(secret)})
}

/// The result of an operation as its client reads it: of an export, where its files are for the next hour.
pub fn shown(app: &App, operation: &str, result: Value) -> Value {
    let Some(secret) = secret(&result) else { return result };
    let until = app.clock.now().checked_add(HOLDS).unwrap_or(Timestamp::MAX);
    let address = |file: &str| app.public.at(&format!("/{FOLDER}/{operation}/{file}"));
    let key = |file: &str| signature(&secret, operation, file, &until.to_string()).query(&until.to_string());
    json!({
        "objectType": KIND,
        "blobUrl": address(JSON),
        "blobSasKey": key(JSON),
        "excelFileBlobUrl": address(SHEET),
        "excelFileBlobSasKey": key(SHEET),
    })
}

/// Whether this is what an operation keeps of an export.
pub fn is_export(result: &Value) -> bool {
    result.get("objectType").and_then(Value::as_str) == Some(KIND)
}

fn secret(result: &Value) -> Option<Vec<u8>> {
    let secret = result.get("secret").and_then(Value::as_str).filter(|_| is_export(result))?;
    URL_SAFE_NO_PAD.decode(secret).ok()
}

/// A signature in text.
struct Signature(String);

impl Signature {
    fn query(&self, until: &str) -> String {
        let fields = [("sv", VERSION), ("sr", "b"), ("sp", "r"), ("se", until), ("sig", self.0.as_str())];
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
    }
}

/// Over everything that is allowed: this file of this export, reading, until then.
fn signature(secret: &[u8], operation: &str, file: &str, until: &str) -> Signature {
    let text = format!("{VERSION}\nb\nr\n{until}\n{operation}\n{file}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    Signature(URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Answers `GET /job-exports/<operation>/<file>`.
pub async fn serve(app: &App, address: &Address, headers: &HeaderMap) -> Reply {
    let [_, operation, file] = address.parts() else { return refused() };
    let found = match app.store.operation(operation).await {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "an export cannot be read");
            let message = "The database does not answer. Try again later.";
            return Reply::error(&ArmError::new(503, "ServiceUnavailable", message));
        }
    };
    // Whoever has no signature learns nothing, not even which exports there are.
    let result = found.and_then(|found| found.result).unwrap_or_default();
    if !is_signed(&secret(&result).unwrap_or_default(), operation, file, address, app.clock.now()) {
        return refused();
    }
    let jobs = result.get("jobs").cloned().unwrap_or_default();
    match file.as_str() {
        JSON => sent(Bytes::from(jobs.to_string()), "application/json; charset=utf-8", headers),
        SHEET => {
            let rows = sheet::of_jobs(jobs.as_array().map(Vec::as_slice).unwrap_or_default());
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            sent(Bytes::from(rows), kind, headers)
        }
        _ => refused(),
    }
}

fn is_signed(secret: &[u8], operation: &str, file: &str, address: &Address, now: Timestamp) -> bool {
    let given = |name: &str| address.parameter(name).unwrap_or_default();
    let is_this =
        [("sv", VERSION), ("sr", "b"), ("sp", "r")].iter().all(|(name, value)| given(name) == *value);
    let in_time = given("se").parse::<Timestamp>().is_ok_and(|until| now < until);
    let right = signature(secret, operation, file, given("se"));
    let equal = constant_time::verify_slices_are_equal(right.0.as_bytes(), given("sig").as_bytes()).is_ok();
    !secret.is_empty() && is_this && in_time && equal
}

fn refused() -> Reply {
    let message = "The signature does not fit this file, or its time is over. Ask for the result of the export again: it \
                   names the file with a new one.";
    Reply::error(&ArmError::new(403, "AuthenticationFailed", message))
        .with(HeaderName::from_static("x-ms-error-code"), "AuthenticationFailed")
}

/// The file, or the part of it that was asked for: clients of blobs ask for parts.
fn sent(bytes: Bytes, kind: &'static str, headers: &HeaderMap) -> Reply {
    let whole = bytes.len();
    let asked = headers.get("x-ms-range").or_else(|| headers.get(header::RANGE));
    let part = asked.and_then(|range| part(range.to_str().ok()?, whole));
    let reply = match part {
        Some((from, to)) => Reply::bytes(206, kind, bytes.slice(from..to))
            .with(header::CONTENT_RANGE, format!("bytes {from}-{}/{whole}", to.saturating_sub(1))),
        None => Reply::bytes(200, kind, bytes),
    };
    reply.with(header::ACCEPT_RANGES, "bytes").with(HeaderName::from_static("x-ms-blob-type"), "BlockBlob")
}

/// `bytes=0-99` of `whole` bytes, as a range without its end. What cannot be met is answered with everything.
fn part(range: &str, whole: usize) -> Option<(usize, usize)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = match to {
        "" => whole,
        to => to.parse::<usize>().ok()?.saturating_add(1).min(whole),
    };
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(address: &str, now: &str) -> bool {
        let (path, query) = address.split_once('?').unwrap();
        let address = Address::read(path, Some(query)).unwrap();
        let (operation, file) = (&address.parts()[1], &address.parts()[2]);
        is_signed(b"secret", operation, file, &address, now.parse().unwrap())
    }

    #[test]
    fn a_signature_is_for_one_file_for_reading_and_for_its_time() {
        let until = "2026-01-01T01:00:00Z";
        let query = signature(b"secret", "op", JSON, until).query(until);
        let early = "2026-01-01T00:59:59Z";

        assert!(signed(&format!("/job-exports/op/jobs.json?{query}"), early));
        let table = [
            (format!("/job-exports/op/jobs.json?{query}"), until),
            (format!("/job-exports/op/jobs.xlsx?{query}"), early),
            (format!("/job-exports/other/jobs.json?{query}"), early),
            (format!("/job-exports/op/jobs.json?{}", query.replace("sp=r", "sp=w")), early),
            (format!("/job-exports/op/jobs.json?{}", query.replace("T01", "T02")), early),
            ("/job-exports/op/jobs.json?sig=".to_owned(), early),
        ];
        for (address, now) in table {
            assert!(!signed(&address, now), "{address} {now}");
        }
        let unsigned = Address::read("/job-exports/op/jobs.json", None).unwrap();
        assert!(!is_signed(b"", "op", JSON, &unsigned, early.parse().unwrap()), "no secret signs nothing");
    }

    #[test]
    fn parts_are_what_clients_of_blobs_ask_for() {
        assert_eq!(part("bytes=0-99", 10), Some((0, 10)));
        assert_eq!(part("bytes=2-3", 10), Some((2, 4)));
        assert_eq!(part("bytes=2-", 10), Some((2, 10)));
        for wrong in ["bytes=10-", "bytes=5-4", "bytes=-3", "lines=1-2", "bytes=a-b"] {
            assert_eq!(part(wrong, 10), None, "{wrong}");
        }
    }
}
