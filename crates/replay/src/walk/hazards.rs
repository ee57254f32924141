//! Admission webhooks of the target: those with nothing behind them reject whatever they are asked about and
//! would block a restore; mutating ones may change what is restored.

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
    webhook: Webhook,
    /// Resource of its configuration.
    resource: &'static str,
    /// `<namespace>/<name>` of the Service that has no ready endpoint.
    service: String,
}

/// What an admission webhook is asked about.
#[derive(Debug, Clone)]
pub(crate) struct Webhook {
    /// Name of its configuration.
    pub(crate) configuration: String,
    rules: Vec<Rule>,
    namespaces: Option<Selector>,
}

#[derive(Debug, Clone)]
struct Rule {
    groups: Vec<String>,
    resources: Vec<String>,
}

/// Admission webhooks of the target that a restore has to know of.
#[derive(Debug, Default)]
pub(crate) struct Webhooks {
    /// Those that reject what they are asked about.
    pub(crate) hazards: Vec<Hazard>,
    /// Those that may change what they are asked about.
    pub(crate) mutating: Vec<Webhook>,
}

const MUTATING: &str = "mutatingwebhookconfigurations";
const KINDS: [(&str, &str); 2] = [
    ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations"),
    ("MutatingWebhookConfiguration", MUTATING),
];

/// Finds them.
pub(crate) async fn observe(api: &dyn ClusterApi) -> Result<Webhooks, ApiError> {
    let mut found = Webhooks::default();
    for (kind, resource) in KINDS {
        let kind = grouped("admissionregistration.k8s.io", kind, resource, false);
        let configurations = if_served(api.list(&kind, None, Shape::Full).await)?.unwrap_or_default();
        for configuration in &configurations {
            for webhook in json::items(configuration, &["webhooks"]) {
                if resource == MUTATING {
                    found.mutating.push(Webhook::read(configuration, webhook, &["*", "CREATE", "UPDATE"]));
                }
                let Some((namespace, name)) = required_service(webhook) else { continue };
                if !is_ready(api, namespace, name).await? {
                    found.hazards.push(Hazard {
                        webhook: Webhook::read(configuration, webhook, &["*", "CREATE"]),
                        resource,
                        service: format!("{namespace}/{name}"),
                    });
                }
            }
        }
    }
    Ok(found)
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

impl Webhook {
    /// Reads those rules that name one of these operations.
    fn read(configuration: &Value, webhook: &Value, operations: &[&str]) -> Self {
        let texts = |value: &Value, key: &str| -> Vec<String> {
            json::items(value, &[key]).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
        };
        let rules = json::items(webhook, &["rules"]).iter().filter(|rule| {
            texts(rule, "operations").iter().any(|operation| operations.contains(&operation.as_str()))
        });
        let selector = json::at(webhook, &["namespaceSelector"])
            .and_then(|selector| serde_json::from_value(selector.clone()).ok())
            .and_then(|selector: k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector| {
                Selector::try_from(selector).ok()
            });
        Self {
            configuration: json::text(configuration, &["metadata", "name"]).unwrap_or("").to_owned(),
            rules: rules
                .map(|rule| Rule { groups: texts(rule, "apiGroups"), resources: texts(rule, "resources") })
                .collect(),
            namespaces: selector,
        }
    }

    /// Whether it is asked about objects of this type, in a namespace with these labels if they are known.
    pub(crate) fn is_asked(&self, kind: &ResourceType, namespace: Option<&BTreeMap<String, String>>) -> bool {
        let any = |list: &[String], text: &str| {
            list.iter().any(|entry| entry == "*" || entry == "*/*" || entry == text)
        };
        self.rules.iter().any(|rule| any(&rule.groups, &kind.group) && any(&rule.resources, &kind.resource))
            && match (&self.namespaces, namespace) {
                (Some(selector), Some(labels)) => selector.matches(labels),
                _ => true,
            }
    }
}

impl Hazard {
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
                true => namespaces.iter().any(|labels| self.webhook.is_asked(kind, Some(labels))),
                false => self.webhook.is_asked(kind, Some(&none)),
            })
            .map(|kind| kind.group_resource())
            .collect();
        if rejected.is_empty() {
            return None;
        }
        let configuration = &self.webhook.configuration;
        Some(
            Problem::warning(
                crate::codes::WEBHOOK_WITHOUT_BACKEND,
                format!(
                    "The admission webhook of {} rejects every create of {}: Service {} has no ready endpoint.",
                    configuration,
                    rejected.join(", "),
                    self.service
                ),
            )
            .about(format!("{}.admissionregistration.k8s.io/{}", self.resource, configuration))
            .fix(format!("Start what serves {}, or delete the configuration.", self.service))
            .fix(format!("kubectl delete {} {}", self.resource, configuration)),
        )
    }
}
