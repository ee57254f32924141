//! What the gate sees, and what of it could be seen only a moment later.

use super::{Actor, Asked, pods};
use crate::error::{ActError, code};
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use packages::{Gate, pod_of};
use prerequisites::{DryRun, Facts, LocationFacts, Observed, StoreProbe};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What of the API server's errors is repeated.
const REPEATED: usize = 3;

/// What was seen.
pub(super) struct Sight {
    pub facts: Facts,
    /// What admission said about the extension's pods, if it was asked.
    pub pods: Option<(DryRun, pods::WithAccount)>,
    /// Errors that can be gone in a moment.
    pub unclear: Vec<String>,
}

/// Errors that can be gone in a moment, as they come.
type Noted = Arc<Mutex<Vec<String>>>;

pub(super) async fn look(actor: &Actor, asked: &Asked<'_>) -> Result<Sight, ActError> {
    let seen = tokio::time::timeout(PATIENCE, look_once(actor, asked)).await;
    seen.map_err(|_| ActError::Temporary {
        code: code::NOT_SEEN,
        message: format!(
            "Nothing is installed before it is known whether it can work. The API server did not answer within {} s.",
            PATIENCE.as_secs()
        ),
    })
}

async fn look_once(actor: &Actor, asked: &Asked<'_>) -> Sight {
    let noted = Noted::default();
    let client = noting(&actor.client, &noted);
    let mut facts = probes::before_install(&client, asked.namespace, actor.clock.as_ref()).await;
    if let Some(place) = &asked.place {
        facts.location = Observed::Seen(location(place));
    }
    let mut pods = None;
    if asked.ids.iter().any(|id| id == Gate::ADMISSION) {
        let wanted: Vec<_> = asked.objects.iter().filter_map(|(key, object)| pod_of(key, object)).collect();
        let (said, account) = pods::ask(&client, &wanted).await;
        if let pods::Said::NotYet(why) = &said {
            note(&noted, why.clone());
        }
        let said = said.into_fact();
        if let Observed::Seen(policies) = &mut facts.policies {
            policies.dry_run = said.clone();
        }
        pods = Some((said, account));
    }
    let unclear = noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Sight { facts, pods, unclear }
}

/// What is known of the place before the extension is there: its name. Others look at what lies in it.
fn location(place: &str) -> LocationFacts {
    LocationFacts {
        describe: place.to_owned(),
        bucket_path: place.to_owned(),
        store: None,
        contents: Observed::NotObservable("the extension looks at it".to_owned()),
        unrelated_allowed: false,
        initialised: false,
        probe: StoreProbe::NotTried("the extension tries it".to_owned()),
        noted: None,
    }
}

fn note(noted: &Noted, what: String) {
    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
    if noted.len() < REPEATED && !noted.contains(&what) {
        noted.push(what);
    }
}

/// The same client; notes each answer that another attempt may not get. What is observed with it says only that
/// something was not seen, and not whether it can be.
fn noting(client: &Client, noted: &Noted) -> Client {
    let (client, noted) = (client.clone(), noted.clone());
    let namespace = client.default_namespace().to_owned();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, noted) = (client.clone(), noted.clone());
        async move {
            let path = request.uri().path().to_owned();
            match whole(&client, request).await {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    if matches!(status, 408 | 429 | 500..) {
                        note(&noted, format!("{status} to {path}"));
                    }
                    Ok(answer)
                }
                Err(error) => {
                    note(&noted, format!("{path}: {error}"));
                    Err(error)
                }
            }
        }
    });
    Client::new(service, namespace)
}

/// The answer to its last byte: one that breaks off is an error too. Lists come in pages.
async fn whole(client: &Client, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
    let (head, body) = client.send(request).await?.into_parts();
    let bytes = body.collect().await.map_err(|error| kube::Error::Service(Box::new(error)))?.to_bytes();
    Ok(Response::from_parts(head, Body::from(bytes)))
}
