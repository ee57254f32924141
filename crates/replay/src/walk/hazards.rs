//! Admission webhooks of the target that have nothing behind them: they reject whatever they are asked about,
//! and would block a restore.

use crate::api::{ApiError, ClusterApi, Shape};
use crate::item::ResourceType;
use crate::json;
use crate::target::{core, grouped, if_served};
use kube::core::{Selector, SelectorExt};
use protection::Problem;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A webhook without a backend.
#[derive(Debug, Clone)]
pub(crate) struct Hazard {
    /// Name of its configuration.
    configuration: String,
    /// Resource of its configuration.
    resource: &'static str,
    /// `<namespace>/<name>` of the Service that has no ready endpoint.
    service: String,
    rules: Vec<Rule>,
    namespaces: Option<Selector>,
}

#[derive(Debug, Clone)]
struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
}

const KINDS: [(&str, &str); 2] = [
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations"),
];

/// Finds them.
pub(crate) async fn observe(api: &dyn ClusterApi) -> Result<Vec<Hazard>, ApiError> {
    let mut hazards = Vec::new();
    for (kind, resource) in KINDS {
        let kind = grouped("admissionregistration.k8s.io", kind, resource, false);
        let found = if_served(api.list(&kind, None, Shape::Full).await)?.unwrap_or_default();
        for configuration in &found {
            for webhook in json::items(configuration, &["webhooks"]) {
                let Some((namespace, name)) = required_service(webhook) else { continue };
                if !is_ready(api, namespace, name).await? {
                    hazards.push(hazard(configuration, resource, webhook, format!("{namespace}/{name}")));
                }
            }
        }
    }
    Ok(hazards)
}

/// The Service without which this webhook rejects everything, as namespace and name.
pub(super) fn required_service(webhook: &Value) -> Option<(&str, &str)> {
    if json::text(webhook, &["failurePolicy"]) == Some("Ignore") {
        return None;
    }
    let service = json::at(webhook, &["clientConfig", "service"])?;
    Some((json::text(service, &["namespace"])?, json::text(service, &["name"])?))
}

/// Whether a Service has an endpoint that takes requests.
pub(super) async fn is_ready(api: &dyn ClusterApi, namespace: &str, service: &str) -> Result<bool, ApiError> {
    let kind = grouped("discovery.k8s.io", "EndpointSlice", "endpointslices", true);
    let slices = if_served(api.list(&kind, Some(namespace), Shape::Full).await)?.unwrap_or_default();
    Ok(slices.iter().any(|slice| {
        json::label(slice, "kubernetes.io/service-name") == Some(service)
            && json::items(slice, &["endpoints"]).iter().any(|endpoint| {
                // Absent means unknown, which clients take for ready.
                json::at(endpoint, &["conditions", "ready"]).and_then(Value::as_bool).unwrap_or(true)
            })
    }))
}

/// Whether a Service exists.
pub(super) async fn exists(api: &dyn ClusterApi, namespace: &str, service: &str) -> Result<bool, ApiError> {
    let place = crate::item::Place {
        kind: Arc::new(core("Service", "services", true)),
        namespace: Some(namespace.into()),
        name: service.into(),
    };
    Ok(api.get(&place).await?.is_some())
}

fn hazard(configuration: &Value, resource: &'static str, webhook: &Value, service: String) -> Hazard {
    let texts = |value: &Value, key: &str| -> Vec<String> {
        json::items(value, &[key]).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let on_create = json::items(webhook, &["rules"]).iter().filter(|rule| {
        texts(rule, "operations").iter().any(|operation| matches!(operation.as_str(), "*" | "CREATE"))
    });
    let selector = json::at(webhook, &["namespaceSelector"])
        .and_then(|selector| serde_json::from_value(selector.clone()).ok())
        .and_then(|selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
            Selector::try_from(selector).ok()
        });
    Hazard {
        configuration: json::text(configuration, &["metadata", "name"]).unwrap_or("").to_owned(),
        resource,
        service,
        rules: on_create
            .map(|rule| Rule { groups: texts(rule, "apiGroups"), resources: texts(rule, "resources") })
            .collect(),
        namespaces: selector,
    }
}

impl Hazard {
    fn rejects(&self, kind: &ResourceType, namespace: &BTreeMap<String, String>) -> bool {
        let any = |list: &[String], text: &str| {
            list.iter().any(|entry| entry == "*" || entry == "*/*" || entry == text)
        };
        self.rules.iter().any(|rule| any(&rule.groups, &kind.group) && any(&rule.resources, &kind.resource))
            && self.namespaces.as_ref().is_none_or(|selector| selector.matches(namespace))
    }

    /// The problem, if the webhook is asked about any of these types in any of these namespaces (their labels).
    pub(crate) fn problem(
        &self,
        kinds: &BTreeSet<Arc<ResourceType>>,
        namespaces: &[BTreeMap<String, String>],
    ) -> Option<Problem> {
        let none = BTreeMap::new();
        let rejected: Vec<String> = kinds
            .iter()
            .filter(|kind| match kind.namespaced {
                true => namespaces.iter().any(|labels| self.rejects(kind, labels)),
                false => self.rejects(kind, &none),
            })
            .map(|kind| kind.group_resource())
            .collect();
        if rejected.is_empty() {
            return None;
        }
        Some(
            Problem::warning(
                crate::codes::WEBHOOK_WITHOUT_BACKEND,
                format!(
                    "The admission webhook of {} rejects every create of {}: Service {} has no ready endpoint.",
                    self.configuration,
                    rejected.join(", "),
                    self.service
                ),
            )
            .about(format!("{}.admissionregistration.k8s.io/{}", self.resource, self.configuration))
            .fix(format!("Start what serves {}, or delete the configuration.", self.service))
            .fix(format!("kubectl delete {} {}", self.resource, self.configuration)),
        )
    }
}
