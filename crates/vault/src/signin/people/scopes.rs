//! For whom a client of a person asks, and what for.

use crate::{
    public_url::PublicUrl,
    signin::{SignInError, form::shown},
    tokens::{Audience, Flavour},
};
use serde::{Deserialize, Serialize};

/// Clients that people sign in with. They hold no secret: what protects a person is the code's way back to the person's
/// own machine, and PKCE.
const CLIENTS: [(&str, &str); 3] = [
    ("04b07795-8ddb-461a-bbee-02f9e1bf7b46", "Azure CLI"),
    ("1950a258-227b-4e31-a9cf-717495945fc2", "Azure PowerShell"),
    ("0c0ffe4d-a3b1-4b6f-9a52-6f1d2c7e8b90", "Cofferdam"),
];

const OPENID: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scopes {
    /// What the token is good for, as the client wrote it.
    pub audience: String,
    /// What the client is told that it got.
    pub told: String,
    /// Who signed in is told too.
    pub openid: bool,
    /// It can be refreshed.
    pub offline: bool,
}

/// The name of a client, if it is one that people sign in with.
pub fn client(id: &str, tenant: &str) -> Result<&'static str, SignInError> {
    let found = CLIENTS.iter().find(|(known, _)| known.eq_ignore_ascii_case(id)).map(|(_, name)| *name);
    found.ok_or_else(|| SignInError::UnknownClient { client: shown(id), tenant: tenant.to_owned() })
}

impl Scopes {
    /// Reads `scope`, or `resource` of the older endpoint.
    pub fn read(
        scope: Option<&str>,
        resource: Option<&str>,
        flavour: Flavour,
        public: &PublicUrl,
    ) -> Result<Self, SignInError> {
        let words: Vec<&str> = scope.unwrap_or_default().split_ascii_whitespace().collect();
        let asked = |name: &str| words.contains(&name);
        if flavour == Flavour::V1
            && let Some(resource) = resource
        {
            check(resource, public)?;
            let told = "user_impersonation".to_owned();
            return Ok(Self { audience: resource.to_owned(), told, openid: true, offline: true });
        }
        let mut audience: Option<&str> = None;
        for word in words.iter().filter(|word| !OPENID.contains(*word)) {
            // A scope without a URL, such as User.Read, is one of the directory: this vault's own.
            let Some(of) = of_scope(word) else { continue };
            check(of, public)?;
            match audience {
                Some(other)
                    if !other.trim_end_matches('/').eq_ignore_ascii_case(of.trim_end_matches('/')) =>
                {
                    return Err(SignInError::Scope(shown(word)));
                }
                _ => audience = Some(of),
            }
        }
        Ok(Self {
            audience: audience.unwrap_or(public.origin()).to_owned(),
            told: words.join(" "),
            openid: asked("openid") || asked("profile"),
            offline: asked("offline_access") || flavour == Flavour::V1,
        })
    }
}

fn of_scope(scope: &str) -> Option<&str> {
    let (audience, _) = scope.rsplit_once('/')?;
    audience.contains("://").then_some(audience)
}

fn check(audience: &str, public: &PublicUrl) -> Result<(), SignInError> {
    match Audience::of(audience, public) {
        Some(_) => Ok(()),
        None => Err(SignInError::Resource(shown(audience))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_the_clients_are_read() {
        let public = PublicUrl::localhost(8443);
        let read = |scope: &str| Scopes::read(Some(scope), None, Flavour::V2, &public);

        let az = read("https://localhost:8443//.default offline_access openid profile").unwrap();
        let storage = read("https://storage.azure.com/user_impersonation").unwrap();

        assert_eq!((az.audience.as_str(), az.openid, az.offline), ("https://localhost:8443/", true, true));
        assert_eq!((storage.audience.as_str(), storage.offline), ("https://storage.azure.com", false));
        assert_eq!(read("openid User.Read").unwrap().audience, "https://localhost:8443");
        assert_eq!(
            read("https://elsewhere/.default"),
            Err(SignInError::Resource("https://elsewhere".into()))
        );
        assert!(read("https://storage.azure.com/.default https://localhost:8443/.default").is_err());
        let v1 = Scopes::read(None, Some("https://localhost:8443/"), Flavour::V1, &public).unwrap();
        assert!(v1.offline && v1.openid);
    }
}
