//! A fake API server: it answers with the objects that it was given, and writes down what was asked of it.

use http_body_util::BodyExt;
use kube::{Client, client::Body};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Arc, Mutex},
};

/// Objects and lists by their path. What is deleted is gone; what is patched stays as it is; what has several answers gives
/// one after the other, the last for ever.
#[derive(Clone, Default)]
pub(crate) struct FakeServer {
    objects: Arc<Mutex<BTreeMap<String, VecDeque<Value>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    /// With one more object, or a list of them, at this path.
    pub(crate) fn with(self, path: &str, object: Value) -> Self {
        self.objects.lock().unwrap().insert(path.to_owned(), VecDeque::from([object]));
        self
    }

    /// With another answer at a path, for who looks once more.
    pub(crate) fn then(self, path: &str, object: Value) -> Self {
        self.objects.lock().unwrap().entry(path.to_owned()).or_default().push_back(object);
        self
    }

    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let server = server.clone();
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let (status, answer) = server.answer(&head, &String::from_utf8_lossy(&body));
                let body = Body::from(answer.to_string().into_bytes());
                Ok::<_, Infallible>(http::Response::builder().status(status).body(body).unwrap())
            }
        });
        Client::new(service, "default")
    }

    /// What was asked for that is not only read: method, path and body.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().filter(|one| !one.starts_with("GET ")).cloned().collect()
    }

    fn answer(&self, head: &http::request::Parts, body: &str) -> (u16, Value) {
        let path = head.uri.path().to_owned();
        self.asked.lock().unwrap().push(format!("{} {path} {body}", head.method).trim_end().to_owned());
        let mut objects = self.objects.lock().unwrap();
        let found = objects.get_mut(&path).and_then(|answers| match answers.len() {
            0 | 1 => answers.front().cloned(),
            _ => answers.pop_front(),
        });
        let Some(mut found) = found else {
            let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404,
                "reason": "NotFound", "message": format!("{path} not found"), "metadata": {}});
            return (404, gone);
        };
        if let Some(items) = found.get_mut("items").and_then(Value::as_array_mut) {
            items.retain(|item| is_selected(item, head.uri.query().unwrap_or_default()));
        }
        if head.method == http::Method::DELETE {
            objects.remove(&path);
        }
        (200, found)
    }
}

/// Whether an object has the labels that a query asks for.
fn is_selected(object: &Value, query: &str) -> bool {
    let query = query.replace("%2F", "/").replace("%3D", "=");
    let wanted = query.split('&').find_map(|part| part.strip_prefix("labelSelector="));
    let Some((key, value)) = wanted.and_then(|wanted| wanted.split_once('=')) else { return true };
    object["metadata"]["labels"][key] == value
}
