//! Long-running operations as Azure's own clients follow them, decided purely: what an answer means and what to ask next.
//!
//! A call that goes on says so by `Azure-AsyncOperation` (a URL whose document has a `status`), by `Location` (a URL that
//! answers 202 until it ends), or, for resources, by a `provisioningState`.

use crate::{Answer, Error, ServiceError};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Between two looks when the server does not say.
const USUAL_WAIT: Duration = Duration::from_secs(2);

/// What to do after an answer.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// It is over; the result, `null` when there is none.
    Done(Value),
    /// Wait, then ask this.
    Wait(Running),
    /// It succeeded; the result is there.
    Fetch(Running),
}

/// An operation under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Where to look.
    pub url: Url,
    /// How to read what is there.
    how: How,
    /// Where the result will be.
    end: Option<Url>,
    /// What is known of the result so far.
    known: Value,
    /// What it says of itself.
    pub status: String,
    /// How long to wait before.
    pub wait: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// A document with a status.
    Status,
    /// 202 until it ends.
    Location,
    /// The resource and its `provisioningState`.
    Resource,
    /// The result itself.
    Result,
}

/// What the first answer to a call means. Its status is a success.
pub fn begun(method: &Method, url: &Url, answer: &Answer) -> Result<Step, Error> {
    let at = |name: &str| answer.header(name).map(|text| same_server(url, text)).transpose();
    let (status, location) = (at("azure-asyncoperation")?, at("location")?);
    let makes = *method == Method::PUT || *method == Method::PATCH;
    let wait = answer.retry_after().unwrap_or(USUAL_WAIT);
    let running = |url: Url, how: How, end: Option<Url>| Running {
        url,
        how,
        end,
        known: Value::Null,
        status: "Accepted".to_owned(),
        wait,
    };
    Ok(match (status, location) {
        (Some(status), location) => {
            let end = if makes { Some(url.clone()) } else { location };
            Step::Wait(running(status, How::Status, end))
        }
        (None, Some(location)) if answer.status == 202 => {
            let end = makes.then(|| url.clone());
            Step::Wait(running(location, How::Location, end))
        }
        _ if makes && !is_terminal_state(&answer.body) => {
            Step::Wait(running(url.clone(), How::Resource, None))
        }
        _ => Step::Done(answer.body.clone()),
    })
}

/// What a look at the operation means.
pub fn looked(mut running: Running, answer: &Answer) -> Result<Step, Error> {
    running.wait = answer.retry_after().unwrap_or(USUAL_WAIT);
    match running.how {
        How::Status => {
            succeeded(answer)?;
            of_status(running, &answer.body)
        }
        How::Location if answer.status == 202 => Ok(Step::Wait(running)),
        How::Location => {
            succeeded(answer)?;
            Ok(after(running, answer.body.clone()))
        }
        How::Resource => {
            succeeded(answer)?;
            if is_terminal_state(&answer.body) {
                return of_resource(answer.body.clone());
            }
            running.status = state(&answer.body).to_owned();
            Ok(Step::Wait(running))
        }
        // The operation said that it succeeded; a result that cannot be had does not undo that.
        How::Result if answer.status == 200 && !answer.body.is_null() => Ok(Step::Done(answer.body.clone())),
        How::Result => Ok(Step::Done(running.known)),
    }
}

fn of_status(mut running: Running, body: &Value) -> Result<Step, Error> {
    let status = body.get("status").and_then(Value::as_str).unwrap_or_default();
    match status.to_ascii_lowercase().as_str() {
        "succeeded" => {
            let known = body.get("properties").cloned().unwrap_or_default();
            Ok(after(running, known))
        }
        "failed" => Err(Error::Operation(failure(body))),
        "canceled" | "cancelled" => Err(Error::Canceled),
        _ => {
            running.status = status.to_owned();
            Ok(Step::Wait(running))
        }
    }
}

fn failure(body: &Value) -> ServiceError {
    let mut error = body.get("error").map(ServiceError::of).unwrap_or_default();
    if error.code.is_empty() {
        error.code = "OperationFailed".to_owned();
    }
    if error.message.is_empty() {
        error.message = "the operation failed, and the server does not say why".to_owned();
    }
    error
}

fn after(mut running: Running, known: Value) -> Step {
    match running.end.take() {
        Some(url) => Step::Fetch(Running { url, how: How::Result, known, wait: Duration::ZERO, ..running }),
        None => Step::Done(known),
    }
}

fn of_resource(body: Value) -> Result<Step, Error> {
    match state(&body).to_ascii_lowercase().as_str() {
        "failed" => {
            let errors = ["/properties/errorInfo", "/properties/protectionErrorDetails", "/properties/error"];
            let error = errors.iter().find_map(|at| body.pointer(at)).filter(|error| error.is_object());
            let wrapped = serde_json::json!({"error": error});
            Err(Error::Operation(failure(&wrapped)))
        }
        "canceled" | "cancelled" => Err(Error::Canceled),
        _ => Ok(Step::Done(body)),
    }
}

fn succeeded(answer: &Answer) -> Result<(), Error> {
    match answer.status {
        200..=299 => Ok(()),
        status => Err(Error::Service(ServiceError::read(status, &answer.body, &answer.text))),
    }
}

fn state(body: &Value) -> &str {
    body.pointer("/properties/provisioningState").and_then(Value::as_str).unwrap_or_default()
}

/// States that pass by themselves; whatever else a resource says of itself is its end.
fn is_terminal_state(body: &Value) -> bool {
    let passing = ["accepted", "provisioning", "updating", "creating", "deleting", "running", "inprogress"];
    !passing.iter().any(|passing| state(body).eq_ignore_ascii_case(passing))
}

/// A URL that the server gave, on that same server.
pub fn same_server(asked: &Url, given: &str) -> Result<Url, Error> {
    let url = asked.join(given).map_err(|error| Error::Answer {
        url: asked.to_string(),
        reason: format!("{given:?} is no URL: {error}"),
    })?;
    if url.origin() == asked.origin() {
        Ok(url)
    } else {
        Err(Error::Foreign(url.origin().ascii_serialization()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::json;

    fn url() -> Url {
        "https://v:1/r?api-version=1".parse().unwrap()
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: Value) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer { status, headers, text: body.to_string(), body }
    }

    fn wait(step: Step) -> Running {
        match step {
            Step::Wait(running) | Step::Fetch(running) => running,
            Step::Done(body) => panic!("done: {body}"),
        }
    }

    #[test]
    fn a_post_ends_with_the_document_at_its_location() {
        let headers =
            [("azure-asyncoperation", "https://v:1/s/a=="), ("location", "/l"), ("retry-after", "7")];

        let running = wait(begun(&Method::POST, &url(), &answer(202, &headers, Value::Null)).unwrap());
        assert_eq!((running.url.as_str(), running.wait), ("https://v:1/s/a==", Duration::from_secs(7)));
        let still = looked(running, &answer(200, &[], json!({"status": "Inprogress"}))).unwrap();
        let job = json!({"jobId": "j"});
        let over = answer(200, &[], json!({"status": "succeeded", "properties": {"jobId": "of the status"}}));
        let fetch = wait(looked(wait(still), &over).unwrap());
        assert_eq!(fetch.url.as_str(), "https://v:1/l");

        assert_eq!(looked(fetch.clone(), &answer(200, &[], job.clone())).unwrap(), Step::Done(job));
        let lost = looked(fetch, &answer(204, &[], Value::Null)).unwrap();
        assert_eq!(lost, Step::Done(json!({"jobId": "of the status"})));
    }

    #[test]
    fn a_put_ends_with_the_resource() {
        let headers = [("azure-asyncoperation", "https://v:1/s")];

        let running = wait(begun(&Method::PUT, &url(), &answer(201, &headers, json!({}))).unwrap());
        let fetch = wait(looked(running, &answer(200, &[], json!({"status": "Succeeded"}))).unwrap());

        assert_eq!(fetch.url, url());
    }

    #[test]
    fn a_location_alone_is_followed_until_it_ends() {
        let accepted = answer(202, &[("location", "https://v:1/l")], Value::Null);

        let running = wait(begun(&Method::DELETE, &url(), &accepted).unwrap());
        let running = wait(looked(running, &answer(202, &[], Value::Null)).unwrap());

        assert_eq!(looked(running, &answer(200, &[], Value::Null)).unwrap(), Step::Done(Value::Null));
    }

    #[test]
    fn a_resource_without_headers_is_looked_at_until_it_is_ready() {
        let state = |state: &str| json!({"properties": {"provisioningState": state}});

        let running = wait(begun(&Method::PUT, &url(), &answer(201, &[], state("Provisioning"))).unwrap());
        let ready = looked(running.clone(), &answer(200, &[], state("Succeeded"))).unwrap();
        let failed = looked(running, &answer(200, &[], state("Failed"))).unwrap_err();

        assert_eq!(ready, Step::Done(state("Succeeded")));
        assert!(matches!(failed, Error::Operation(_)));
        let at_once = begun(&Method::PUT, &url(), &answer(200, &[], state("Succeeded"))).unwrap();
        assert_eq!(at_once, Step::Done(state("Succeeded")));
        assert!(matches!(begun(&Method::PUT, &url(), &answer(200, &[], json!({}))), Ok(Step::Done(_))));
    }

    #[test]
    fn a_failed_operation_says_why() {
        let headers = [("azure-asyncoperation", "https://v:1/s")];
        let running = wait(begun(&Method::POST, &url(), &answer(202, &headers, Value::Null)).unwrap());
        let body = json!({"status": "Failed", "error": {"code": "C", "message": "m",
            "details": [{"code": "D", "message": "n", "recommendedAction": ["do it"]}]}});

        let error = looked(running.clone(), &answer(200, &[], body)).unwrap_err();
        let bare = looked(running.clone(), &answer(200, &[], json!({"status": "Failed"}))).unwrap_err();
        let stopped = looked(running, &answer(200, &[], json!({"status": "Canceled"}))).unwrap_err();

        assert_eq!(error.to_string(), "C: m\n  D: n");
        assert_eq!(error.service().unwrap().all_recommended(), ["do it"]);
        assert!(bare.to_string().starts_with("OperationFailed: "));
        assert!(matches!(stopped, Error::Canceled));
    }

    #[test]
    fn no_token_goes_to_another_server() {
        for elsewhere in ["https://evil:1/s", "http://v:1/s", "https://v:2/s"] {
            assert!(matches!(same_server(&url(), elsewhere), Err(Error::Foreign(_))), "{elsewhere}");
        }
        assert!(same_server(&url(), "/s?x=y").is_ok());
    }
}
