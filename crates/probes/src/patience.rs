//! A client that gives each question to the API server seconds and no more: a page of a list that is slow is not waited
//! for because the one before it was fast.

use crate::contain::PROBE;
use http_body_util::BodyExt;
use kube::{Client, client::Body};
use std::{fmt, time::Duration};

/// The API server did not answer in time.
#[derive(Debug)]
struct NoAnswer(Duration);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no answer within {} s", self.0.as_secs_f32())
    }
}

impl std::error::Error for NoAnswer {}

/// The same client; an answer that is not complete in time is an error.
pub(crate) fn patient(client: &Client) -> Client {
    within(client, PROBE)
}

fn within(client: &Client, limit: Duration) -> Client {
    let namespace = client.default_namespace().to_owned();
    let client = client.clone();
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let client = client.clone();
        async move {
            let answered = async {
                let (head, body) = client.send(request).await?.into_parts();
                // The whole of it: a body that drips is no answer either.
                let bytes = body.collect().await?.to_bytes();
                Ok::<_, Box<dyn std::error::Error + Send + Sync>>(http::Response::from_parts(
                    head,
                    Body::from(bytes),
                ))
            };
            match tokio::time::timeout(limit, answered).await {
                Ok(answer) => answer,
                Err(_) => Err(NoAnswer(limit).into()),
            }
        }
    });
    Client::new(service, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::short;
    use std::convert::Infallible;

    /// A client whose server answers after this long.
    fn after(wait: Duration) -> Client {
        let service = tower::service_fn(move |_: http::Request<Body>| async move {
            tokio::time::sleep(wait).await;
            let version = r#"{"major":"1","minor":"35","gitVersion":"v1.35.4","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
            Ok::<_, Infallible>(http::Response::new(Body::from(version.as_bytes().to_vec())))
        });
        Client::new(service, "default")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_is_none_and_says_so() {
        let late = within(&after(Duration::from_secs(4)), PROBE).apiserver_version().await;
        let soon = within(&after(Duration::from_secs(2)), PROBE).apiserver_version().await;

        assert_eq!(short(&late.unwrap_err()), "no answer within 3 s");
        assert_eq!(soon.unwrap().git_version, "v1.35.4");
    }
}
