//! How people sign in to a vault, as its operator chooses it.

use super::file::FileSettings;
use crate::exit::Failure;
use clap::Args;
use std::path::PathBuf;
use vault::{server::People, trust::TrustedIssuer};

#[derive(Debug, Default, Args)]
pub struct SignInArgs {
    /// OpenID Connect issuer outside whose tokens are taken, for people registered with `vault add-external` and for
    /// federated credentials of managed identities
    #[arg(long, env = "COFFERDAM_VAULT_TRUSTED_ISSUER", value_name = "URL")]
    trusted_issuer: Option<String>,
    /// Audience of that issuer's tokens with which people sign in; may be repeated. Without it, its tokens are only
    /// exchanged for those of managed identities
    #[arg(long, env = "COFFERDAM_VAULT_TRUSTED_AUDIENCES", value_name = "TEXT", value_delimiter = ' ')]
    trusted_audience: Vec<String>,
    /// Authorities that sign that issuer's certificate, PEM; those of the system when absent
    #[arg(long, env = "COFFERDAM_VAULT_TRUSTED_CA", value_name = "FILE")]
    trusted_ca: Option<PathBuf>,
    /// Address to which a browser may bring an authorization code, besides those of its own machine; may be repeated
    #[arg(long, env = "COFFERDAM_VAULT_REDIRECT_URIS", value_name = "URL", value_delimiter = ' ')]
    redirect_uri: Vec<String>,
}

impl SignInArgs {
    /// The choices: flags and environment, then the file.
    pub fn resolve(self, file: &mut FileSettings) -> Result<People, Failure> {
        let or = |given: Vec<String>, file: Option<Vec<String>>| {
            if given.is_empty() { file.unwrap_or_default() } else { given }
        };
        let issuer = self.trusted_issuer.or(file.trusted_issuer.take());
        let audiences = or(self.trusted_audience, file.trusted_audiences.take());
        let ca = self.trusted_ca.or(file.trusted_ca.take());
        let redirects = or(self.redirect_uri, file.redirect_uris.take());
        let trusted = match issuer {
            Some(issuer) => vec![TrustedIssuer { issuer, audiences, ca }],
            None if audiences.is_empty() && ca.is_none() => Vec::new(),
            None => {
                return Err(Failure::usage(
                    "an audience and authorities are those of an issuer that is trusted",
                )
                .next("Pass --trusted-issuer too."));
            }
        };
        Ok(People { trusted, redirects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_without_its_issuer_is_refused_wherever_either_stands() {
        let args = || SignInArgs { trusted_audience: vec!["cofferdam".to_owned()], ..SignInArgs::default() };
        let mut file = FileSettings {
            trusted_issuer: Some("https://issuer.example".to_owned()),
            redirect_uris: Some(vec!["https://a.example".to_owned()]),
            ..FileSettings::default()
        };

        let both = args().resolve(&mut file).unwrap();
        let alone = args().resolve(&mut FileSettings::default()).unwrap_err();

        assert_eq!((both.trusted[0].audiences.len(), both.redirects.len()), (1, 1));
        assert!(alone.message().contains("issuer"), "{alone}");
    }
}
