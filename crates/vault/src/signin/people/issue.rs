//! What a client gets once a person signed in for it.

use super::{
    grants::{Granted, Kind, id_of, made, secret},
    scopes::Scopes,
};
use crate::{
    app::App,
    reply::Reply,
    signin::{
        SignInError,
        token::{Asked, GrantError, sign_in_entry, told},
    },
    store::{AuditOutcome, Change, Principal, StoreError},
    tokens::Bearer,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::json;

const DAY: i64 = 24 * 60 * 60;
/// How long a refresh token lives when it is not used.
const REFRESH_SECONDS: i64 = 14 * DAY;
/// How long after signing in nothing can be refreshed any more.
const LONGEST_SECONDS: i64 = 90 * DAY;

/// For whom, and as part of what.
pub struct Signed<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Which client.
    pub client: &'a str,
    /// What for.
    pub scopes: &'a Scopes,
    /// Goes into the id token.
    pub nonce: Option<&'a str>,
    /// All that comes from this sign-in.
    pub family: &'a str,
    /// When the person signed in.
    pub signed_in_at: Timestamp,
}

/// Tokens, once the changes that redeem what they are issued for are committed; a conflict means that someone else
/// redeemed it.
pub async fn issue(
    app: &App,
    signed: &Signed<'_>,
    mut changes: Vec<Change>,
    first: bool,
    asked: Asked<'_>,
) -> Result<Result<Reply, SignInError>, GrantError> {
    let Signed { principal, client, scopes, .. } = signed;
    let now = app.clock.now();
    let bearer = Bearer { principal, client, person: true };
    let issued = app.issuer.issue_to(&bearer, &scopes.audience, asked.flavour)?;
    let info = json!({"uid": principal.object_id, "utid": app.issuer.tenant()}).to_string();
    let mut more = json!({"scope": scopes.told, "client_info": URL_SAFE_NO_PAD.encode(info)});
    let mut add = |name: &str, value: &str| {
        if let Some(object) = more.as_object_mut() {
            object.insert(name.to_owned(), json!(value));
        }
    };
    if scopes.openid {
        add("id_token", &app.issuer.id_token(&bearer, signed.nonce, asked.flavour)?);
    }
    let left = LONGEST_SECONDS.saturating_sub(now.duration_since(signed.signed_in_at).as_secs());
    if scopes.offline && left > 0 {
        let token = secret();
        let granted = Granted::Refresh {
            client: (*client).to_owned(),
            scopes: (*scopes).clone(),
            signed_in_at: signed.signed_in_at,
            used_at: None,
        };
        let id = id_of(Kind::Refresh, &token);
        let lives = (now, left.min(REFRESH_SECONDS));
        changes.push(made(id, signed.family, Some(&principal.object_id), &granted, lives)?);
        add("refresh_token", &token);
    }
    let committed = if first {
        let entry = sign_in_entry(app, principal, AuditOutcome::Changed, asked.correlation);
        app.store.commit(&changes, &entry).await
    } else {
        app.store.commit_unaudited(&changes).await
    };
    match committed {
        Ok(()) => Ok(Ok(told(&issued, &scopes.audience, asked.flavour, more))),
        Err(StoreError::Conflict(_)) => Ok(Err(SignInError::Grant("it was used already"))),
        Err(error) => Err(error.into()),
    }
}
