//! What the errors of the management API mean to a person at a shell.

use super::{Exit, Failure};
use management::{Error, ServiceError};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let (exit, next): (Exit, Vec<String>) = match &error {
            Error::NotSignedIn => {
                (Exit::Precondition, one("Sign in: `cofferdam login --vault-url URL --ca FILE …`."))
            }
            Error::SignInOver(_) => (Exit::Precondition, one("Sign in again: `cofferdam login`.")),
            Error::Profile { .. } => {
                (Exit::Precondition, one("Check the file, or sign in again: `cofferdam login`."))
            }
            Error::Unreachable { certificate: true, .. } => (
                Exit::Precondition,
                one(
                    "Nobody whom this machine trusts vouches for that server: sign in with `--ca FILE`, the vault's `tls/ca.crt`.",
                ),
            ),
            Error::Unreachable { .. } => {
                (Exit::Failed, one("Check that the vault runs, its address, and HTTPS_PROXY and NO_PROXY."))
            }
            Error::SignIn { code, .. } => (Exit::Precondition, one(after_sign_in(code))),
            Error::Service(service) => (of_status(service.status), steps(service)),
            Error::Operation(service) => (Exit::Failed, steps(service)),
            Error::Canceled => (Exit::Cancelled, one("Start it again when it shall run to its end.")),
            Error::Answer { .. } => (
                Exit::Failed,
                one("Check that this is the address of a vault, or of Azure Resource Manager."),
            ),
            Error::Foreign(_) => (
                Exit::Failed,
                one("Sign in with the address that the vault itself uses (`--public-url` of `vault serve`)."),
            ),
            Error::Invalid(_) => (Exit::Usage, one("Correct the arguments; `--help` lists them.")),
        };
        let mut message = error.to_string();
        if let Some(id) = error.service().and_then(|service| service.correlation.as_deref()) {
            message.push_str(&format!("\n  (correlation id {id})"));
        }
        next.into_iter().fold(Self::new(exit, message), Self::next)
    }
}

impl From<arm::IdError> for Failure {
    fn from(error: arm::IdError) -> Self {
        Self::usage(error).next("Correct the name.")
    }
}

fn one(step: &str) -> Vec<String> {
    vec![step.to_owned()]
}

fn after_sign_in(code: &str) -> &'static str {
    match code {
        "invalid_tenant" => "Write the tenant's id with `--tenant`, or leave it out.",
        "unsupported_grant_type" => {
            "Sign in as a service principal: `cofferdam login --service-principal -u CLIENT_ID --password-file FILE`."
        }
        "expired_token" | "access_denied" | "authorization_declined" => "Sign in again: `cofferdam login`.",
        _ => "Check the client id and the secret, then sign in again: `cofferdam login`.",
    }
}

/// What was refused before anything was done has the codes of wrong arguments and missing things.
fn of_status(status: u16) -> Exit {
    match status {
        400 | 405 | 411..=417 if status != 412 => Exit::Usage,
        404 | 409 | 412 => Exit::Precondition,
        _ => Exit::Failed,
    }
}

/// What the server recommends; where it says nothing, what helps with such errors.
fn steps(error: &ServiceError) -> Vec<String> {
    let recommended = error.all_recommended();
    if !recommended.is_empty() {
        return recommended;
    }
    let known = error.codes().into_iter().find_map(|code| of_code(code, error));
    let known = known.unwrap_or_else(|| match error.status {
        404 => "Check the names, `--resource-group` and `--subscription`; the `list` command shows what there is.".to_owned(),
        409 | 412 => "Look at it as it is now with the `show` command, then try again.".to_owned(),
        400 => "Correct what the message names.".to_owned(),
        401 => "Sign in again: `cofferdam login`.".to_owned(),
        500.. => "Try again; if it fails again, look for the correlation id in the vault's log.".to_owned(),
        _ => String::new(),
    });
    vec![known]
}

fn of_code(code: &str, error: &ServiceError) -> Option<String> {
    Some(match code {
        "AuthorizationFailed" | "LinkedAuthorizationFailed" => {
            "Ask an owner for a role there: `cofferdam role assignment create --assignee … --role … --scope …`."
                .to_owned()
        }
        "MissingSubscriptionRegistration" => {
            let quoted = error.message.split('\'').find(|part| part.starts_with("Microsoft."));
            format!("Register it: `cofferdam provider register -n {} --wait`.", quoted.unwrap_or("NAMESPACE"))
        }
        "ResourceGroupNotFound" => {
            "Make the group: `cofferdam group create -n NAME -l LOCATION`, or see `cofferdam group list`.".to_owned()
        }
        "SubscriptionNotFound" => "See which there are: `cofferdam account list`.".to_owned(),
        "InvalidAuthenticationToken" | "ExpiredAuthenticationToken" => {
            "Sign in again: `cofferdam login`; a token in COFFERDAM_ACCESS_TOKEN has to be renewed by hand."
                .to_owned()
        }
        "UserErrorTrustedAccessGatewayReturnedForbidden" => {
            "Let the vault in: `cofferdam trusted-access rolebinding create`, or repeat with `--enable-trusted-access`."
                .to_owned()
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(status: u16, code: &str, message: &str) -> Failure {
        let body = json!({"error": {"code": code, "message": message}});
        Error::Service(ServiceError::read(status, &body, "")).into()
    }

    #[test]
    fn each_refusal_has_its_exit_code_and_a_step() {
        let table = [
            (400, "InvalidRequestContent", 2, "Correct what"),
            (401, "InvalidAuthenticationToken", 1, "cofferdam login"),
            (403, "AuthorizationFailed", 1, "role assignment create"),
            (404, "ResourceNotFound", 5, "Check the names"),
            (404, "ResourceGroupNotFound", 5, "group create"),
            (409, "Conflict", 5, "as it is now"),
            (412, "PreconditionFailed", 5, "as it is now"),
            (500, "InternalServerError", 1, "correlation"),
        ];

        for (status, code, exit, step) in table {
            let failure = refused(status, code, "m");
            let text = failure.to_string();
            assert_eq!(failure.exit.code(), exit, "{code}");
            assert!(text.starts_with(&format!("error: {code}: m\nnext: ")) && text.contains(step), "{text}");
        }
    }

    #[test]
    fn a_provider_that_is_not_registered_is_named_in_the_command() {
        let message =
            "The subscription is not registered to use namespace 'Microsoft.KubernetesConfiguration'.";

        let failure = refused(409, "MissingSubscriptionRegistration", message);

        assert!(failure.to_string().contains("register -n Microsoft.KubernetesConfiguration --wait"));
    }

    #[test]
    fn what_the_server_recommends_is_what_is_shown() {
        let body = json!({"code": "C", "message": "m", "recommendedAction": ["do this", "do that"]});

        let failure = Failure::from(Error::Operation(ServiceError::of(&body)));

        assert_eq!(failure.to_string(), "error: C: m\nnext: do this\nnext: do that\n");
    }
}
