//! Authorization codes and refresh tokens for tokens.
//!
//! A code serves once. A refresh token is replaced at each use. Whoever uses one again shows that two hold it, and
//! everything that came from that sign-in ends. Two processes of one person may share a cache and refresh at the same
//! moment, though: for a minute the old one still serves.

use super::{
    grants::{Found, Granted, Kind, find, id_of},
    issue::{Signed, issue},
    scopes::{Scopes, client},
};
use crate::{
    app::App,
    reply::Reply,
    signin::{
        SignInError,
        form::Form,
        token::{Asked, GrantError, note_denied},
    },
    store::{Change, Grants, Principal, StoreError},
    tokens::Flavour,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// Seconds in which a replaced refresh token still serves.
const SHARED_SECONDS: i64 = 60;

const UNKNOWN: SignInError = SignInError::Grant("it is not known here, or it ended");

type Answered = Result<Result<Reply, SignInError>, GrantError>;

/// A code for tokens.
pub async fn redeem_code(app: &App, form: &Form, asked: Asked<'_>) -> Answered {
    let read = || {
        Ok((
            form.need("code")?,
            form.need("client_id")?,
            form.need("redirect_uri")?,
            form.need("code_verifier")?,
        ))
    };
    let (code, given, to, verifier): (&str, &str, &str, &str) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let now = app.clock.now();
    let Some(found) = find(app.store.as_ref(), &id_of(Kind::Code, code), now).await? else {
        return Ok(Err(UNKNOWN));
    };
    let Granted::Code { client, scopes, redirect, challenge, nonce, used } = &found.granted else {
        return Ok(Err(UNKNOWN));
    };
    let Some(principal) = bearer(app, &found).await? else { return Ok(Err(UNKNOWN)) };
    if *used {
        return revoke(app, &found, &principal, asked).await;
    }
    let wrong = match () {
        () if !client.eq_ignore_ascii_case(given) => Some("it was made for another client"),
        () if redirect != to => Some("the redirect_uri is another one than before"),
        () if challenge_of(verifier) != *challenge => {
            Some("the code_verifier does not match the code_challenge")
        }
        () => None,
    };
    if let Some(why) = wrong {
        // Whoever holds the code without what belongs to it has stolen it: it serves nobody any more.
        app.store
            .commit_unaudited(&[Change::RemoveGrants(Grants::Family(found.record.family.clone()))])
            .await?;
        note_denied(app, &principal, asked.correlation).await?;
        return Ok(Err(SignInError::Grant(why)));
    }
    let redeemed = Granted::Code {
        client: client.clone(),
        scopes: scopes.clone(),
        redirect: redirect.clone(),
        challenge: challenge.clone(),
        nonce: nonce.clone(),
        used: true,
    };
    let changes = vec![found.becomes(&redeemed, None)?];
    let signed = Signed {
        principal: &principal,
        client,
        scopes,
        nonce: nonce.as_deref(),
        family: &found.record.family,
        signed_in_at: now,
    };
    issue(app, &signed, changes, true, asked).await
}

/// A refresh token for tokens, of the same audience or another one.
pub async fn refresh(app: &App, form: &Form, asked: Asked<'_>) -> Answered {
    let read = || -> Result<(&str, &str, Option<Scopes>), SignInError> {
        let (token, id) = (form.need("refresh_token")?, form.need("client_id")?);
        client(id, app.issuer.tenant())?;
        let (scope, resource) = (form.get("scope"), form.get("resource"));
        let wanted = match (scope, resource, asked.flavour) {
            (None, None, _) | (_, None, Flavour::V1) => None,
            _ => Some(Scopes::read(scope, resource, asked.flavour, &app.public)?),
        };
        Ok((token, id, wanted))
    };
    let (token, given, wanted) = match read() {
        Ok(read) => read,
        Err(error) => return Ok(Err(error)),
    };
    let id = id_of(Kind::Refresh, token);
    // Again when another process refreshes at the same moment.
    for _ in 0..3 {
        let now = app.clock.now();
        let Some(found) = find(app.store.as_ref(), &id, now).await? else { return Ok(Err(UNKNOWN)) };
        let Granted::Refresh { client, scopes, signed_in_at, used_at } = &found.granted else {
            return Ok(Err(UNKNOWN));
        };
        let Some(principal) = bearer(app, &found).await? else { return Ok(Err(UNKNOWN)) };
        if !client.eq_ignore_ascii_case(given) {
            return Ok(Err(SignInError::Grant("it was made for another client")));
        }
        let changes = match used_at {
            Some(at) if now.duration_since(*at).as_secs() > SHARED_SECONDS => {
                return revoke(app, &found, &principal, asked).await;
            }
            // Touched all the same: if the family ends at this moment, this must not begin it anew.
            Some(_) => vec![found.becomes(&found.granted, None)?],
            None => {
                let replaced = Granted::Refresh {
                    client: client.clone(),
                    scopes: scopes.clone(),
                    signed_in_at: *signed_in_at,
                    used_at: Some(now),
                };
                vec![found.becomes(&replaced, None)?]
            }
        };
        // A client that refreshes without asking for it again keeps the right to do so.
        let scopes = match &wanted {
            Some(wanted) => Scopes { offline: true, ..wanted.clone() },
            None => scopes.clone(),
        };
        let signed = Signed {
            principal: &principal,
            client,
            scopes: &scopes,
            nonce: None,
            family: &found.record.family,
            signed_in_at: *signed_in_at,
        };
        match issue(app, &signed, changes, false, asked).await? {
            Err(SignInError::Grant(_)) => {}
            answered => return Ok(answered),
        }
    }
    Ok(Err(UNKNOWN))
}

/// Ends everything that came from a sign-in.
async fn revoke(app: &App, found: &Found, principal: &Principal, asked: Asked<'_>) -> Answered {
    tracing::warn!(
        principal = principal.object_id,
        correlation = asked.correlation,
        "a code or a refresh token was used again; what came from that sign-in ends"
    );
    app.store.commit_unaudited(&[Change::RemoveGrants(Grants::Family(found.record.family.clone()))]).await?;
    note_denied(app, principal, asked.correlation).await?;
    Ok(Err(SignInError::Grant("it was used already, which ends all that came from it")))
}

async fn bearer(app: &App, found: &Found) -> Result<Option<Principal>, StoreError> {
    match &found.record.principal {
        Some(id) => app.store.principal(id).await,
        None => Ok(None),
    }
}

/// What a client sends first, of what it shows later (RFC 7636, S256).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

        assert_eq!(challenge_of(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
