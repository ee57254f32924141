//! A token of a cluster or of a trusted issuer for one of a managed identity that names it in a federated credential.

use super::{SignInError, form::shown};
use crate::{
    api::{
        clusters::ClusterRecord,
        identities::{FEDERATED, FederatedRecord, MOST_CREDENTIALS},
        resource::{Loaded, load, read},
    },
    app::App,
    store::{Principal, PrincipalKind, Stores},
    tokens::{Assertion, AssertionError, Unproved, jwk_keys, read_assertion},
};
use jiff::Timestamp;
use jsonwebtoken::jwk::Jwk;

/// How an exchange ended.
#[derive(Debug)]
pub enum Exchanged {
    /// The token stands for the identity.
    Accepted(Principal),
    /// There is no such identity.
    Unknown,
    /// The token does not stand for it.
    Refused(Principal, SignInError),
}

/// A credential, with the name and the keys of its issuer as they are now.
struct Candidate {
    record: FederatedRecord,
    issuer: String,
    keys: Vec<Jwk>,
}

/// Exchanges a token.
pub async fn exchange(app: &App, client_id: &str, token: &str) -> Stores<Exchanged> {
    let principal = app.store.principal_of_client(client_id).await?;
    let Some(principal) = principal.filter(|one| one.kind == PrincipalKind::ManagedIdentity) else {
        return Ok(Exchanged::Unknown);
    };
    let unproved = match read_assertion(token) {
        Ok(unproved) => unproved,
        Err(error) => return Ok(Exchanged::Refused(principal, of(error))),
    };
    let candidates = candidates(app, &principal, &unproved).await?;
    Ok(match judge(&unproved, &candidates, app.clock.now()) {
        Ok(()) => Exchanged::Accepted(principal),
        Err(error) => Exchanged::Refused(principal, error),
    })
}

/// The credentials whose issuer is the token's.
async fn candidates(app: &App, principal: &Principal, unproved: &Unproved<'_>) -> Stores<Vec<Candidate>> {
    let Some(identity) = &principal.resource else { return Ok(Vec::new()) };
    let most = u32::try_from(MOST_CREDENTIALS + 1).unwrap_or(u32::MAX);
    let mut found = Vec::new();
    for stored in app.store.resources(FEDERATED, identity, None, most).await? {
        let Loaded { document: record, .. } = read::<FederatedRecord>(stored)?;
        let (issuer, keys) = match &record.cluster {
            Some(cluster) => {
                let Some(cluster) = load::<ClusterRecord>(app.store.as_ref(), cluster).await? else {
                    continue;
                };
                let Some(reported) = reported(&cluster.document) else { continue };
                reported
            }
            None if record.issuer == unproved.issuer() => {
                let keys = app.trust.keys(&record.issuer, unproved.key.as_deref()).await;
                // An issuer that the operator does not trust is none.
                let Some(keys) = keys else { continue };
                (record.issuer.clone(), keys.to_vec())
            }
            None => continue,
        };
        if issuer == unproved.issuer() {
            found.push(Candidate { record, issuer, keys });
        }
    }
    Ok(found)
}

/// Name and keys of a connected cluster's own issuer, as its agent reported them.
fn reported(cluster: &ClusterRecord) -> Option<(String, Vec<Jwk>)> {
    cluster.connection.as_ref()?;
    let observed = cluster.observed.as_ref()?;
    let issuer = observed.get("tokenIssuer")?.as_str()?;
    Some((issuer.to_owned(), jwk_keys(observed.get("tokenKeys")?)))
}

/// Whether one of the credentials takes the token: signed by the credential's own issuer, for its subject and one of its
/// audiences, now.
fn judge(unproved: &Unproved<'_>, candidates: &[Candidate], now: Timestamp) -> Result<(), SignInError> {
    if !candidates.iter().any(|one| one.issuer == unproved.issuer()) {
        return Err(SignInError::AssertionIssuer(shown(unproved.issuer())));
    }
    let signed: Vec<(&Candidate, Assertion)> = candidates
        .iter()
        .filter_map(|one| unproved.signed_by(&one.keys).ok().map(|said| (one, said)))
        .collect();
    let Some((_, said)) = signed.first() else { return Err(of(AssertionError::Signature)) };
    let (subject, audiences) = (shown(&said.subject), shown(&said.audiences.join(" ")));
    let named: Vec<_> = signed.iter().filter(|(one, said)| one.record.subject == said.subject).collect();
    if named.is_empty() {
        return Err(SignInError::AssertionSubject(subject));
    }
    let fits = |(one, said): &&&(&Candidate, Assertion)| {
        said.audiences.iter().any(|audience| one.record.audiences.contains(audience))
    };
    match named.iter().find(fits) {
        Some((_, said)) => said.check_time(now).map_err(of),
        None => Err(SignInError::AssertionAudience(audiences)),
    }
}

fn of(error: AssertionError) -> SignInError {
    match error {
        AssertionError::Malformed | AssertionError::Algorithm(_) => {
            SignInError::AssertionUnread(error.to_string())
        }
        AssertionError::Signature => SignInError::AssertionSignature,
        AssertionError::Time(..) => SignInError::AssertionTime(error.to_string()),
    }
}
