//! The original's own clients on this machine.

use prerequisites::{Observed, Profile, Tool};
use serde_json::Value;
use std::{process::Stdio, time::Duration};

const PATIENCE: Duration = Duration::from_secs(3);
/// From here on `az` knows Trusted Access.
const OLDEST: (u32, u32, u32) = (2, 53, 0);

/// The Azure CLI, where the rules of AKS ask for it.
pub async fn tools(profile: Profile) -> Observed<Vec<Tool>> {
    if profile != Profile::Aks {
        return Observed::Seen(Vec::new());
    }
    let asked = tokio::process::Command::new("az")
        .args(["version", "--output", "json"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(said)) => match read(&said.stdout) {
            Some(version) => {
                Observed::Seen(vec![Tool { name: "Azure CLI".to_owned(), version, oldest: OLDEST }])
            }
            None => Observed::NotObservable("az version says nothing that can be understood".to_owned()),
        },
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Observed::Seen(Vec::new()),
        Ok(Err(error)) => Observed::NotObservable(format!("az could not be run: {error}")),
        Err(_) => Observed::NotObservable("az version did not end within 3 s".to_owned()),
    }
}

fn read(said: &[u8]) -> Option<(u32, u32, u32)> {
    let said: Value = serde_json::from_slice(said).ok()?;
    let mut numbers =
        said.get("azure-cli")?.as_str()?.split('.').map(|part| part.parse().unwrap_or_default());
    Some((numbers.next()?, numbers.next()?, numbers.next().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_version_of_az_is_read_from_what_it_prints() {
        assert_eq!(read(br#"{"azure-cli": "2.60.1", "extensions": {}}"#), Some((2, 60, 1)));
        assert_eq!(read(b"az: command failed"), None);
    }
}
