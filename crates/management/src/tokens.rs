//! The token for the next call: a given one, the kept one, or a new one.

use crate::{
    Error, Folder, Profile, Transport,
    sign_in::{Method, Secret, Token},
};
use jiff::Timestamp;
use parking_lot::Mutex;

/// Where tokens come from.
#[derive(Debug)]
pub enum Tokens {
    /// One that was made elsewhere, such as by `az account get-access-token`.
    Given(Secret),
    /// Those of a profile, kept in its folder.
    Kept {
        /// The folder.
        folder: Folder,
        /// Who is signed in.
        profile: Mutex<Profile>,
    },
}

impl Tokens {
    /// Those of a profile.
    pub fn of(folder: Folder, profile: Profile) -> Self {
        Self::Kept { folder, profile: Mutex::new(profile) }
    }

    /// A token that is good for a call now. `anew` when the server has refused the kept one.
    pub async fn token(&self, transport: &Transport, now: Timestamp, anew: bool) -> Result<Secret, Error> {
        let (folder, profile) = match self {
            Self::Given(token) => return Ok(token.clone()),
            Self::Kept { folder, profile } => (folder, profile),
        };
        let kept = if anew { None } else { folder.token() };
        if let Some(Token { secret, .. }) = kept.filter(|token| token.is_fresh(now)) {
            return Ok(secret);
        }
        let mut current = profile.lock().clone();
        let scope = current.cloud.scope();
        let issued = current.method.token(transport, &current.endpoints, &scope, now).await?;
        folder.keep_token(&issued.token)?;
        if let (Method::Person { refresh, .. }, Some(next)) = (&mut current.method, issued.refresh) {
            *refresh = next;
            folder.update(&current)?;
            *profile.lock() = current;
        }
        Ok(issued.token.secret)
    }

    /// Whether a new token could be better than a refused one.
    pub fn renews(&self) -> bool {
        matches!(self, Self::Kept { .. })
    }
}
