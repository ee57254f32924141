//! What the API server's refusals mean for whoever decides whether to try again.

/// Whether the same call can succeed later without anyone changing anything.
pub fn is_temporary(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 408 | 409 | 410 | 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => true,
        _ => false,
    }
}

/// The API server's own sentence, or the transport's.
pub fn readable(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if !status.message.is_empty() => status.message.clone(),
        kube::Error::Service(source) => format!("the API server could not be reached: {source}"),
        other => other.to_string(),
    }
}

/// Whether the object does not exist.
pub fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}
