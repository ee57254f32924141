//! Writes an operation's status: only when it changed, and only while this process owns the attempt.
//!
//! The attempt number is the fence. A process that lost its leadership and does not know it yet finds another
//! attempt in the status and stops, instead of overwriting its successor's record.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use protection::{Problem, Severity};
use resources::{MAX_STATUS_PROBLEMS, StatusProblem};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::fmt::Debug;

/// Field manager of everything that the extension writes into its own objects.
pub const MANAGER: &str = "cofferdam";

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// The object is gone, or another one has its name.
    #[error("{0} is gone")]
    Gone(String),
    /// Another process has begun a later attempt.
    #[error("another instance of the extension has taken over {0}")]
    TakenOver(String),
    /// The API server did not take it.
    #[error("could not write the status of {name}: {source}")]
    Api {
        /// The object.
        name: String,
        /// What the API server said.
        source: kube::Error,
    },
}

/// The status of one object, as this process last read or wrote it.
#[derive(Debug)]
pub struct StatusWriter<K> {
    api: Api<K>,
    name: String,
    uid: String,
    version: String,
    attempt: u64,
    last: Value,
}

impl<K> StatusWriter<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + Debug,
{
    /// A writer that knows the object as it was just read.
    pub fn new(api: Api<K>, object: &K) -> Self {
        let last = status_of(object);
        Self {
            api,
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
            attempt: attempt_of(&last),
            last,
        }
    }

    /// Writes `status` unless it is what was written last.
    pub async fn write(&mut self, status: &impl Serialize) -> Result<(), StatusError> {
        let status =
            serde_json::to_value(status).map_err(|error| self.failed(kube::Error::SerdeError(error)))?;
        if status == self.last {
            return Ok(());
        }
        for _ in 0..8 {
            match self.try_write(&status).await {
                Ok(object) => {
                    self.version = object.resource_version().unwrap_or_default();
                    self.attempt = attempt_of(&status);
                    self.last = status;
                    return Ok(());
                }
                Err(kube::Error::Api(answer)) if answer.code == 409 => {
                    if self.read_again(Some(&status)).await? {
                        return Ok(());
                    }
                }
                Err(kube::Error::Api(answer)) if answer.code == 404 => {
                    return Err(StatusError::Gone(self.name.clone()));
                }
                Err(error) => return Err(self.failed(error)),
            }
        }
        Err(StatusError::TakenOver(self.name.clone()))
    }

    async fn try_write(&self, status: &Value) -> Result<K, kube::Error> {
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": self.name, "uid": self.uid, "resourceVersion": self.version},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        self.api.patch_status(&self.name, &params, &Patch::Apply(body)).await
    }

    /// Looks whether the object is still there and no other process has begun a later attempt.
    pub async fn still_ours(&mut self) -> Result<(), StatusError> {
        self.read_again(None).await.map(drop)
    }

    /// After a conflict: the object may have changed (a cancellation), but it must still be ours. True if it has
    /// the `wanted` status: the write before this one arrived, only its answer did not.
    async fn read_again(&mut self, wanted: Option<&Value>) -> Result<bool, StatusError> {
        let found = self.api.get_opt(&self.name).await.map_err(|error| self.failed(error))?;
        let Some(object) = found.filter(|object| object.uid().as_deref() == Some(&self.uid)) else {
            return Err(StatusError::Gone(self.name.clone()));
        };
        let there = status_of(&object);
        let arrived = wanted == Some(&there);
        if !arrived && attempt_of(&there) != self.attempt {
            return Err(StatusError::TakenOver(self.name.clone()));
        }
        self.version = object.resource_version().unwrap_or_default();
        if arrived {
            self.attempt = attempt_of(&there);
            self.last = there;
        }
        Ok(arrived)
    }

    fn failed(&self, source: kube::Error) -> StatusError {
        StatusError::Api { name: self.name.clone(), source }
    }
}

fn status_of<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object)
        .ok()
        .and_then(|mut object| object.get_mut("status").map(Value::take))
        .unwrap_or_default()
}

fn attempt_of(status: &Value) -> u64 {
    status.get("attempt").and_then(Value::as_u64).unwrap_or_default()
}

/// The problems as a status carries them: the gravest first, at most [`MAX_STATUS_PROBLEMS`], and how many
/// warnings and errors there are in all.
pub fn summarise(problems: &[Problem]) -> (Vec<StatusProblem>, u64) {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    let kept = sorted.into_iter().take(MAX_STATUS_PROBLEMS).map(carried).collect();
    let weighty = problems.iter().filter(|problem| problem.severity > Severity::Information).count();
    (kept, weighty as u64)
}

fn carried(problem: &Problem) -> StatusProblem {
    StatusProblem {
        severity: format!("{:?}", problem.severity),
        code: problem.code.clone(),
        message: problem.message.clone(),
        target: problem.target.clone(),
        recommended_action: problem.recommended_action.clone(),
    }
}

/// Shows that an operation goes on.
pub fn show_progress(conditions: &mut Vec<Condition>, now: Timestamp) {
    set_condition(conditions, "Succeeded", "Unknown", "InProgress", "", now);
}

/// Shows why an operation does not get on: its step is tried again until it succeeds or its time is over.
pub fn show_waiting(conditions: &mut Vec<Condition>, problem: &Problem, now: Timestamp) {
    let message = format!("{} ({})", problem.message, problem.code);
    set_condition(conditions, "Succeeded", "Unknown", "TryingAgain", &message, now);
}

/// Sets a condition; the transition time changes only with the condition's status.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let existing = conditions.iter_mut().find(|condition| condition.type_ == type_);
    let since = match &existing {
        Some(condition) if condition.status == status => condition.last_transition_time.clone(),
        _ => Time(now),
    };
    let condition = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: since,
        observed_generation: None,
    };
    match existing {
        Some(slot) => *slot = condition,
        None => conditions.push(condition),
    }
}
