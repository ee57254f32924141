//! *Blob Batch*: up to 256 deletes in one request, each with its own token and its own answer.

use super::Reply;
use crate::{
    BlobError, Conditions, DataAction,
    asked::{Headers, Query},
    content::{Expected, checked, full, whole},
    names::check_container,
    operation::{Operation, Target},
    service::Call,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use uuid::Uuid;

const MOST: usize = 256;
/// The longest boundary that the MIME rules allow.
const LONGEST_BOUNDARY: usize = 70;

/// One of the requests inside.
#[derive(Debug)]
struct Inner {
    content_id: String,
    method: Method,
    path: String,
    headers: HeaderMap,
}

pub(super) async fn batch(call: Call<'_>) -> Result<Reply, BlobError> {
    let limit = call.service.settings.limits.document;
    let length = call.length(limit as u64)?;
    let boundary = boundary(&call.headers())?;
    let _place = call.service.place().await?;
    let content = call.take_body()?;
    let expected = Expected { length, ..Expected::default() };
    let body = whole(checked(content, expected), limit).await?;
    let body = std::str::from_utf8(&body).map_err(|_| bad("it is no UTF-8"))?;
    let inside = split(body, &boundary)?;

    let mark = format!("batchresponse_{}", Uuid::new_v4());
    let mut text = String::new();
    for inner in inside {
        let answer = match delete(&call, &inner).await {
            Ok(()) => "HTTP/1.1 202 Accepted\r\nx-ms-delete-type-permanent: true\r\n".to_owned(),
            Err(error) => refusal(&error),
        };
        let id = Uuid::new_v4();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.trim_end(), ""));
        text += &format!(
            "--{mark}\r\nContent-Type: application/http\r\nContent-ID: {}\r\n\r\n{head}\r\nx-ms-request-id: {id}\r\n\
             x-ms-version: 2021-12-02\r\n\r\n{body}\r\n",
            inner.content_id
        );
    }
    text += &format!("--{mark}--\r\n");
    let kind = format!("multipart/mixed; boundary={mark}");
    Ok(Reply::new(StatusCode::ACCEPTED).with("content-type", &kind).body(full(text)))
}

async fn delete(call: &Call<'_>, inner: &Inner) -> Result<(), BlobError> {
    if inner.method != Method::DELETE {
        return Err(BlobError::unsupported("Anything but DELETE in a batch"));
    }
    let account = &call.target.account;
    // Clients name the blob with or without the account, whose name a container may have too.
    let whole = match &call.target.container {
        Some(container) if inner.path.starts_with(&format!("/{account}/{container}/")) => inner.path.clone(),
        Some(_) => format!("/{account}{}", inner.path),
        None if inner.path.starts_with(&format!("/{account}/")) => inner.path.clone(),
        None => format!("/{account}{}", inner.path),
    };
    let uri: Uri = whole.parse().map_err(|_| BlobError::name("blob", "it is no address"))?;
    let query = Query::read(&uri)?;
    let target = Target::read(&inner.method, &uri, &query)?;
    let (Operation::DeleteBlob, Some(container), Some(blob)) =
        (&target.operation, &target.container, &target.blob)
    else {
        return Err(BlobError::unsupported("Anything but Delete Blob in a batch"));
    };
    check_container(container)?;
    if call.target.container.as_ref().is_some_and(|own| own != container) {
        return Err(BlobError::unsupported("A blob of another container in a container's batch"));
    }
    let headers = Headers(&inner.headers);
    let what = (target.account.as_str(), Some(container.as_str()), Some(blob.as_str()));
    let asked = (&inner.headers, &query);
    call.service.allow(asked, what, &[DataAction::BlobDelete], (call.peer, call.id)).await?;
    headers.refuse(&super::REFUSED)?;
    if headers.text("x-ms-delete-snapshots")?.is_some_and(|kind| kind != "include") {
        return Err(BlobError::unsupported_header("x-ms-delete-snapshots: only"));
    }
    let conditions = Conditions::read(&headers)?;
    let container = call.service.accounts.container(&target.account, container).await?;
    container.backing.delete(blob, &conditions).await
}

fn refusal(error: &BlobError) -> String {
    let document = error.document_text(&Uuid::new_v4().to_string(), "");
    format!(
        "HTTP/1.1 {} {}\r\nx-ms-error-code: {}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{document}",
        error.status.as_u16(),
        error.status.canonical_reason().unwrap_or("Error"),
        error.code,
        document.len(),
    )
}

fn bad(why: &str) -> BlobError {
    let message = format!("The batch cannot be read: {why}.");
    BlobError::new(StatusCode::BAD_REQUEST, "InvalidInput", message)
}

fn boundary(headers: &Headers<'_>) -> Result<String, BlobError> {
    let kind = headers.text("content-type")?.unwrap_or_default();
    let boundary = kind
        .split(';')
        .map(str::trim)
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim_matches('"'));
    match boundary {
        Some(boundary)
            if kind.starts_with("multipart/mixed") && (1..=LONGEST_BOUNDARY).contains(&boundary.len()) =>
        {
            Ok(boundary.to_owned())
        }
        _ => Err(BlobError::header("content-type", "must be multipart/mixed with a boundary")),
    }
}

fn split(body: &str, boundary: &str) -> Result<Vec<Inner>, BlobError> {
    let mark = format!("--{boundary}");
    let mut pieces = body.split(mark.as_str());
    if !pieces.next().is_some_and(|before| before.trim().is_empty()) {
        return Err(bad("it does not begin with its boundary"));
    }
    let mut found = Vec::new();
    for piece in pieces {
        if piece.starts_with("--") {
            return Ok(found);
        }
        if found.len() >= MOST {
            let message = "A batch holds at most 256 requests.";
            return Err(BlobError::new(StatusCode::BAD_REQUEST, "ExceedsMaxBatchRequestCount", message));
        }
        found.push(inner(piece, found.len())?);
    }
    Err(bad("its last boundary is missing"))
}

fn inner(piece: &str, at: usize) -> Result<Inner, BlobError> {
    let mut lines = piece.lines().skip_while(|line| line.trim().is_empty());
    let outer = fields(&mut lines)?;
    let content_id = outer.get("content-id").and_then(|value| value.to_str().ok());
    let line = lines.next().ok_or_else(|| bad("a part holds no request"))?;
    let mut words = line.split(' ');
    let (Some(method), Some(path), Some("HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("a part does not begin with a request line"));
    };
    let method = method.parse().map_err(|_| bad("a part has no method"))?;
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let content_id = content_id.map_or_else(|| at.to_string(), str::to_owned);
    Ok(Inner { content_id, method, path, headers: fields(&mut lines)? })
}

/// Header lines up to an empty one.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<HeaderMap, BlobError> {
    let mut headers = HeaderMap::new();
    for line in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
        let field = line.split_once(':').and_then(|(name, value)| {
            Some((
                HeaderName::from_bytes(name.trim().as_bytes()).ok()?,
                HeaderValue::from_str(value.trim()).ok()?,
            ))
        });
        let (name, value) = field.ok_or_else(|| bad("a part has a header that is none"))?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_requests_inside_are_found_with_their_ids_and_tokens() {
        let body = "--b\r\nContent-Type: application/http\r\nContent-ID: 7\r\n\r\nDELETE /acct/box/a%20b HTTP/1.1\r\n\
                    Authorization: Bearer t\r\n\r\n\r\n--b\r\nContent-Type: application/http\r\n\r\nDELETE box/c HTTP/1.1\r\n\
                    \r\n--b--\r\n";

        let inside = split(body, "b").unwrap();

        assert_eq!((inside[0].content_id.as_str(), inside[0].path.as_str()), ("7", "/acct/box/a%20b"));
        assert_eq!(inside[0].headers["authorization"], "Bearer t");
        assert_eq!((inside[1].content_id.as_str(), inside[1].path.as_str()), ("1", "/box/c"));
    }

    proptest! {
        #[test]
        fn no_batch_makes_the_reader_panic(body in "(--b|\r\n|DELETE|/a|HTTP/1.1|:| |x){0,40}") {
            drop(split(&body, "b"));
        }
    }
}
