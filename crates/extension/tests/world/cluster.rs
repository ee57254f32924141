//! An API server that knows ConfigMaps and Secrets of one namespace, by name, and takes notes at them.

use axum::{
    Json, Router,
    body::to_bytes,
    extract::Request,
    http::{Method, StatusCode},
    response::IntoResponse,
};
use extension::locations::{LocationRecord, Role};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

pub struct FakeCluster {
    url: String,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl FakeCluster {
    pub async fn start() -> Self {
        let objects: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        let known = objects.clone();
        let answer = move |request: Request| {
            let known = known.clone();
            async move {
                let (path, method) = (request.uri().path().to_owned(), request.method().clone());
                let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
                let mut objects = known.lock().unwrap();
                match objects.get_mut(&path) {
                    Some(object) => {
                        if method == Method::PATCH {
                            note(object, &serde_json::from_slice(&body).unwrap());
                        }
                        Json(object.clone()).into_response()
                    }
                    None => {
                        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
                            "reason": "NotFound", "message": "not found", "code": 404});
                        (StatusCode::NOT_FOUND, Json(status)).into_response()
                    }
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, objects }
    }

    pub async fn client(&self) -> Client {
        Client::try_from(Config::new(self.url.parse().unwrap())).unwrap()
    }

    /// What is noted at a location.
    pub fn notes(&self, location: &str) -> Value {
        let path = format!("/api/v1/namespaces/backups/configmaps/location-{location}");
        self.objects.lock().unwrap()[&path]["metadata"]["annotations"].clone()
    }

    /// Puts a location's ConfigMap into the namespace.
    pub fn put(&self, map: Value) {
        let name = map["metadata"]["name"].as_str().unwrap();
        let path = format!("/api/v1/namespaces/backups/configmaps/{name}");
        self.objects.lock().unwrap().insert(path, map);
    }
}

/// Merges annotations: what nobody has a value for goes.
fn note(object: &mut Value, patch: &Value) {
    let Some(notes) = patch["metadata"]["annotations"].as_object() else { return };
    for (name, value) in notes {
        if !object["metadata"]["annotations"].is_object() {
            object["metadata"]["annotations"] = json!({});
        }
        let kept = object["metadata"]["annotations"].as_object_mut().unwrap();
        if value.is_null() {
            kept.remove(name)
        } else {
            kept.insert(name.clone(), value.clone())
        };
    }
}

/// The ConfigMap of a location with these settings, as a whole.
pub fn location_map(name: &str, role: Role, settings: &BTreeMap<String, String>) -> Value {
    let record = LocationRecord::from_settings(name, role, settings).unwrap();
    let mut map = serde_json::to_value(record.encode("backups")).unwrap();
    map["metadata"]["resourceVersion"] = "1".into();
    map["apiVersion"] = "v1".into();
    map["kind"] = "ConfigMap".into();
    map
}
