//! Where the vault is and who this extension is to it, as the pod's environment says.

use std::path::PathBuf;

/// The vault's address, for example `https://vault.example:8443`. Without it the extension has no vault.
pub const URL_VARIABLE: &str = "COFFERDAM_VAULT_URL";
/// A file with the certificate authorities of the vault, as PEM.
pub const AUTHORITIES_VARIABLE: &str = "COFFERDAM_VAULT_CA";
/// The projected ServiceAccount token.
pub const TOKEN_FILE_VARIABLE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";

/// The vault of an extension, and the extension's identity there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSettings {
    /// The vault's address, without a trailing slash.
    pub url: String,
    /// A file with the certificate authorities of the vault; it may change while the extension runs.
    pub authorities: PathBuf,
    /// The tenant of the identity.
    pub tenant_id: String,
    /// The client id of the identity.
    pub client_id: String,
    /// Where the projected ServiceAccount token is mounted.
    pub token_file: PathBuf,
    /// Who issues tokens: the vault itself unless the environment says otherwise.
    pub authority: String,
}

/// An environment that names a vault and not all that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the vault is named by {URL_VARIABLE}, but {0}")]
pub struct BadEnvironment(String);

impl VaultSettings {
    /// Reads the environment; nothing when no vault is named.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, BadEnvironment> {
        let text = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|t| !t.is_empty());
        let need = |name: &str| text(name).ok_or_else(|| BadEnvironment(format!("{name} is not set")));
        let Some(url) = text(URL_VARIABLE) else { return Ok(None) };
        if !is_address(&url) {
            return Err(BadEnvironment(format!("{url:?} is not of the form https://host[:port]")));
        }
        let url = url.trim_end_matches('/').to_owned();
        Ok(Some(Self {
            authorities: need(AUTHORITIES_VARIABLE)?.into(),
            tenant_id: need(TENANT)?,
            client_id: need(CLIENT)?,
            token_file: need(TOKEN_FILE_VARIABLE)?.into(),
            authority: text(AUTHORITY).unwrap_or_else(|| format!("{url}/")),
            url,
        }))
    }

    /// Whether the vault itself issues the identity's tokens.
    pub(super) fn issues_tokens(&self) -> bool {
        let origin = |text: &str| reqwest::Url::parse(text).ok().map(|url| url.origin());
        origin(&self.authority).is_some_and(|at| Some(at) == origin(&self.url))
    }
}

/// Whether a text is the address of a vault: HTTPS, a host, perhaps a port, and no more.
pub(crate) fn is_address(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        let value = match name {
            URL_VARIABLE => "https://vault.example:8443/",
            AUTHORITIES_VARIABLE => "/etc/ca.crt",
            TENANT => "tenant",
            CLIENT => "client",
            TOKEN_FILE_VARIABLE => "/var/token",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn the_vault_issues_the_tokens_unless_another_authority_is_named() {
        let ours = VaultSettings::from_env(variable).unwrap().unwrap();
        let elsewhere = VaultSettings::from_env(|name| match name {
            AUTHORITY => Some("https://login.microsoftonline.com/".to_owned()),
            name => variable(name),
        });

        assert_eq!(ours.url, "https://vault.example:8443");
        assert_eq!(ours.authority, "https://vault.example:8443/");
        assert!(ours.issues_tokens());
        assert!(!elsewhere.unwrap().unwrap().issues_tokens());
    }

    #[test]
    fn a_vault_that_is_named_by_halves_is_an_error_and_none_is_none() {
        for missing in [AUTHORITIES_VARIABLE, TENANT, CLIENT, TOKEN_FILE_VARIABLE] {
            let read = VaultSettings::from_env(|name| variable(name).filter(|_| name != missing));

            assert!(read.unwrap_err().to_string().ends_with(&format!("{missing} is not set")));
        }
        assert_eq!(VaultSettings::from_env(|_| None), Ok(None));
        for bad in ["http://vault.example", "https://vault.example/path", "vault.example"] {
            let read = VaultSettings::from_env(|name| (name == URL_VARIABLE).then(|| bad.to_owned()));
            assert!(read.unwrap_err().to_string().contains("not of the form"), "{bad}");
        }
    }
}
