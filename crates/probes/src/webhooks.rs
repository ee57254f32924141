//! Admission webhooks whose service does not exist or has no ready endpoint.

use crate::seen;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ServiceReference, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{BrokenWebhook, Observed};
use std::collections::BTreeMap;

/// A webhook that is served in the cluster.
struct Hook {
    name: String,
    service: ServiceReference,
    refuses: bool,
}

pub(crate) async fn observe(client: &Client) -> Observed<Vec<BrokenWebhook>> {
    seen("looking at admission webhooks", look(client).await)
}

async fn look(client: &Client) -> Result<Vec<BrokenWebhook>, kube::Error> {
    let mut answered: BTreeMap<(String, String), (bool, bool)> = BTreeMap::new();
    let mut broken = Vec::new();
    for hook in hooks(client).await? {
        let key = (hook.service.namespace.clone(), hook.service.name.clone());
        let (exists, ready) = match answered.get(&key) {
            Some(known) => *known,
            None => {
                let state = state(client, &key.0, &key.1).await?;
                answered.insert(key.clone(), state);
                state
            }
        };
        if !ready {
            let service = format!("{}/{}", key.0, key.1);
            broken.push(BrokenWebhook {
                name: hook.name,
                service,
                service_exists: exists,
                refuses: hook.refuses,
            });
        }
    }
    Ok(broken)
}

async fn hooks(client: &Client) -> Result<Vec<Hook>, kube::Error> {
    let mut all = Vec::new();
    let any = ListParams::default();
    let refuses = |policy: Option<&String>| policy.map(String::as_str) != Some("Ignore");
    for configuration in Api::<ValidatingWebhookConfiguration>::all(client.clone()).list(&any).await? {
        let name = configuration.name_any();
        for hook in configuration.webhooks.into_iter().flatten() {
            let Some(service) = hook.client_config.service else { continue };
            let refuses = refuses(hook.failure_policy.as_ref());
            all.push(Hook { name: format!("validating/{name}/{}", hook.name), service, refuses });
        }
    }
    for configuration in Api::<MutatingWebhookConfiguration>::all(client.clone()).list(&any).await? {
        let name = configuration.name_any();
        for hook in configuration.webhooks.into_iter().flatten() {
            let Some(service) = hook.client_config.service else { continue };
            let refuses = refuses(hook.failure_policy.as_ref());
            all.push(Hook { name: format!("mutating/{name}/{}", hook.name), service, refuses });
        }
    }
    Ok(all)
}

/// Whether the service exists, and whether it has a ready endpoint. One by the name of an outside host is not judged.
async fn state(client: &Client, namespace: &str, name: &str) -> Result<(bool, bool), kube::Error> {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let Some(service) = services.get_opt(name).await? else { return Ok((false, false)) };
    if service.spec.is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName")) {
        return Ok((true, true));
    }
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), namespace);
    let of_service = ListParams::default().labels(&format!("kubernetes.io/service-name={name}"));
    let slices = slices.list(&of_service).await?;
    let mut endpoints = slices.items.iter().flat_map(|slice| slice.endpoints.iter());
    let ready = endpoints.any(|one| one.conditions.as_ref().and_then(|all| all.ready).unwrap_or(true));
    Ok((true, ready))
}
