//! The way of every call: token, operation, api-version, subscription, right, locks, handler.

use super::{At, Call, Failure, Found, GROUP, Operation, Params, advice::advised, find, permitted, versions};
use crate::{
    app::App,
    bearer::{BearerError, bearer},
    reply::Reply,
    request::Address,
    store::{AuditOutcome, StoreError, Subscription},
    tokens::{Audience, Caller, TokenError},
};
use arm::{ArmError, ResourceId};
use bytes::Bytes;
use http::{HeaderMap, Method, header};

const BLOB_SERVICE: &str = "Microsoft.Storage/storageAccounts/blobServices";

/// A request whose caller is known and whose operation was found; its body was not read yet.
#[derive(Debug)]
pub struct Gate {
    caller: Caller,
    operation: &'static Operation,
    params: Params,
    version: arm::ApiVersion,
    headers: HeaderMap,
}

impl Gate {
    /// Looks at everything that can be judged without the body and without the store.
    pub async fn enter(
        app: &App,
        method: &Method,
        address: &Address,
        headers: &HeaderMap,
    ) -> Result<Self, Reply> {
        let caller = authenticate(app, headers).await?;
        let (operation, params) = match find(method, address.parts()) {
            Found::Operation(operation, params) => (operation, params),
            Found::OtherMethods(methods) => return Err(other_methods(method, address, &methods)),
            Found::Nothing => return Err(nothing(address)),
        };
        let version = versions::check(address.parameter("api-version"), namespace(operation, &params))?;
        Ok(Self { caller, operation, params, version, headers: headers.clone() })
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Answers a call, when it is its turn.
pub async fn handle(app: &App, gate: Gate, address: Address, body: Bytes, correlation: &str) -> Reply {
    let _place = app.places.take(gate.operation.method).await;
    let ended = match open(app, gate, address, body, correlation).await {
        Ok(call) => (call.operation.handler)(&call).await,
        Err(failure) => Err(failure),
    };
    ended.unwrap_or_else(|failure| refused(failure, correlation))
}

/// The answer of a call that failed.
pub fn refused(failure: Failure, correlation: &str) -> Reply {
    match failure {
        Failure::Arm(error) => error.into(),
        Failure::Store(error) => of_store(&error, correlation),
    }
}

/// Who calls, by the header `Authorization` of the management API and all that is called with its tokens.
pub async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Caller, Reply> {
    let refused = |error: &str, code: &str, message: String| {
        let authority = app.public.at(&format!("/{}", app.issuer.tenant()));
        let challenge = format!(r#"Bearer authorization_uri="{authority}", error="{error}""#);
        Reply::error(&ArmError::new(401, code, message)).with(header::WWW_AUTHENTICATE, challenge)
    };
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        let message = "The request has no 'Authorization' header; send 'Bearer' and a token of this vault.";
        return Err(refused("invalid_request", "AuthenticationFailed", message.to_owned()));
    };
    let token = given.to_str().ok().and_then(|text| text.split_once(' '));
    let token =
        token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let Some(token) = token else {
        let message = "The 'Authorization' header cannot be read; send 'Bearer' and a token of this vault.";
        return Err(refused("invalid_request", "InvalidAuthenticationToken", message.to_owned()));
    };
    bearer(app, token, Audience::Management).await.map_err(|error| {
        let error = match error {
            BearerError::Token(error) => error,
            BearerError::Store(error) => return of_store(&error, "while a token was looked at"),
        };
        let code = match error {
            TokenError::Expired(_) | TokenError::Time(_) => "ExpiredAuthenticationToken",
            TokenError::Issuer(_) => "InvalidAuthenticationTokenTenant",
            TokenError::Audience(_) => "InvalidAuthenticationTokenAudience",
            _ => "InvalidAuthenticationToken",
        };
        refused("invalid_token", code, format!("The access token is refused: {error}."))
    })
}

async fn open<'a>(
    app: &'a App,
    gate: Gate,
    address: Address,
    body: Bytes,
    correlation: &str,
) -> Result<Call<'a>, Failure> {
    let Gate { caller, operation, params, version, headers } = gate;
    let scope = scope(operation, &params, &address)?;
    let subscription = match &scope {
        Some(scope) => Some(subscription(app, scope).await?),
        None => None,
    };
    let assignments = app.store.roles_of(&caller.object_id).await?;
    let correlation = correlation.to_owned();
    let now = app.clock.now();
    let call = Call {
        app,
        caller,
        assignments,
        operation,
        params,
        scope,
        subscription,
        address,
        version,
        headers,
        body,
        correlation,
        now,
    };
    let who = &call.caller.object_id;
    let namespace = call.params.get("namespace");
    if permitted(operation.needs, namespace, call.scope.as_ref(), who, &call.assignments, &app.roles) {
        if let (true, Some(scope)) = (lists_below(operation), &call.scope) {
            parent(app, scope).await?;
        }
        super::locks::check(&call).await?;
        return Ok(call);
    }
    let entry = call.audit(AuditOutcome::Denied);
    app.denials.note(app.store.as_ref(), entry.clone()).await?;
    tracing::info!(
        principal = who,
        action = entry.action,
        scope = entry.scope,
        correlation = entry.correlation,
        "denied"
    );
    let refused = ArmError::not_authorized(&call.caller.client_id, who, &entry.action, &entry.scope);
    Err(advised(app, refused, who, &entry.action, call.scope.as_ref()).await.into())
}

/// Whether it lists what is below, or about, a resource or a resource group.
fn lists_below(operation: &Operation) -> bool {
    operation.method == Method::GET
        && matches!(operation.at, At::Above | At::Group | At::Scope)
        && !operation.path.ends_with('}')
}

/// What a list is of must be there: what is not there has no empty list.
async fn parent(app: &App, scope: &ResourceId) -> Result<(), Failure> {
    // What is below subscriptions alone, such as a location, is kept nowhere.
    let Some(group) = scope.resource_group() else { return Ok(()) };
    // The only service of an account is always there.
    let is_service = scope.kind().is(BLOB_SERVICE);
    let kept = if is_service { scope.parent() } else { None };
    let kept = kept.as_ref().unwrap_or(scope);
    if app.store.resource(kept).await?.is_some() {
        return Ok(());
    }
    if kept.kind().is(GROUP) {
        let message = format!("Resource group '{group}' could not be found.");
        return Err(ArmError::new(404, "ResourceGroupNotFound", message).into());
    }
    Err(ArmError::not_found(kept).into())
}

/// What the right must hold for.
fn scope(operation: &Operation, params: &Params, address: &Address) -> Result<Option<ResourceId>, ArmError> {
    let text = match operation.at {
        At::Tenant => return Ok(None),
        At::Subscription => format!("/subscriptions/{}", params.get("subscription")),
        At::Group => {
            format!("/subscriptions/{}/resourceGroups/{}", params.get("subscription"), params.get("group"))
        }
        At::Path => address.path(),
        At::Above => return above(operation, address).map(Some),
        At::Scope => params.get("scope").to_owned(),
    };
    text.parse().map(Some).map_err(wrong_id)
}

fn wrong_id(error: arm::IdError) -> ArmError {
    ArmError::new(400, "InvalidResourceId", format!("The path is no resource id: {error}."))
}

/// The id above what is called: so many parts of the path as the operation's pattern has up to the last id in it. A name
/// in it that cannot be one makes the call wrong, and not one on what is further above.
fn above(operation: &Operation, address: &Address) -> Result<ResourceId, ArmError> {
    let behind = behind(operation.path);
    let parts = address.parts();
    let own = parts.get(..parts.len().saturating_sub(behind)).unwrap_or_default();
    format!("/{}", own.join("/")).parse().map_err(wrong_id)
}

/// How many parts of a pattern stand behind the last id in it.
fn behind(pattern: &str) -> usize {
    let pattern = pattern.replace("{scope}", "subscriptions/s/resourceGroups/g");
    let parts = pattern.trim_matches('/').split('/');
    let filled: Vec<&str> = parts.map(|part| if part.starts_with('{') { "x" } else { part }).collect();
    let is_id = |behind: &usize| {
        let own = filled.get(..filled.len().saturating_sub(*behind)).unwrap_or_default();
        format!("/{}", own.join("/")).parse::<ResourceId>().is_ok()
    };
    (1..filled.len()).find(is_id).unwrap_or(0)
}

async fn subscription(app: &App, scope: &ResourceId) -> Result<Subscription, Failure> {
    let given = scope.subscription_id();
    let known = app.store.subscriptions().await?;
    let found = known.into_iter().find(|one| one.id.subscription_id().eq_ignore_ascii_case(given));
    found.ok_or_else(|| {
        let message = format!(
            "The subscription '{given}' could not be found. List those that there are: GET /subscriptions."
        );
        ArmError::new(404, "SubscriptionNotFound", message).into()
    })
}

fn namespace<'a>(operation: &Operation, params: &'a Params) -> &'a str {
    match operation.needs {
        _ if !params.get("namespace").is_empty() => "Microsoft.Resources",
        super::Needs::Action(action) => action.split('/').next().unwrap_or_default(),
        _ => "Microsoft.Resources",
    }
}

fn other_methods(method: &Method, address: &Address, methods: &[&Method]) -> Reply {
    let methods = methods.iter().map(|one| one.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("'{method}' is not offered at '{}'; offered are: {methods}.", address.path());
    Reply::error(&ArmError::new(405, "MethodNotAllowed", message)).with(header::ALLOW, methods)
}

/// Nothing is served there: by an unknown namespace, by an unknown type, or not at all.
fn nothing(address: &Address) -> Reply {
    let parts = address.parts();
    let provider = parts.iter().rposition(|part| part.eq_ignore_ascii_case("providers"));
    let namespace = provider.and_then(|at| parts.get(at + 1));
    let kind = provider.and_then(|at| parts.get(at + 2));
    let (code, message) = match (namespace, kind) {
        (Some(namespace), Some(kind)) if versions::oldest(namespace).is_some() => (
            "InvalidResourceType",
            format!(
                "The resource type '{kind}' of '{namespace}' is not offered by this vault at '{}'.",
                address.path()
            ),
        ),
        (Some(namespace), _) => (
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is not offered by this vault."),
        ),
        _ => (
            "NotFound",
            format!("Nothing is served at '{}'. Compare the path with docs/vault.md.", address.path()),
        ),
    };
    ArmError::new(404, code, message).into()
}

/// What went wrong inside is logged; outside only what the caller can do is told.
pub fn of_store(error: &StoreError, correlation: &str) -> Reply {
    match error {
        StoreError::Conflict(what) => {
            let message =
                format!("{what} was changed by another call at the same time. Read it and try again.");
            ArmError::new(409, "Conflict", message).into()
        }
        error => {
            tracing::error!(%error, correlation, "the store failed");
            let message = format!(
                "The vault cannot use its database now. Try again; if it stays so, look up {correlation} in the log."
            );
            let code = if matches!(error, StoreError::Unavailable(_)) {
                (503, "ServiceUnavailable")
            } else {
                (500, "InternalServerError")
            };
            Reply::error(&ArmError::new(code.0, code.1, message)).with(header::RETRY_AFTER, "5")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::operations;

    #[test]
    fn what_is_called_stands_behind_an_id_of_the_pattern() {
        for (pattern, expected) in [
            ("/subscriptions/{subscription}/resourceGroups/{group}/providers/N.M/vaults/{vault}/jobs", 1),
            (
                "/subscriptions/{subscription}/resourceGroups/{group}/providers/N.M/vaults/{vault}/jobs/{job}/cancel",
                1,
            ),
            ("/subscriptions/{subscription}/resourceGroups/{group}/providers/N.M/vaults", 3),
            ("/subscriptions/{subscription}/providers/{namespace}/register", 3),
            ("/{scope}/providers/N.M/things", 3),
        ] {
            assert_eq!(behind(pattern), expected, "{pattern}");
        }
        let table = operations().filter(|one| matches!(one.at, At::Above));
        assert!(table.map(|one| behind(one.path)).all(|behind| (1..=3).contains(&behind)));
    }

    #[test]
    fn a_name_that_cannot_be_one_does_not_make_a_call_one_on_what_is_above_it() {
        let of = |name: &str| operations().find(|one| one.name == name).unwrap();
        let at = |identity: &str| {
            let path = format!(
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{identity}/federatedIdentityCredentials"
            );
            above(of("FederatedIdentityCredentials_List"), &Address::read(&path, None).unwrap())
        };

        assert_eq!(at("me").unwrap().name(), "me");
        for wrong in ["%C2%B16%3D%23", "%20x", &"y".repeat(400)] {
            let refused = at(wrong).unwrap_err();
            assert_eq!((refused.status, refused.code.as_str()), (400, "InvalidResourceId"), "{wrong}");
        }
    }
}
