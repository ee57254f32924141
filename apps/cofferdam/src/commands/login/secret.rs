//! Where the secret of a sign-in comes from: a file, the environment, standard input. Never an argument.

use super::LoginArgs;
use crate::{exit::Failure, managed::json_file, secret::read_file};
use management::sign_in::{Method, Secret};
use serde_json::Value;
use std::io::{IsTerminal, Read};

/// What was given to sign in with.
#[derive(Debug)]
pub struct Given {
    /// How; a person when absent.
    pub method: Option<Method>,
    /// What the credential file says of the vault.
    pub url: Option<String>,
    /// Of the tenant.
    pub tenant: Option<String>,
    /// Of the subscription.
    pub subscription: Option<String>,
}

impl Given {
    /// Reads it.
    pub fn read(args: &LoginArgs) -> Result<Self, Failure> {
        if let Some(file) = &args.credential_file {
            let document = json_file(file)?;
            let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
            let (Some(client_id), Some(secret)) = (text("clientId"), text("clientSecret")) else {
                return Err(Failure::usage(format!("{} holds no clientId and clientSecret", file.display()))
                    .next("Name the file that `cofferdam vault serve` or `add-principal` wrote."));
            };
            return Ok(Self {
                method: Some(Method::ServicePrincipal { client_id, secret: Secret::new(secret) }),
                url: text("url"),
                tenant: text("tenantId"),
                subscription: text("subscriptionId"),
            });
        }
        let none = Self { method: None, url: None, tenant: None, subscription: None };
        let federated = args.federated_token_file.clone().filter(|_| args.password_file.is_none());
        let method = match (&args.username, federated) {
            (None, _) if !args.service_principal => return Ok(none),
            (None, _) => {
                return Err(Failure::usage("a service principal signs in with its client id")
                    .next("Write it: `--username CLIENT_ID`."));
            }
            (Some(client_id), Some(token_file)) if args.service_principal => {
                Method::Federated { client_id: client_id.clone(), token_file }
            }
            (Some(client_id), _) if args.service_principal => {
                Method::ServicePrincipal { client_id: client_id.clone(), secret: secret(args)? }
            }
            (Some(_), _) => {
                return Err(Failure::usage("people sign in with a browser, not with a name and a password")
                    .next("Add `--service-principal`, or leave `--username` out."));
            }
        };
        Ok(Self { method: Some(method), ..none })
    }
}

fn secret(args: &LoginArgs) -> Result<Secret, Failure> {
    if let Some(file) = args.password_file.as_deref().filter(|file| file.as_os_str() != "-") {
        return read_file(file).map(Secret::new);
    }
    let from_environment = std::env::var("COFFERDAM_CLIENT_SECRET").ok().filter(|secret| !secret.is_empty());
    if let (Some(secret), None) = (from_environment, &args.password_file) {
        return Ok(Secret::new(secret));
    }
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage("the secret is missing")
            .next("Write `--password-file FILE`, set COFFERDAM_CLIENT_SECRET, or pipe it to this command."));
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    read.map_err(|error| Failure::failed(format!("could not read the secret: {error}")))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Failure::usage("the secret is empty").next("Pass it by `--password-file FILE`.")),
        secret => Ok(Secret::new(secret)),
    }
}
