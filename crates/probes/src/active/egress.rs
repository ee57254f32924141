//! A pod that looks at the way out, in a Job.

use super::{
    Hindered, Place,
    job::{self, Ran},
};
use kube::Client;
use prerequisites::{Endpoint, Reached, Sight};
use std::time::Duration;

/// How long the pod may take, the pull of its image included; each step to an endpoint has seconds of its own.
const LONGEST: Duration = Duration::from_secs(90);

/// Endpoints of one pod: what it saw of them has to fit into the 4,096 bytes that its container may leave as its last message.
const EACH: usize = 8;

/// What a probe of the way out came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// How far it came with each endpoint.
    Seen(Vec<Reached>),
    /// Its image could not be pulled, and why.
    NoImage(String),
}

/// Looks at every endpoint from inside of the cluster, in as many pods beside each other as their answers need.
pub async fn egress(client: &Client, place: &Place, endpoints: &[Endpoint]) -> Result<Answer, Hindered> {
    let pods = endpoints.chunks(EACH).map(|some| of_one_pod(client, place, some));
    let mut all = Vec::new();
    // All of them to their end, also after a failure: each removes what it made.
    for answer in futures::future::join_all(pods).await {
        match answer? {
            Answer::Seen(reached) => all.extend(reached),
            Answer::NoImage(why) => return Ok(Answer::NoImage(why)),
        }
    }
    Ok(Answer::Seen(all))
}

async fn of_one_pod(client: &Client, place: &Place, endpoints: &[Endpoint]) -> Result<Answer, Hindered> {
    let wanted = serde_json::to_string(endpoints)
        .map_err(|error| Hindered(format!("the endpoints cannot be written down: {error}")))?;
    let mut arguments = vec!["probe".to_owned(), "egress".to_owned(), format!("--endpoints={wanted}")];
    arguments.extend(place.proxy_authorities().map(|pem| format!("--proxy-authorities={pem}")));
    let said = match job::run(client, place, &job::unique("egress"), &arguments, LONGEST, None).await? {
        Ran::NoImage(why) => return Ok(Answer::NoImage(why)),
        Ran::Not(why) => return Err(Hindered(format!("the probe was not made: {why}"))),
        Ran::Said(said) => said,
    };
    let sights: Vec<Sight> = job::read(&said)?;
    if sights.len() != endpoints.len() {
        return Err(Hindered(format!(
            "the probe looked at {} of {} endpoints",
            sights.len(),
            endpoints.len()
        )));
    }
    let reached = endpoints.iter().zip(sights);
    Ok(Answer::Seen(reached.map(|(endpoint, sight)| Reached { endpoint: endpoint.clone(), sight }).collect()))
}
