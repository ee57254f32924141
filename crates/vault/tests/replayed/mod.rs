//! Replays what the extensions of `az` send, and insists on what they insist on. The extensions themselves cannot be
//! installed from a package registry; this follows their documented requests.

#![allow(dead_code)]

use crate::world::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// One call of `az` after the other, all in one api-version.
pub struct Az<'w> {
    pub world: &'w World,
    pub version: &'static str,
}

impl Az<'_> {
    /// A request as the command line sends it: its headers, and addresses of the vault as it was told them.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            let separator = if path.contains('?') { '&' } else { '?' };
            format!("{}{path}{separator}api-version={}", self.world.url, self.version)
        };
        let request = self.world.http.request(method, url).bearer_auth(&self.world.administrator.token);
        let request = request
            .header("user-agent", "AZURECLI/2.91.0 azsdk-python-core/1.39.0 Python/3.11.7")
            .header("accept", "application/json")
            .header("x-ms-client-request-id", uuid::Uuid::new_v4().to_string())
            .header("commandname", "dataprotection backup-instance")
            .header("parametersetname", "-g -v --debug");
        let request = match body {
            Some(body) => request.header("content-type", "application/json").body(body.to_string()),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.send(Method::GET, path, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// The elements of a list.
    pub async fn list(&self, path: &str) -> Vec<Value> {
        self.get(path).await["value"].as_array().unwrap().clone()
    }

    /// What comes of a PUT or PATCH: polled where there is something to poll, then read from its own address.
    pub async fn changed(&self, method: Method, path: &str, body: &Value) -> Value {
        let begun = self.send(method, path, Some(body)).await;
        assert!(matches!(begun.status, 200..=202), "{path}: {begun:?}");
        if !begun.header("azure-asyncoperation").is_empty() {
            let ended = self.polled(&begun).await;
            assert_eq!(ended["status"], "Succeeded", "{path}: {ended}");
        }
        let read = self.get(path).await;
        let state = read["properties"]["provisioningState"].as_str().unwrap_or("Succeeded");
        assert_eq!(state, "Succeeded", "the command line would ask for ever: {read}");
        read
    }

    pub async fn put(&self, path: &str, body: &Value) -> Value {
        self.changed(Method::PUT, path, body).await
    }

    /// What comes of an action: its operation is polled, then `Location` is asked once and must have a body.
    pub async fn acted(&self, path: &str, body: Option<&Value>) -> Value {
        let begun = self.send(Method::POST, path, body).await;
        self.result(path, &begun).await
    }

    pub async fn deleted(&self, path: &str) -> Value {
        let begun = self.send(Method::DELETE, path, None).await;
        self.result(path, &begun).await
    }

    async fn result(&self, path: &str, begun: &Answer) -> Value {
        assert_eq!(begun.status, 202, "{path}: {begun:?}");
        let ended = self.polled(begun).await;
        assert_eq!(ended["status"], "Succeeded", "{path}: {ended}");
        let location = begun.header("location");
        assert!(location.starts_with("https://"), "without Location the job is never known: {begun:?}");
        let result = self.send(Method::GET, location, None).await;
        assert_eq!(result.status, 200, "{result:?}");
        assert_eq!(result.body["objectType"], "OperationJobExtendedInfo", "{result:?}");
        result.body
    }

    /// An action that ends badly: the error of its operation.
    pub async fn failed(&self, path: &str, body: &Value) -> Value {
        let begun = self.send(Method::POST, path, Some(body)).await;
        assert_eq!(begun.status, 202, "{begun:?}");
        let ended = self.polled(&begun).await;
        assert_eq!(ended["status"], "Failed", "{ended}");
        assert!(ended["error"]["code"].is_string() && ended["error"]["message"].is_string(), "{ended}");
        ended["error"].clone()
    }

    /// Follows an operation to its end; the address is taken as it was given.
    pub async fn polled(&self, begun: &Answer) -> Value {
        let url = begun.header("azure-asyncoperation");
        assert!(url.starts_with(&self.world.url), "{begun:?}");
        for _ in 0..300 {
            let answer = self.send(Method::GET, url, None).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            if ["Succeeded", "Failed", "Canceled"].iter().any(|end| answer.body["status"] == *end) {
                return answer.body;
            }
            let wait = answer.header("retry-after").parse::<u64>();
            assert!(wait.is_ok_and(|wait| wait < 30), "one poll would cost half a minute: {answer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it does not end: {url}");
    }

    /// The rows of a query, sent as the `list-from-resourcegraph` commands send it.
    pub async fn rows(&self, query: &str) -> Vec<Value> {
        let options =
            json!({"$top": 1000, "$skip": 0, "resultFormat": "objectArray", "allowPartialScopes": false});
        let body = json!({"subscriptions": [self.world.subscription], "query": query, "options": options});
        let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";
        let url = format!("{}{path}", self.world.url);
        let answer = self.send(Method::POST, &url, Some(&body)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let rows = answer.body["data"].as_array().unwrap().clone();
        assert_eq!(
            (&answer.body["totalRecords"], &answer.body["resultTruncated"], &answer.body["facets"]),
            (&json!(rows.len()), &json!("false"), &json!([]))
        );
        for row in &rows {
            for name in ["id", "name", "type", "location", "resourceGroup", "subscriptionId", "tenantId"] {
                assert!(row[name].is_string(), "{name}: {row}");
            }
        }
        rows
    }
}

/// What an `update` command sends back: no nulls, and none of what the client's schema does not write.
pub fn written_back(read: &Value, dropped: &[&str]) -> Value {
    match read {
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| !value.is_null() && !dropped.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), written_back(value, &[])))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(list) => list.iter().map(|one| written_back(one, &[])).collect(),
        other => other.clone(),
    }
}

/// The names of a list.
pub fn names(list: &[Value]) -> Vec<&str> {
    list.iter().map(|one| one["name"].as_str().unwrap()).collect()
}
