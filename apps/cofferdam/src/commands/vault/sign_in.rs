//! How people sign in to a vault, as its operator chooses it.

use clap::Args;
use std::path::PathBuf;
use vault::{server::People, trust::TrustedIssuer};

#[derive(Debug, Args)]
pub struct SignInArgs {
    /// OpenID Connect issuer outside whose tokens are taken, for people registered with `vault add-external` and for
    /// federated credentials of managed identities
    #[arg(long, env = "COFFERDAM_VAULT_TRUSTED_ISSUER", value_name = "URL")]
    trusted_issuer: Option<String>,
    /// Audience of that issuer's tokens with which people sign in; may be repeated. Without it, its tokens are only
    /// exchanged for those of managed identities
    #[arg(long, requires = "trusted_issuer", value_name = "TEXT")]
    trusted_audience: Vec<String>,
    /// Authorities that sign that issuer's certificate, PEM; those of the system when absent
    #[arg(long, requires = "trusted_issuer", value_name = "FILE")]
    trusted_ca: Option<PathBuf>,
    /// Address to which a browser may bring an authorization code, besides those of its own machine; may be repeated
    #[arg(long, value_name = "URL")]
    redirect_uri: Vec<String>,
}

impl From<SignInArgs> for People {
    fn from(args: SignInArgs) -> Self {
        let (audiences, ca) = (args.trusted_audience, args.trusted_ca);
        let trusted = args.trusted_issuer.map(|issuer| TrustedIssuer { issuer, audiences, ca });
        Self { trusted: trusted.into_iter().collect(), redirects: args.redirect_uri }
    }
}
