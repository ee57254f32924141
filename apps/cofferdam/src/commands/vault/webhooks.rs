//! The file of `--webhooks`: who is told of alerts.

use crate::exit::Failure;
use std::path::Path;
use vault::webhooks::{ReceiverSettings, Webhooks};

/// The receivers that a file names.
pub fn receivers(path: &Path) -> Result<Vec<ReceiverSettings>, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::precondition(format!("could not use the webhooks in {}: {error}", path.display()))
            .next("Correct the file; docs/alerts.md shows one.")
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let receivers: Vec<ReceiverSettings> = serde_saphyr::from_str(&text).map_err(|error| failed(&error))?;
    // Looked at here too, so that the error names the file.
    Webhooks::open(&receivers).map_err(|error| failed(&error))?;
    Ok(receivers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<usize, String> {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let folder = tempfile::tempdir().unwrap();
        let (path, secret) = (folder.path().join("webhooks.yaml"), folder.path().join("secret"));
        std::fs::write(&secret, "s".repeat(32)).unwrap();
        std::fs::write(&path, text.replace("SECRET", secret.to_str().unwrap())).unwrap();
        receivers(&path).map(|found| found.len()).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn a_file_names_receivers_and_what_is_wrong_with_one_is_told_with_the_file() {
        let one =
            "- name: ops\n  url: https://hooks.example/x\n  secret-file: SECRET\n  severities: [Sev0]\n";

        assert_eq!(told(one), Ok(1));
        assert_eq!(told(""), Ok(0));
        for (text, reason) in [
            (format!("{one}{one}"), "named twice"),
            (one.replace("https", "http"), "https://"),
            (one.replace("SECRET", "/nowhere"), "/nowhere"),
            (one.replace("Sev0", "Sev9"), "Sev9"),
            (one.replace("secret-file", "secret"), "secret"),
            ("name: ops".to_owned(), "webhooks.yaml"),
        ] {
            let error = told(&text).unwrap_err();
            assert!(error.contains(reason) && error.contains("webhooks.yaml"), "{reason}: {error}");
        }
    }
}
