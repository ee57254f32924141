//! The health of a release, judged from its workloads, their pods and the events about them. Pure.

use crate::error::{Failure, code};
use jiff::SignedDuration;
use packages::{
    HealthRule,
    wire::{ErrorInfo, Level, Status},
};
use serde_json::Value;

/// What was seen of one workload.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Workload {
    /// The object; absent when there is none.
    pub object: Option<Value>,
    /// Its pods.
    pub pods: Vec<Value>,
    /// Messages of warning events about its pods, the newest last.
    pub events: Vec<String>,
}

/// How a release is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    rule: HealthRule,
    ready: bool,
    is_there: bool,
    /// What the pods say, the gravest first.
    said: Vec<(&'static str, String)>,
}

/// Judges each rule by what was seen for it.
pub fn judge(seen: &[(HealthRule, Workload)]) -> Health {
    let part = |(rule, workload): &(HealthRule, Workload)| Part {
        rule: rule.clone(),
        ready: workload.object.as_ref().is_some_and(is_ready),
        is_there: workload.object.is_some(),
        said: said(workload),
    };
    Health { parts: seen.iter().map(part).collect() }
}

impl Health {
    /// Whether everything that must become ready is.
    pub fn is_ready(&self) -> bool {
        self.parts.iter().all(|part| part.ready)
    }

    /// Whether a workload is not there at all.
    pub fn has_lost_something(&self) -> bool {
        self.parts.iter().any(|part| !part.is_there)
    }

    /// The failure, if something that is not ready should be by now.
    pub fn overdue(&self, waited: SignedDuration) -> Option<Failure> {
        let late = |part: &&Part| {
            !part.ready && waited >= SignedDuration::from_secs(part.rule.within_seconds.into())
        };
        let part = self.parts.iter().find(late)?;
        let name = format!("{} {}", part.rule.kind, part.rule.name);
        let seconds = part.rule.within_seconds;
        let (code, cause) = match part.said.first() {
            Some((code, text)) => (*code, text.clone()),
            None => (code::TIMED_OUT, "Its pods give no reason.".to_owned()),
        };
        let mut failure = Failure::new(code, format!("{name} was not ready within {seconds} s. {cause}"));
        failure.error.details =
            part.said.iter().map(|(code, text)| ErrorInfo::new(code, text.clone())).collect();
        failure.statuses = self.statuses(Level::Error);
        Some(failure)
    }

    /// What the pods say, to be shown while they are waited for.
    pub fn statuses(&self, level: Level) -> Vec<Status> {
        let unready = self.parts.iter().filter(|part| !part.ready);
        unready
            .flat_map(|part| &part.said)
            .map(|(code, text)| Status::new(code, "What the pods say", level, text.clone()))
            .collect()
    }
}

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

/// Whether a workload runs in its newest form and nothing of the form before it runs any more.
fn is_ready(object: &Value) -> bool {
    if number(object, "/status/observedGeneration") < number(object, "/metadata/generation") {
        return false;
    }
    let at = |field: &str| number(object, &format!("/status/{field}"));
    match object.pointer("/kind").and_then(Value::as_str) {
        Some("DaemonSet") => {
            let wanted = at("desiredNumberScheduled");
            at("updatedNumberScheduled") >= wanted && at("numberAvailable") >= wanted
        }
        Some("StatefulSet") => {
            let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            at("updatedReplicas") >= wanted && at("readyReplicas") >= wanted
        }
        _ => {
            let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
            at("updatedReplicas") >= wanted
                && at("availableReplicas") >= wanted
                && at("replicas") <= at("updatedReplicas")
        }
    }
}

const IMAGE: [&str; 5] =
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"];
const CONTAINER: [&str; 3] = ["CreateContainerConfigError", "CreateContainerError", "RunContainerError"];

fn said(workload: &Workload) -> Vec<(&'static str, String)> {
    let mut said = Vec::new();
    for pod in &workload.pods {
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?");
        for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
            let containers = pod.pointer(list).and_then(Value::as_array);
            said.extend(
                containers.into_iter().flatten().filter_map(|container| container_says(name, container)),
            );
        }
        said.extend(unschedulable(name, pod));
    }
    let conditions = workload.object.as_ref().and_then(|object| object.pointer("/status/conditions"));
    for condition in conditions.and_then(Value::as_array).into_iter().flatten() {
        let is = |pointer: &str, value: &str| condition.pointer(pointer).is_some_and(|found| found == value);
        if is("/type", "ReplicaFailure") && is("/status", "True") {
            let text = condition.pointer("/message").and_then(Value::as_str).unwrap_or_default();
            said.push((code::REFUSED, format!("Its pods are refused: {}", shortened(text))));
        }
    }
    if let Some(event) = workload.events.last() {
        // An event explains what the states only name.
        if let Some((_, text)) = said.first_mut() {
            text.push_str(&format!(" Last event: {}", shortened(event)));
        } else {
            said.push((code::TIMED_OUT, format!("Last event: {}", shortened(event))));
        }
    }
    said.dedup();
    said.truncate(10);
    said
}

fn container_says(pod: &str, container: &Value) -> Option<(&'static str, String)> {
    let text = |pointer: &str| container.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (name, reason) = (text("/name"), text("/state/waiting/reason"));
    let message = shortened(text("/state/waiting/message"));
    if IMAGE.contains(&reason) {
        let image = text("/image");
        return Some((
            code::IMAGE,
            format!("Pod {pod}: image {image} of container {name}: {reason}. {message}"),
        ));
    }
    if CONTAINER.contains(&reason) {
        return Some((code::CONTAINER, format!("Pod {pod}: container {name}: {reason}. {message}")));
    }
    let last = ["/lastState/terminated", "/state/terminated"]
        .into_iter()
        .find_map(|place| container.pointer(place))
        .filter(|last| last.pointer("/exitCode").and_then(Value::as_i64) != Some(0))?;
    let restarts = container.pointer("/restartCount").and_then(Value::as_i64).unwrap_or(0);
    let exit = last.pointer("/exitCode").and_then(Value::as_i64).unwrap_or(-1);
    let why = last.pointer("/reason").and_then(Value::as_str).unwrap_or("Error");
    let words = last.pointer("/message").and_then(Value::as_str).map(shortened).unwrap_or_default();
    let text =
        format!("Pod {pod}: container {name} ended with code {exit} ({why}), {restarts} restarts. {words}");
    Some((code::CRASH, text.trim_end().to_owned()))
}

fn unschedulable(pod: &str, object: &Value) -> Option<(&'static str, String)> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    let condition = conditions.iter().find(|condition| {
        condition.pointer("/type").is_some_and(|found| found == "PodScheduled")
            && condition.pointer("/status").is_some_and(|found| found == "False")
    })?;
    let text = condition.pointer("/message").and_then(Value::as_str).unwrap_or_default();
    Some((code::UNSCHEDULABLE, format!("Pod {pod} is on no node: {}", shortened(text))))
}

/// A stranger's text, fit to be reported.
fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect::<String>().trim().to_owned()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
