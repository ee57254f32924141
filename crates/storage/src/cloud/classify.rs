//! Turns what an object store said into a [`StoreError`]: kind, permanence, next step, and no secret.

use crate::{ProxyTrouble, StoreError, StoreErrorKind as Kind, credential::CredentialError};
use object_store::client::HttpError;
use std::error::Error;

/// The longest cause shown, in characters.
const LONGEST_CAUSE: usize = 300;

/// Classifies `error`, met while `tried` was done to `target`.
pub(crate) fn classify(tried: &'static str, target: String, error: &object_store::Error) -> StoreError {
    let chain = chain(error);
    if let Some(credential) = chain.iter().find_map(|error| error.downcast_ref::<CredentialError>()) {
        return no_credential(tried, target, credential);
    }
    if let Some(http) = chain.iter().find_map(|error| error.downcast_ref::<HttpError>()) {
        return no_answer(tried, target, http);
    }
    let text = error.to_string();
    let status = status(&text);
    let code = code(&text);
    let kind = kind(error, status, code.as_deref().unwrap_or_default(), &text);
    let cause = match (status, &code) {
        (Some(status), _) => format!("{status} {}", service_words(&text)),
        (None, Some(_)) => service_words(&text),
        (None, None) => innermost(error),
    };
    let found = StoreError::new(tried, target, kind, shorten(cause.trim()));
    match remedy(code.as_deref().unwrap_or_default(), &text) {
        Some(remedy) => found.with_remedy(remedy),
        None => found,
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut chain = vec![error];
    let mut deepest = error;
    while let Some(next) = deepest.source() {
        chain.push(next);
        deepest = next;
    }
    chain
}

/// For a request that could not be made.
pub(super) fn no_credential(tried: &'static str, target: String, error: &CredentialError) -> StoreError {
    StoreError {
        tried,
        target,
        kind: Kind::BadCredentials,
        cause: error.to_string(),
        temporary: error.temporary,
        remedy: error.remedy.clone(),
    }
}

/// For a request that got no answer.
pub(super) fn no_answer(tried: &'static str, target: String, error: &(dyn Error + 'static)) -> StoreError {
    if let Some(proxy) = ProxyTrouble::of(error) {
        return StoreError::new(tried, target, Kind::Unreachable, shorten(&proxy.cause))
            .with_temporary(proxy.temporary)
            .with_remedy(proxy.remedy);
    }
    let cause = innermost(error);
    let found = StoreError::new(tried, target, Kind::Unreachable, shorten(&cause));
    if !is_untrusted(&cause) {
        return found;
    }
    found.with_temporary(false).with_remedy(
        "Put the certificate authority of the store, as PEM, into config.caCert; verification cannot be switched off.",
    )
}

/// Whether a connection failed because nobody vouches for the other end: trying again does not help.
pub(crate) fn is_untrusted(cause: &str) -> bool {
    cause.contains("certificate") || cause.contains("UnknownIssuer")
}

fn kind(error: &object_store::Error, status: Option<u16>, code: &str, text: &str) -> Kind {
    use object_store::Error as E;
    if let Some(kind) = kind_of_code(code, text).or_else(|| kind_of_status(status?)) {
        return kind;
    }
    match error {
        E::Unauthenticated { .. } => Kind::BadCredentials,
        E::PermissionDenied { .. } => Kind::Denied,
        E::NotFound { .. } => Kind::NotFound,
        E::AlreadyExists { .. } | E::Precondition { .. } => Kind::Exists,
        // The client's own words for a range that begins at or after the end.
        _ if text.contains("Wanted range") => Kind::Corrupt,
        _ => Kind::Other,
    }
}

/// By the service's own error code, the most exact thing it says.
fn kind_of_code(code: &str, text: &str) -> Option<Kind> {
    Some(match code {
        "NoSuchBucket" | "ContainerNotFound" => Kind::BucketMissing,
        "RequestTimeTooSkewed" => Kind::WrongClock,
        "AuthenticationFailed" if text.contains("date header too old") => Kind::WrongClock,
        "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "AuthenticationFailed"
        | "InvalidAuthenticationInfo"
        | "NoAuthenticationInformation"
        | "ExpiredToken"
        | "TokenRefreshRequired"
        | "InvalidToken"
        | "InvalidClientTokenId"
        | "KeyBasedAuthenticationNotPermitted"
        | "AuthorizationHeaderMalformed" => Kind::BadCredentials,
        "AuthorizationFailure" if text.contains("failed to authenticate") => Kind::BadCredentials,
        "BlobImmutableDueToPolicy"
        | "BlobImmutableDueToLegalHold"
        | "ObjectLocked"
        | "RetentionPolicyNotMet" => Kind::Retained,
        "AccessDenied" if text.to_ascii_lowercase().contains("object lock") => Kind::Retained,
        _ if text.contains("retentionPolicyNotMet") || text.contains("WORM") => Kind::Retained,
        "QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" | "AccountQuotaExceeded" => Kind::Full,
        "SlowDown"
        | "ServerBusy"
        | "OperationTimedOut"
        | "InternalError"
        | "ConditionalRequestConflict"
        | "ContainerBeingDeleted"
        | "OperationAborted" => Kind::Unreachable,
        _ if text.contains("The specified bucket does not exist") => Kind::BucketMissing,
        _ => return None,
    })
}

fn kind_of_status(status: u16) -> Option<Kind> {
    Some(match status {
        401 => Kind::BadCredentials,
        403 => Kind::Denied,
        404 => Kind::NotFound,
        409 | 412 => Kind::Exists,
        416 => Kind::Corrupt,
        501 => Kind::Other,
        507 => Kind::Full,
        408 | 425 | 429 | 500..=599 => Kind::Unreachable,
        _ => return None,
    })
}

/// Classifies an answer that did not come through object_store.
pub(super) fn classify_answer(
    tried: &'static str,
    target: String,
    status: u16,
    code: Option<&str>,
    body: &str,
) -> StoreError {
    let found = code.map(str::to_owned).or_else(|| self::code(body)).unwrap_or_default();
    let kind = kind_of_code(&found, body).or_else(|| kind_of_status(status)).unwrap_or(Kind::Other);
    let words = if body.is_empty() { found.clone() } else { service_words(body) };
    let error = StoreError::new(tried, target, kind, format!("{status} {words}").trim().to_owned());
    match remedy(&found, body) {
        Some(remedy) => error.with_remedy(remedy),
        None => error,
    }
}

fn remedy(code: &str, text: &str) -> Option<&'static str> {
    match code {
        "KeyBasedAuthenticationNotPermitted" => Some(
            "The storage account forbids account keys: use workload identity (config.useAAD) or allow key access.",
        ),
        "AuthorizationPermissionMismatch" => Some(
            "Assign the role Storage Blob Data Contributor on the container to the identity; it takes effect within minutes.",
        ),
        // Azure's word for both a wrong key and a closed network.
        "AuthorizationFailure" if !text.contains("failed to authenticate") => {
            Some("Check the network rules of the storage account and the role of the identity.")
        }
        "NotImplemented" => Some(
            "This store does not support conditional writes (If-None-Match), which backups need: use one that does.",
        ),
        _ => None,
    }
}

/// The status code in a text like `status code: 403 Forbidden`.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The service's error code: XML `<Code>` or JSON `"code":` / `"error":`.
fn code(text: &str) -> Option<String> {
    let word = |rest: &str| {
        let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        (!word.is_empty()).then_some(word)
    };
    if let Some((_, rest)) = text.split_once("<Code>") {
        return word(rest);
    }
    ["\"code\":\"", "\"code\": \"", "\"error\":\"", "\"error\": \""]
        .iter()
        .find_map(|mark| word(text.split_once(mark)?.1))
        .filter(|word| word.parse::<u64>().is_err())
}

/// What a service's error document says, in one line: code and message, without the rest of the document.
pub(crate) fn service_words(text: &str) -> String {
    let message = ["<Message>", "\"message\":\"", "\"message\": \"", "\"error_description\":\""]
        .iter()
        .find_map(|mark| Some(text.split_once(mark)?.1))
        .map(|rest| rest.split(['<', '"', '\n', '\r']).next().unwrap_or_default().trim());
    let words = match (code(text), message) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        (None, Some(message)) => message.to_owned(),
        // An unknown document may repeat what was sent, so it is not shown.
        (None, None) => "without further explanation".to_owned(),
    };
    shorten(&words)
}

/// The innermost cause of an error in one short line, without the address (which may hold a signature).
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(next) = deepest.source() {
        deepest = next;
    }
    shorten(&deepest.to_string())
}

fn shorten(text: &str) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut clean = String::new();
    for word in one_line.split(' ') {
        let lower = word.to_ascii_lowercase();
        let secret = ["sig=", "signature=", "token=", "password=", "secret=", "bearer "]
            .iter()
            .any(|mark| lower.contains(mark));
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(if secret { "[redacted]" } else { word });
    }
    clean.chars().take(LONGEST_CAUSE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.to_owned().into() }
    }

    #[test]
    fn service_answers_become_kinds_with_the_right_permanence() {
        let answer = |status: &str, body: &str| {
            generic(&format!("Server returned non-2xx status code: {status}: {body}"))
        };
        let xml = |code: &str| format!("<?xml?><Error><Code>{code}</Code><Message>Why.</Message></Error>");
        let cases = [
            (answer("404 Not Found", &xml("NoSuchBucket")), Kind::BucketMissing, false),
            (answer("404 Not Found", &xml("ContainerNotFound")), Kind::BucketMissing, false),
            (answer("404 Not Found", &xml("NoSuchKey")), Kind::NotFound, false),
            (answer("403 Forbidden", &xml("SignatureDoesNotMatch")), Kind::BadCredentials, false),
            (answer("403 Forbidden", &xml("RequestTimeTooSkewed")), Kind::WrongClock, false),
            (answer("403 Forbidden", &xml("AccessDenied")), Kind::Denied, false),
            (answer("403 Forbidden", ""), Kind::Denied, false),
            (answer("401 Unauthorized", ""), Kind::BadCredentials, false),
            (answer("409 Conflict", &xml("BlobImmutableDueToPolicy")), Kind::Retained, false),
            (answer("409 Conflict", &xml("ConditionalRequestConflict")), Kind::Unreachable, true),
            (answer("409 Conflict", &xml("BlobAlreadyExists")), Kind::Exists, false),
            (answer("412 Precondition Failed", &xml("PreconditionFailed")), Kind::Exists, false),
            (answer("416 Range Not Satisfiable", &xml("InvalidRange")), Kind::Corrupt, false),
            (answer("507 Insufficient Storage", &xml("XMinioStorageFull")), Kind::Full, false),
            (answer("503 Service Unavailable", &xml("SlowDown")), Kind::Unreachable, true),
            (answer("429 Too Many Requests", ""), Kind::Unreachable, true),
            (answer("501 Not Implemented", &xml("NotImplemented")), Kind::Other, false),
        ];

        for (error, kind, temporary) in cases {
            let found = classify("read", "x".into(), &error);
            assert_eq!((found.kind, found.temporary), (kind, temporary), "{error}");
        }
    }

    #[test]
    fn no_text_repeats_a_signature_or_an_unknown_document() {
        let leaky = [
            generic("GET https://a.blob.core.windows.net/c?sv=1&sig=S3CR3T failed"),
            generic("Server returned non-2xx status code: 403 Forbidden: <html>S3CR3T</html>"),
            generic(
                "status code: 403 Forbidden: <Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message><StringToSign>S3CR3T</StringToSign></Error>",
            ),
        ];

        for error in leaky {
            let found = classify("read", "x".into(), &error);
            assert!(!found.to_string().contains("S3CR3T"), "{found}");
        }
    }
}
