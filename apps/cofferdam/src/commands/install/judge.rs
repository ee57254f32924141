//! Judges the values of an installation's settings that only the API server would refuse, after a part was applied.

use extension::{
    locations::{CredentialKind, RepositoryKey},
    manifests::{InstallSettings, ResourceSettings},
};
use protection::{quantity::billionths, selection::is_dns_label};

/// Every problem, with the name of the setting and what is expected.
pub fn problems(install: &InstallSettings) -> Vec<String> {
    let ResourceSettings { requests_cpu, requests_memory, limits_cpu, limits_memory } = &install.resources;
    let mut problems = pair("cpu", "500m or 1.5", requests_cpu, limits_cpu);
    problems.extend(pair("memory", "1280Mi or 2Gi", requests_memory, limits_memory));
    if let Some(location) = &install.location {
        let mut secrets = Vec::new();
        secrets.extend(location.repository_secret().map(|name| ("repositorySecret", name)));
        if let CredentialKind::Secret(name) = &location.credential {
            secrets.push(("credentialSecret", name.as_str()));
        }
        if location.repository_key == RepositoryKey::Vault && install.vault.is_none() {
            problems.push(
                "setting repositoryKey: a vault grants the key, but no vault is given (vault.url)".to_owned(),
            );
        }
        let bad = secrets.into_iter().filter(|(_, name)| !is_object_name(name));
        problems
            .extend(bad.map(|(key, name)| format!("setting {key}: {name:?} cannot be the name of a Secret")));
    }
    problems
}

fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

/// A request and its limit.
fn pair(what: &str, example: &str, request: &str, limit: &str) -> Vec<String> {
    let malformed = |key: &str, text: &str| {
        format!("setting resources.{key}.{what}: {text:?} is not a quantity such as {example}")
    };
    match (billionths(request), billionths(limit)) {
        (Some(least), Some(most)) if least > most => vec![format!(
            "setting resources.requests.{what}: {request} is more than resources.limits.{what}, which is {limit}"
        )],
        (least, most) => [("requests", request, least), ("limits", limit, most)]
            .into_iter()
            .filter(|(_, _, value)| value.is_none())
            .map(|(key, text, _)| malformed(key, text))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(given: &[(&str, &str)]) -> Vec<String> {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut install = InstallSettings::new("backups", "cofferdam:1");
        install.apply(&given).unwrap();
        problems(&install)
    }

    #[test]
    fn values_that_the_api_server_would_refuse_are_named_with_their_settings() {
        type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
        let cases: [Case; 6] = [
            (&[], &[]),
            (&[("resources.limits.memory", "4400Mi"), ("resources.requests.cpu", "0.1")], &[]),
            (
                &[("memoryLimit", "abc")],
                &["resources.limits.memory: \"abc\" is not a quantity such as 1280Mi"],
            ),
            (&[("resources.limits.memory", "128Mi")], &["resources.requests.memory: 256Mi is more than"]),
            (
                &[("resources.requests.cpu", "2"), ("resources.requests.memory", "1 Gi")],
                &["resources.requests.cpu: 2 is more", "resources.requests.memory: \"1 Gi\""],
            ),
            (
                &[
                    ("configuration.backupStorageLocation.provider", "aws"),
                    ("configuration.backupStorageLocation.bucket", "b"),
                    ("configuration.backupStorageLocation.config.region", "r"),
                    ("credentialSecret", "Not_A_Name"),
                ],
                &["credentialSecret: \"Not_A_Name\""],
            ),
        ];

        for (given, expected) in cases {
            let found = judged(given);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found}");
            }
        }
    }
}
