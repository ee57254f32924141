//! Admission: policy engines, pod security, a dry run of the extension's pod; and its image.

use crate::{Subject, is_absent, seen, short};
use http::Request;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Observed, Policies, Registry};
use std::collections::BTreeMap;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const REFUSALS: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

pub(crate) async fn observe(client: &Client, subject: &Subject) -> Observed<Policies> {
    seen("looking at admission policies", look(client, subject).await)
}

async fn look(client: &Client, subject: &Subject) -> Result<Policies, kube::Error> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = match namespaces.get_metadata(&subject.namespace).await {
        Ok(namespace) => Some(namespace),
        Err(error) if is_absent(&error) => None,
        Err(error) => return Err(error),
    };
    let dry_run = match (&namespace, &subject.pod) {
        (Some(_), Some(pod)) => Some(dry_run(client, subject, pod).await?),
        _ => None,
    };
    Ok(Policies {
        dry_run,
        engines: engines(client).await?,
        pod_security: namespace.and_then(|n| n.labels().get(ENFORCE).cloned()),
    })
}

async fn dry_run(
    client: &Client,
    subject: &Subject,
    pod: &serde_json::Value,
) -> Result<Result<(), String>, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &subject.namespace);
    let pod: Pod = match serde_json::from_value(pod.clone()) {
        Ok(pod) => pod,
        Err(error) => return Ok(Err(format!("the extension's own pod is not valid: {error}"))),
    };
    match pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await {
        Ok(_) => Ok(Ok(())),
        // The service account is made by the installation itself.
        Err(error) if short(&error).contains("serviceaccount") && short(&error).contains("not found") => {
            Ok(Ok(()))
        }
        Err(kube::Error::Api(status)) => Ok(Err(status.message.clone())),
        Err(error) => Err(error),
    }
}

async fn engines(client: &Client) -> Result<BTreeMap<String, u64>, kube::Error> {
    let mut engines = BTreeMap::new();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    if let Some(count) = counted(policies.list_metadata(&ListParams::default()).await.map(|l| l.items.len()))?
    {
        engines.insert("ValidatingAdmissionPolicy".to_owned(), count);
    }
    let gatekeeper = "constraints.gatekeeper.sh/v1beta1";
    if let Ok(kinds) = client.list_api_group_resources(gatekeeper).await {
        let mut count = 0;
        for kind in kinds.resources.iter().filter(|r| !r.name.contains('/')) {
            count += counted(items(client, &format!("/apis/{gatekeeper}/{}", kind.name)).await)?.unwrap_or(0);
        }
        engines.insert("Gatekeeper".to_owned(), count);
    }
    for (name, path) in [
        ("Kyverno cluster policies", "/apis/kyverno.io/v1/clusterpolicies"),
        ("Kyverno policies", "/apis/kyverno.io/v1/policies"),
    ] {
        if let Some(count) = counted(items(client, path).await)? {
            engines.insert(name.to_owned(), count);
        }
    }
    engines.retain(|_, rules| *rules > 0);
    Ok(engines)
}

async fn items(client: &Client, path: &str) -> Result<usize, kube::Error> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|e| kube::Error::BuildRequest(kube::core::request::Error::BuildRequest(e)))?;
    let list: serde_json::Value = client.request(request).await?;
    Ok(list.get("items").and_then(|items| items.as_array()).map_or(0, Vec::len))
}

fn counted(answer: Result<usize, kube::Error>) -> Result<Option<u64>, kube::Error> {
    match answer {
        Ok(count) => Ok(Some(count as u64)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a pod with the image runs, or why it waits.
pub(crate) async fn registry(client: &Client, subject: &Subject) -> Observed<Registry> {
    let image = subject
        .pod
        .as_ref()
        .and_then(|pod| pod.pointer("/spec/containers/0/image"))
        .and_then(|image| image.as_str());
    let Some(image) = image else {
        return Observed::NotObservable("no image was given".into());
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), &subject.namespace);
    let pods = match pods.list(&ListParams::default()).await {
        Ok(pods) => pods.items,
        Err(error) => return Observed::NotObservable(format!("listing pods: {}", short(&error))),
    };
    let states =
        pods.iter().flat_map(|pod| pod.status.iter()).flat_map(|s| s.container_statuses.iter().flatten());
    let mut runs = false;
    for state in states.filter(|state| state.image == image || state.image.ends_with(&format!("/{image}"))) {
        let waiting = state.state.as_ref().and_then(|s| s.waiting.as_ref());
        if let Some(waiting) = waiting.filter(|w| w.reason.as_deref().is_some_and(|r| REFUSALS.contains(&r)))
        {
            let reason = waiting.reason.clone().unwrap_or_default();
            let message = waiting.message.clone().unwrap_or_default();
            return Observed::Seen(Registry {
                image: image.to_owned(),
                pulled: Err(format!("{reason}: {message}")),
            });
        }
        runs = runs || !state.image_id.is_empty();
    }
    if runs {
        return Observed::Seen(Registry { image: image.to_owned(), pulled: Ok(()) });
    }
    Observed::NotObservable(format!(
        "no pod uses {image} yet; run preflight again after the installation, which waits for it and reports the reason"
    ))
}
