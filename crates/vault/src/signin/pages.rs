//! Which path is which page of the issuer, and the pages that are documents.

use super::SignInError;
use crate::{public_url::PublicUrl, tokens::Flavour};
use serde_json::{Value, json};

/// Names that stand for the only tenant; `adfs` is what clients write who must not ask for instance metadata.
const ALIASES: [&str; 3] = ["common", "organizations", "adfs"];

/// A page of the issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// What the issuer offers.
    Discovery(Flavour),
    /// Where tokens come from.
    Token(Flavour),
    /// Where clients without a browser begin.
    DeviceCode(Flavour),
    /// Where a person enters the code of such a client.
    DeviceLogin,
    /// Where a person signs in for a client on the same machine.
    Authorize(Flavour),
    /// The keys that verify them.
    Keys,
    /// Which clouds there are.
    Instances,
}

/// The page at a path, with the tenant as written. The tenant is the first part, or the second behind `adfs`.
pub fn find(parts: &[String]) -> Option<(Page, &str)> {
    let folded: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    let folded: Vec<&str> = folded.iter().map(String::as_str).collect();
    let (tenant, rest) = match folded.as_slice() {
        ["devicelogin"] => return Some((Page::DeviceLogin, "common")),
        ["common", "discovery", "instance"] => return Some((Page::Instances, "common")),
        ["adfs", _, rest @ ..] if rest.starts_with(&[".well-known"]) || rest.starts_with(&["oauth2"]) => {
            (1, rest)
        }
        [_, rest @ ..] => (0, rest),
        [] => return None,
    };
    let page = match rest {
        ["v2.0", ".well-known", "openid-configuration"] => Page::Discovery(Flavour::V2),
        [".well-known", "openid-configuration"] => Page::Discovery(Flavour::V1),
        ["oauth2", "v2.0", "token"] => Page::Token(Flavour::V2),
        ["oauth2", "token"] => Page::Token(Flavour::V1),
        ["oauth2", "v2.0", "devicecode"] => Page::DeviceCode(Flavour::V2),
        ["oauth2", "devicecode"] => Page::DeviceCode(Flavour::V1),
        ["oauth2", "v2.0", "authorize"] => Page::Authorize(Flavour::V2),
        ["oauth2", "authorize"] => Page::Authorize(Flavour::V1),
        ["discovery", "v2.0", "keys"] | ["discovery", "keys"] => Page::Keys,
        _ => return None,
    };
    parts.get(tenant).map(|tenant| (page, tenant.as_str()))
}

/// Whether a name means the only tenant.
pub fn check_tenant(given: &str, tenant: &str) -> Result<(), SignInError> {
    let known =
        given.eq_ignore_ascii_case(tenant) || ALIASES.iter().any(|alias| given.eq_ignore_ascii_case(alias));
    if known { Ok(()) } else { Err(SignInError::UnknownTenant(given.chars().take(100).collect())) }
}

/// What the issuer offers, at the addresses that the caller's flavour knows.
pub fn discovery(flavour: Flavour, given: &str, public: &PublicUrl, tenant: &str) -> Value {
    let adfs = given.eq_ignore_ascii_case("adfs");
    let at = |v1: &str, v2: &str| match flavour {
        Flavour::V1 if adfs => public.at(&format!("/adfs/{v1}")),
        Flavour::V1 => public.at(&format!("/{tenant}/{v1}")),
        Flavour::V2 => public.at(&format!("/{tenant}/{v2}")),
    };
    json!({
        "issuer": flavour.issuer(public, tenant),
        "authorization_endpoint": at("oauth2/authorize", "oauth2/v2.0/authorize"),
        "token_endpoint": at("oauth2/token", "oauth2/v2.0/token"),
        "jwks_uri": at("discovery/keys", "discovery/v2.0/keys"),
        "device_authorization_endpoint": at("oauth2/devicecode", "oauth2/v2.0/devicecode"),
        "token_endpoint_auth_methods_supported": ["client_secret_post"],
        "grant_types_supported": [
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "code_challenge_methods_supported": ["S256"],
        "response_modes_supported": ["query", "form_post"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "offline_access"],
    })
}

/// Which clouds there are: this one.
pub fn instances(public: &PublicUrl, tenant: &str) -> Value {
    let authority = public.authority();
    json!({
        "tenant_discovery_endpoint": public.at(&format!("/{tenant}/v2.0/.well-known/openid-configuration")),
        "api-version": "1.1",
        "metadata": [{"preferred_network": authority, "preferred_cache": authority, "aliases": [authority]}],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_pages() {
        let table = [
            ("T/v2.0/.well-known/openid-configuration", Some((Page::Discovery(Flavour::V2), "T"))),
            (
                "organizations/v2.0/.well-known/openid-configuration",
                Some((Page::Discovery(Flavour::V2), "organizations")),
            ),
            ("T/.well-known/openid-configuration", Some((Page::Discovery(Flavour::V1), "T"))),
            ("adfs/.well-known/openid-configuration", Some((Page::Discovery(Flavour::V1), "adfs"))),
            ("adfs/T/.well-known/openid-configuration", Some((Page::Discovery(Flavour::V1), "T"))),
            ("adfs/oauth2/token", Some((Page::Token(Flavour::V1), "adfs"))),
            ("T/OAuth2/v2.0/token", Some((Page::Token(Flavour::V2), "T"))),
            ("T/discovery/v2.0/keys", Some((Page::Keys, "T"))),
            ("T/oauth2/v2.0/devicecode", Some((Page::DeviceCode(Flavour::V2), "T"))),
            ("adfs/oauth2/authorize", Some((Page::Authorize(Flavour::V1), "adfs"))),
            ("DeviceLogin", Some((Page::DeviceLogin, "common"))),
            ("common/discovery/instance", Some((Page::Instances, "common"))),
            ("subscriptions/s", None),
            ("", None),
        ];

        for (path, expected) in table {
            let parts: Vec<String> =
                path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
            assert_eq!(find(&parts), expected, "{path}");
        }
    }

    #[test]
    fn every_address_in_a_document_is_served() {
        let public = PublicUrl::localhost(8443);
        let flavours = [(Flavour::V2, "t"), (Flavour::V1, "t"), (Flavour::V1, "adfs")];

        for (flavour, given) in flavours {
            let document = discovery(flavour, given, &public, "t");
            for name in
                ["token_endpoint", "jwks_uri", "authorization_endpoint", "device_authorization_endpoint"]
            {
                let url = document[name].as_str().unwrap();
                let path = url.strip_prefix("https://localhost:8443/").unwrap();
                let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
                assert!(find(&parts).is_some(), "{url}");
            }
        }
    }

    #[test]
    fn the_tenant_has_aliases_and_no_namesakes() {
        assert!(check_tenant("T-1", "t-1").is_ok() && check_tenant("Common", "t-1").is_ok());
        assert_eq!(check_tenant("t-2", "t-1"), Err(SignInError::UnknownTenant("t-2".into())));
    }
}
