//! What is asked of the vault and what it answers. Pure.

use super::GrantError;
use crate::locations::Role;
use engine::RepositorySecret;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantPurpose {
    /// One custom resource that is under way.
    Job {
        /// Its kind, for example `Backup`.
        kind: String,
        /// Its name, the id of the job.
        name: String,
    },
    /// Looking after an own location: pruning, deleting, noting whether it can be used.
    Upkeep,
}

impl GrantPurpose {
    /// For a custom resource.
    pub fn job<K: kube::Resource<DynamicType = ()>>(name: &str) -> Self {
        Self::Job { kind: K::kind(&()).into_owned(), name: name.to_owned() }
    }
}

impl fmt::Display for GrantPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job { kind, name } => write!(f, "{kind} {name}"),
            Self::Upkeep => f.write_str("upkeep"),
        }
    }
}

/// What the vault granted. Printed without its secret.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What the vault lets this extension do with the location.
    pub role: Role,
    /// Where the location is, by the names of its settings.
    pub settings: BTreeMap<String, String>,
    /// From when on the vault must be asked again.
    pub expires: Timestamp,
    /// The vault frees the space of what is deleted here: recovery points lie beside it that no cluster may touch.
    pub vault_prunes: bool,
    password: SecretString,
}

impl Grant {
    /// The repository's password.
    pub fn password(&self) -> RepositorySecret {
        RepositorySecret::new(self.password.expose_secret().as_bytes())
    }

    /// Whether an open repository can be used on under the other grant: nothing but its end is another one.
    pub fn opens_the_same(&self, other: &Self) -> bool {
        self.role == other.role
            && self.vault_prunes == other.vault_prunes
            && self.settings == other.settings
            && self.password.expose_secret() == other.password.expose_secret()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    purpose: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    location: &'a str,
}

/// The body of the request.
pub(super) fn request(purpose: &GrantPurpose, location: &str) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&match purpose {
        GrantPurpose::Job { kind, name } => {
            Request { purpose: "job", kind: Some(kind), name: Some(name), location }
        }
        GrantPurpose::Upkeep => Request { purpose: "upkeep", kind: None, name: None, location },
    })
}

// No `Debug`: it holds the password.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Granted {
    role: String,
    #[serde(default)]
    settings: BTreeMap<String, String>,
    repository_password: String,
    expires_at: Timestamp,
    #[serde(default)]
    vault_prunes: bool,
}

/// Reads a grant; it must not have ended already. The error never repeats what was read.
pub(super) fn granted(body: &[u8], now: Timestamp) -> Result<Grant, String> {
    let granted: Granted =
        serde_json::from_slice(body).map_err(|_| "it does not have the shape of a grant".to_owned())?;
    let password = SecretString::from(granted.repository_password);
    if password.expose_secret().is_empty() {
        return Err("it holds no repository password".to_owned());
    }
    if granted.expires_at <= now {
        return Err(format!("the grant ended at {}, before it was read", granted.expires_at));
    }
    let role = granted.role.parse()?;
    let Granted { settings, expires_at: expires, vault_prunes, .. } = granted;
    Ok(Grant { role, settings, expires, vault_prunes, password })
}

#[derive(Deserialize)]
struct Refused {
    error: ErrorBody,
}

#[derive(Deserialize)]
struct ErrorBody {
    code: String,
    #[serde(default)]
    message: String,
}

/// The longest message of the vault that is passed on, in characters.
const LONGEST: usize = 300;

/// What an answer without a grant means.
pub(super) fn refused(
    status: u16,
    body: &[u8],
    vault: &str,
    purpose: &GrantPurpose,
    location: &str,
) -> GrantError {
    let said = serde_json::from_slice::<Refused>(body).ok().map(|refused| refused.error);
    let code = said.as_ref().map(|error| error.code.clone()).unwrap_or_default();
    let message =
        said.map_or_else(|| "without further explanation".to_owned(), |error| one_line(&error.message));
    let (location, purpose) = (location.to_owned(), purpose.to_string());
    match status {
        403 if code == "GrantMissingRole" => GrantError::MissingRole { location, purpose, message },
        403 => GrantError::Denied { location, purpose, message },
        404 if code == "GrantUnknownJob" => GrantError::UnknownJob { location, purpose, message },
        408 | 425 | 429 | 500..=599 => GrantError::Unreachable {
            vault: vault.to_owned(),
            cause: format!("it answered {status}: {message}"),
        },
        _ => GrantError::Answer {
            vault: vault.to_owned(),
            cause: format!("it answered {status} {code}: {message}"),
        },
    }
}

/// Without control characters and line feeds, shortened.
fn one_line(text: &str) -> String {
    let plain = text.chars().map(|one| if one.is_control() { ' ' } else { one });
    plain.take(LONGEST).collect::<String>().trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use resources::Restore;
    use serde_json::{Value, json};

    fn body(change: impl Fn(&mut Value)) -> Vec<u8> {
        let mut body = json!({
            "role": "source",
            "settings": {"configuration.backupStorageLocation.bucket": "backups"},
            "repositoryPassword": "s3cr3t",
            "expiresAt": "2026-01-01T01:00:00Z",
        });
        change(&mut body);
        body.to_string().into_bytes()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn requests_are_those_of_the_contract() {
        let job = request(&GrantPurpose::job::<Restore>("job-1"), "vault-3f1c").unwrap();
        let upkeep = request(&GrantPurpose::Upkeep, "default").unwrap();

        let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        let expected =
            json!({"purpose": "job", "kind": "Restore", "name": "job-1", "location": "vault-3f1c"});
        assert_eq!(read(&job), expected);
        assert_eq!(read(&upkeep), json!({"purpose": "upkeep", "location": "default"}));
    }

    #[test]
    fn a_grant_is_read_and_never_printed_with_its_password() {
        let grant = granted(&body(|_| {}), now()).unwrap();

        assert_eq!(grant.role, Role::Source);
        assert_eq!(grant.settings.len(), 1);
        assert!(!grant.vault_prunes);
        let held = granted(&body(|body| body["vaultPrunes"] = json!(true)), now()).unwrap();
        assert!(held.vault_prunes && !held.opens_the_same(&grant), "what is kept open must learn of it");
        assert_eq!(grant.password().expose(), b"s3cr3t");
        assert!(!format!("{grant:?}").contains("s3cr3t"), "{grant:?}");
    }

    #[test]
    fn an_answer_that_is_no_grant_is_refused_without_repeating_it() {
        let cases: [(&str, Vec<u8>); 5] = [
            ("shape", b"s3cr3t".to_vec()),
            ("shape", body(|body| body["expiresAt"] = json!("s3cr3t"))),
            ("ended", body(|body| body["expiresAt"] = json!("2025-12-31T23:59:59Z"))),
            ("no repository password", body(|body| body["repositoryPassword"] = json!(""))),
            ("neither own nor source", body(|body| body["role"] = json!("owner"))),
        ];

        for (expected, body) in cases {
            let why = granted(&body, now()).unwrap_err();
            assert!(why.contains(expected) && !why.contains("s3cr3t"), "{why}");
        }
    }

    #[test]
    fn refusals_differ_from_what_may_pass() {
        let error = |code: &str| json!({"error": {"code": code, "message": "Why.\nNot."}}).to_string();
        let of = |status, body: &str| refused(status, body.as_bytes(), "v", &GrantPurpose::Upkeep, "default");

        assert!(
            matches!(of(403, &error("GrantDenied")), GrantError::Denied { message, .. } if message == "Why. Not")
        );
        assert!(matches!(of(403, &error("GrantMissingRole")), GrantError::MissingRole { .. }));
        assert!(matches!(of(404, &error("GrantUnknownJob")), GrantError::UnknownJob { .. }));
        assert!(matches!(of(404, "<html>"), GrantError::Answer { .. }));
        assert!(matches!(of(400, &error("InvalidRequestContent")), GrantError::Answer { .. }));
        for status in [408, 429, 500, 503] {
            assert!(of(status, "").is_temporary(), "{status}");
        }
        for status in [400, 403, 404, 409] {
            assert!(!of(status, "").is_temporary(), "{status}");
        }
    }

    #[test]
    fn only_another_end_leaves_a_repository_open() {
        let first = granted(&body(|_| {}), now()).unwrap();
        let later = granted(&body(|body| body["expiresAt"] = json!("2026-01-01T02:00:00Z")), now()).unwrap();
        let other = granted(&body(|body| body["repositoryPassword"] = json!("other")), now()).unwrap();

        assert!(first.opens_the_same(&later));
        assert!(!first.opens_the_same(&other));
    }
}
