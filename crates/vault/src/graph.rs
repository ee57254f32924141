//! What the Azure CLI asks Microsoft Graph for when it assigns roles and shows them: names of principals. Whoever has a
//! token may ask, as in a directory.

use crate::{
    api::{authenticate, of_store},
    app::App,
    reply::Reply,
    request::Address,
    store::{Principal, PrincipalKind, StoreError},
};
use arm::{Filter, filter::Term};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

/// Ids that are looked up in one call.
const MOST_IDS: usize = 1_000;

/// Whether a path is one of Graph's; its parts are in lower case.
pub fn serves(parts: &[&str]) -> bool {
    matches!(parts, ["v1.0" | "beta", ..])
}

/// A refusal.
struct Refused(u16, &'static str, String);

/// Answers a call.
pub async fn answer(
    app: &App,
    method: &Method,
    address: &Address,
    headers: &HeaderMap,
    body: &[u8],
    correlation: &str,
) -> Reply {
    let caller = match authenticate(app, headers).await {
        Ok(caller) => caller,
        Err(reply) if reply.status == 401 => {
            let message = "Access token is missing, invalid or ended. Sign in again.";
            return refused(
                app,
                &Refused(401, "InvalidAuthenticationToken", message.to_owned()),
                correlation,
            );
        }
        Err(reply) => return reply,
    };
    let parts: Vec<&str> = address.parts().iter().skip(1).map(String::as_str).collect();
    let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let is_get = *method == Method::GET;
    let answered = match (lower.as_slice(), parts.as_slice()) {
        (["me"], _) if is_get => one(app, &caller.object_id, Some(PrincipalKind::User)).await,
        (["directoryobjects", "getbyids"], _) if *method == Method::POST => by_ids(app, body).await,
        (["directoryobjects", _], [_, id]) if is_get => one(app, id, None).await,
        (["serviceprincipals"], _) if is_get => list(app, address, false).await,
        (["serviceprincipals", _], [_, id]) if is_get => one(app, id, Some(PrincipalKind::Application)).await,
        (["users"], _) if is_get => list(app, address, true).await,
        (["users", _], [_, id]) if is_get => one(app, id, Some(PrincipalKind::User)).await,
        _ => {
            let message = format!(
                "Resource not found for the segment '{}'; this directory has principals alone.",
                parts.join("/")
            );
            Ok(Err(Refused(404, "BadRequest", message)))
        }
    };
    match answered {
        Ok(Ok(body)) => Reply::json(200, body),
        Ok(Err(refusal)) => refused(app, &refusal, correlation),
        Err(error) => of_store(&error, correlation),
    }
}

type Answered = Result<Result<Value, Refused>, StoreError>;

async fn one(app: &App, id: &str, kind: Option<PrincipalKind>) -> Answered {
    let found = match uuid::Uuid::parse_str(id) {
        Ok(_) => app.store.principal(id).await?,
        // People are known by name too.
        Err(_) => app.store.principal_of_client(&crate::accounts::client_id_of(id)).await?,
    };
    let wanted = |one: &Principal| kind.is_none_or(|kind| is_user(kind) == is_user(one.kind));
    Ok(found.filter(wanted).map(|one| shown(&one)).ok_or_else(|| {
        let id: String = id.chars().take(100).collect();
        let message = format!(
            "Resource '{id}' does not exist or one of its queried reference-property objects are not present."
        );
        Refused(404, "Request_ResourceNotFound", message)
    }))
}

async fn by_ids(app: &App, body: &[u8]) -> Answered {
    let wrong = |message: &str| Ok(Err(Refused(400, "Request_BadRequest", message.to_owned())));
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return wrong("The request content cannot be read as JSON.");
    };
    let texts = |name: &str| -> Option<Vec<String>> {
        body.get(name)?.as_array()?.iter().map(|one| one.as_str().map(str::to_lowercase)).collect()
    };
    let Some(ids) = texts("ids") else { return wrong("'ids' must be a list of object ids.") };
    if ids.len() > MOST_IDS {
        return wrong("'ids' has more than 1000 entries.");
    }
    let types = texts("types").unwrap_or_default();
    let wanted = |one: &Principal| {
        let kind = if is_user(one.kind) { "user" } else { "serviceprincipal" };
        types.is_empty() || types.iter().any(|is| is == kind || is == "directoryobject")
    };
    let mut value = Vec::new();
    for id in ids {
        if let Some(found) = app.store.principal(&id).await?.filter(wanted) {
            value.push(shown(&found));
        }
    }
    Ok(Ok(json!({"value": value})))
}

async fn list(app: &App, address: &Address, users: bool) -> Answered {
    let filter = address.parameter("$filter").unwrap_or_default();
    let Some(wanted) = wanted(filter) else {
        let message = "Unsupported Query: filter by servicePrincipalNames/any(c:c eq '…'), appId, id or userPrincipalName.";
        return Ok(Err(Refused(400, "Request_UnsupportedQuery", message.to_owned())));
    };
    let found = match wanted {
        Wanted::ClientId(id) if !users => app.store.principal_of_client(&id).await?,
        Wanted::ObjectId(id) => app.store.principal(&id).await?,
        Wanted::UserName(name) if users => {
            app.store.principal_of_client(&crate::accounts::client_id_of(&name)).await?
        }
        _ => None,
    };
    let value: Vec<Value> = found.iter().filter(|one| is_user(one.kind) == users).map(shown).collect();
    Ok(Ok(json!({"value": value})))
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    ClientId(String),
    ObjectId(String),
    UserName(String),
}

fn wanted(filter: &str) -> Option<Wanted> {
    let compact = filter.trim();
    let lower = compact.to_ascii_lowercase();
    let any = "serviceprincipalnames/any(";
    if lower.starts_with(any) {
        // …/any(c:c eq 'NAME'): the variable has any name.
        let inside = compact.get(any.len()..)?.strip_suffix(')')?;
        let (variable, condition) = inside.split_once(':')?;
        let value = condition.trim().strip_prefix(variable.trim())?.trim_start().strip_prefix("eq")?;
        let value = value.trim().strip_prefix('\'')?.strip_suffix('\'')?;
        return Some(Wanted::ClientId(value.replace("''", "'")));
    }
    let filter: Filter = compact.parse().ok()?;
    match filter.terms() {
        [Term::Equals { field, value }] => match field.to_ascii_lowercase().as_str() {
            "appid" => Some(Wanted::ClientId(value.clone())),
            "id" => Some(Wanted::ObjectId(value.clone())),
            "userprincipalname" | "mail" => Some(Wanted::UserName(value.clone())),
            _ => None,
        },
        _ => None,
    }
}

fn is_user(kind: PrincipalKind) -> bool {
    kind == PrincipalKind::User
}

fn shown(one: &Principal) -> Value {
    if is_user(one.kind) {
        return json!({
            "@odata.type": "#microsoft.graph.user",
            "id": one.object_id,
            "displayName": one.name,
            "userPrincipalName": one.name,
            "mail": null,
        });
    }
    let kind = if one.kind == PrincipalKind::ManagedIdentity { "ManagedIdentity" } else { "Application" };
    json!({
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": one.object_id,
        "displayName": one.name,
        "appId": one.client_id,
        "servicePrincipalNames": [one.client_id],
        "servicePrincipalType": kind,
        "alternativeNames": one.resource.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn refused(app: &App, Refused(status, code, message): &Refused, correlation: &str) -> Reply {
    let date = app.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let inner = json!({"date": date, "request-id": correlation, "client-request-id": correlation});
    Reply::json(*status, json!({"error": {"code": code, "message": message, "innerError": inner}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_that_clients_send_are_read() {
        let client = |id: &str| Some(Wanted::ClientId(id.to_owned()));
        let table = [
            ("servicePrincipalNames/any(c:c eq 'O')", client("O")),
            ("servicePrincipalNames/any(x: x eq 'O''s')", client("O's")),
            ("appId eq 'A'", client("A")),
            ("id eq 'I'", Some(Wanted::ObjectId("I".into()))),
            ("userPrincipalName eq 'anna'", Some(Wanted::UserName("anna".into()))),
            ("", None),
            ("startswith(displayName,'a')", None),
            ("servicePrincipalNames/any(c:d eq 'O')", None),
            ("servicePrincipalNames/any(", None),
            ("servicePrincipalNames/any(é", None),
        ];

        for (filter, expected) in table {
            assert_eq!(wanted(filter), expected, "{filter}");
        }
    }
}
