//! A cluster's API server that injects faults: it keeps custom resources, and answers, refuses or breaks off as told.
//! Real clusters are in `tests/scenarios`.

use async_trait::async_trait;
use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use vault::cluster_link::{ClusterAnswer, ClusterLink, ClusterRequest, LinkError};

pub const CONNECTION: &str = "11111111-2222-4333-8444-555555555555";

/// What the next request meets.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It never arrives.
    NotConnected,
    /// It is carried out, and the answer is lost.
    LostAnswer,
    /// The binding is unknown to the gateway.
    Refused,
    /// This status, with a message.
    Status(u16, &'static str),
}

#[derive(Debug, Default)]
pub struct FaultCluster {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    objects: BTreeMap<String, Value>,
    /// Every object that was ever made: path and spec.
    made: Vec<(String, Value)>,
    faults: VecDeque<Fault>,
    /// The status that a new object of a kind has at once.
    statuses: BTreeMap<String, Value>,
    bindings: Vec<String>,
    /// Nothing arrives for as long as this holds.
    is_away: bool,
    /// After the next request of this method, which is carried out, the cluster is away.
    last: Option<Method>,
    /// The next request of this method is carried out and never answered.
    hangs: Option<Method>,
}

impl FaultCluster {
    /// What objects of a kind say from now on, those that are there too.
    pub fn says(&self, kind: &str, status: Value) {
        let mut inner = self.inner.lock();
        for object in inner.objects.values_mut().filter(|object| object["kind"] == kind) {
            object["status"] = status.clone();
        }
        inner.statuses.insert(kind.to_owned(), status);
    }

    /// The cluster is switched off, or back.
    pub fn is_away(&self, away: bool) {
        self.inner.lock().is_away = away;
    }

    /// The next request of this method is carried out, its answer is lost, and the cluster is off from then on.
    pub fn answers_nothing_after(&self, method: &str) {
        self.inner.lock().last = Some(method.parse().unwrap());
    }

    /// The next request of this method is carried out, and whoever sent it waits for ever.
    pub fn hangs_after(&self, method: &str) {
        self.inner.lock().hangs = Some(method.parse().unwrap());
    }

    /// Whether it hangs.
    fn hangs(&self, request: &ClusterRequest) -> bool {
        let mut inner = self.inner.lock();
        let hangs = inner.hangs.as_ref() == Some(&request.method);
        if hangs {
            inner.hangs = None;
            Self::carry_out(&mut inner, request);
        }
        hangs
    }

    pub fn meets(&self, faults: &[Fault]) {
        self.inner.lock().faults.extend(faults.iter().cloned());
    }

    /// The specs of a kind that were ever made.
    pub fn made(&self, plural: &str) -> Vec<Value> {
        let inner = self.inner.lock();
        inner
            .made
            .iter()
            .filter(|(path, _)| path.contains(&format!("/{plural}/")))
            .map(|(_, spec)| spec.clone())
            .collect()
    }

    pub fn object(&self, plural: &str) -> Option<Value> {
        let inner = self.inner.lock();
        inner
            .objects
            .iter()
            .find(|(path, _)| path.contains(&format!("/{plural}/")))
            .map(|(_, object)| object.clone())
    }

    pub fn bindings(&self) -> Vec<String> {
        self.inner.lock().bindings.clone()
    }

    fn carry_out(inner: &mut Inner, request: &ClusterRequest) -> ClusterAnswer {
        let path = request.path.clone();
        let answer = |status, body: Value| ClusterAnswer { status, body: Bytes::from(body.to_string()) };
        let missing = || {
            let name = path.rsplit('/').next().unwrap_or_default();
            answer(404, json!({"kind": "Status", "reason": "NotFound", "details": {"name": name}}))
        };
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match request.method {
            Method::GET if path.contains('?') => {
                let folder = format!("{}/", path.split('?').next().unwrap());
                let of = inner.objects.iter().filter(|(path, _)| path.starts_with(&folder));
                answer(200, json!({"items": of.map(|(_, object)| object.clone()).collect::<Vec<_>>()}))
            }
            Method::GET => {
                inner.objects.get(&path).map_or_else(missing, |object| answer(200, object.clone()))
            }
            Method::POST => {
                let key = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap_or_default());
                if inner.objects.contains_key(&key) {
                    return answer(409, json!({"kind": "Status", "reason": "AlreadyExists"}));
                }
                let mut object = body.clone();
                let kind = body["kind"].as_str().unwrap_or_default();
                if let Some(status) = inner.statuses.get(kind) {
                    object["status"] = status.clone();
                }
                inner.made.push((key.clone(), body["spec"].clone()));
                inner.objects.insert(key, object.clone());
                answer(201, object)
            }
            Method::PATCH => match inner.objects.get_mut(&path) {
                Some(object) => {
                    object["spec"]["cancel"] = body["spec"]["cancel"].clone();
                    answer(200, object.clone())
                }
                None => missing(),
            },
            _ => inner.objects.remove(&path).map_or_else(missing, |object| answer(200, object)),
        }
    }
}

#[async_trait]
impl ClusterLink for FaultCluster {
    fn connected(&self) -> Vec<String> {
        if self.inner.lock().is_away { Vec::new() } else { vec![CONNECTION.to_owned()] }
    }

    async fn call(
        &self,
        connection: &str,
        binding: &str,
        request: ClusterRequest,
    ) -> Result<ClusterAnswer, LinkError> {
        if connection != CONNECTION {
            return Err(LinkError::NotConnected);
        }
        if self.hangs(&request) {
            return std::future::pending().await;
        }
        let mut inner = self.inner.lock();
        inner.bindings.push(binding.to_owned());
        if inner.is_away {
            return Err(LinkError::NotConnected);
        }
        if inner.last.as_ref() == Some(&request.method) {
            inner.last = None;
            inner.is_away = true;
            Self::carry_out(&mut inner, &request);
            return Err(LinkError::Cut("the answer was lost".to_owned()));
        }
        match inner.faults.pop_front() {
            None => Ok(Self::carry_out(&mut inner, &request)),
            Some(Fault::NotConnected) => Err(LinkError::NotConnected),
            Some(Fault::Refused) => Err(LinkError::Refused),
            Some(Fault::LostAnswer) => {
                Self::carry_out(&mut inner, &request);
                Err(LinkError::Cut("the answer was lost".to_owned()))
            }
            Some(Fault::Status(status, message)) => {
                let body = json!({"kind": "Status", "message": message}).to_string();
                Ok(ClusterAnswer { status, body: body.into() })
            }
        }
    }
}
