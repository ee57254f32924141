//! Who sends a token: one that this vault signed, or one of an issuer that its operator trusts. Whoever was removed is
//! refused from that moment on.

use crate::{
    app::App,
    store::{Principal, StoreError},
    tokens::{Audience, Caller, TokenError, read_assertion},
    trust::external_client_id,
};

/// Why a token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum BearerError {
    /// The token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The store, which knows who exists.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who sends this token, if it is good for an audience and the principal still exists.
pub async fn bearer(app: &App, token: &str, wanted: Audience) -> Result<Caller, BearerError> {
    if let Some(caller) = external(app, token, wanted).await? {
        return Ok(caller);
    }
    let caller = app.issuer.verify(token, wanted)?;
    match app.store.principal(&caller.object_id).await? {
        Some(_) => Ok(caller),
        None => Err(TokenError::Removed(caller.object_id).into()),
    }
}

/// `None`: the token does not say that it is of a trusted issuer whose people sign in here.
async fn external(app: &App, token: &str, wanted: Audience) -> Result<Option<Caller>, BearerError> {
    let Ok(unproved) = read_assertion(token) else { return Ok(None) };
    let issuer = unproved.issuer().to_owned();
    let Some(audiences) = app.trust.audiences(&issuer).filter(|audiences| !audiences.is_empty()) else {
        return Ok(None);
    };
    let keys = app.trust.keys(&issuer, unproved.key.as_deref()).await.unwrap_or_default();
    let said = unproved.signed_by(&keys).map_err(|_| TokenError::Forged)?;
    let fits = wanted == Audience::Management && said.audiences.iter().any(|one| audiences.contains(one));
    if !fits {
        return Err(TokenError::Audience(said.audiences.join(" ")).into());
    }
    said.check_time(app.clock.now()).map_err(|error| TokenError::Time(error.to_string()))?;
    let client = external_client_id(&issuer, &said.subject);
    match app.store.principal_of_client(&client).await? {
        Some(Principal { object_id, name, .. }) => Ok(Some(Caller { object_id, client_id: name })),
        None => {
            Err(TokenError::Stranger { issuer, subject: said.subject.chars().take(200).collect() }.into())
        }
    }
}
