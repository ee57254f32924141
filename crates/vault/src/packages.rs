//! Serves the extension packages of the operator's directory: two kinds of files, named by their digests. They are public
//! and signed; agents check both.

use crate::{app::App, reply::Reply};
use arm::ArmError;
use std::path::PathBuf;

/// Larger than any file of a package.
const LARGEST: u64 = 2 * 1024 * 1024;

/// Answers `GET /v2/<repository>/manifests|blobs/sha256:<digits>`.
pub async fn serve(app: &App, parts: &[String]) -> Reply {
    let Some(path) = app.package_directory.as_ref().and_then(|directory| file(directory.clone(), parts))
    else {
        return missing();
    };
    match tokio::fs::metadata(&path).await {
        Ok(found) if found.is_file() && found.len() <= LARGEST => {}
        _ => return missing(),
    }
    match tokio::fs::read_to_string(&path).await {
        Ok(text) => Reply::file(text),
        Err(error) => {
            tracing::warn!(%error, "a package cannot be read");
            missing()
        }
    }
}

/// The file of a path, whose parts are plain names; nothing leads out of the directory.
fn file(mut directory: PathBuf, parts: &[String]) -> Option<PathBuf> {
    let plain = |part: &String| {
        !part.is_empty()
            && !part.starts_with('.')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-:".contains(&byte))
    };
    let kind = parts.len().checked_sub(2).and_then(|at| parts.get(at))?;
    if parts.len() < 4 || !parts.iter().all(plain) || !["manifests", "blobs"].contains(&kind.as_str()) {
        return None;
    }
    directory.extend(parts);
    Some(directory)
}

fn missing() -> Reply {
    Reply::error(&ArmError::new(404, "NotFound", "There is no such package here."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(path: &str) -> bool {
        let parts: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        file(PathBuf::from("/d"), &parts).is_some_and(|path| path.starts_with("/d/v2"))
    }

    #[test]
    fn only_files_of_packages_are_served() {
        assert!(served("/v2/cofferdam/backup/manifests/sha256:00ff"));
        assert!(served("/v2/a/blobs/sha256:00ff"));
        for wrong in
            ["/v2/manifests/x", "/v2/a/../manifests/x", "/v2/a/manifests/.hidden", "/v2/a/other/x", "/v2"]
        {
            assert!(!served(wrong), "{wrong}");
        }
    }
}
