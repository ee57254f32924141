//! Admission: policy engines, pod security, a dry run of the extension's pod; and its image.

use crate::{Subject, is_absent, rights::may_create_pods, seen, short};
use http::Request;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use prerequisites::{Constraint, DryRun, Observed, Policies, Registry, refusing_constraints};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
const GATEKEEPER: &str = "constraints.gatekeeper.sh/v1beta1";
const KYVERNO: &str = "kyverno.io/v1";
/// Between two looks at a namespace that is being set up.
const AGAIN: Duration = Duration::from_millis(500);
const REFUSALS: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Why nothing can be asked in a namespace that was only just made.
const TOO_EARLY: &str = "the namespace has no account yet, it is only being set up; look again in a moment";

/// What admission says once a namespace that was just made is set up, or `limit` later.
pub(crate) async fn settled(client: &Client, subject: &Subject, limit: Duration) -> Observed<Policies> {
    let end = Instant::now() + limit;
    loop {
        let found = observe(client, subject).await;
        let is_early = found.seen().is_some_and(|seen| is_too_early(&seen.dry_run));
        if !is_early || Instant::now() >= end {
            return found;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn is_too_early(said: &DryRun) -> bool {
    matches!(said, DryRun::NotPossible(why) if why == TOO_EARLY)
}

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
        (None, _) => DryRun::NoNamespace,
        (Some(_), None) => DryRun::NotPossible("the pod is not known".into()),
        (Some(_), Some(_)) if !may_create_pods(client, &subject.namespace).await? => {
            DryRun::NotPossible(format!("pods may not be created in {}", subject.namespace))
        }
        (Some(_), Some(pod)) => dry_run(client, subject, pod).await?,
    };
    let engines = engines(client, &refusing(&dry_run)).await?;
    Ok(Policies {
        dry_run,
        engines: engines.seen,
        unlisted: engines.unlisted,
        constraints: engines.constraints,
        pod_security: namespace.and_then(|n| n.labels().get(ENFORCE).cloned()),
    })
}

/// What admission says to the pod. A pod whose account does not exist yet is judged with the namespace's
/// default account: the refusal of the account would hide what the policies say.
async fn dry_run(client: &Client, subject: &Subject, pod: &Value) -> Result<DryRun, kube::Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &subject.namespace);
    let mut pod: Pod = match serde_json::from_value(pod.clone()) {
        Ok(pod) => pod,
        Err(error) => {
            return Ok(DryRun::NotPossible(format!("the extension's own pod is not valid: {error}")));
        }
    };
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let mut answer = pods.create(&params, &pod).await;
    if answer.as_ref().is_err_and(|error| is_about_the_account(&short(error))) {
        if let Some(spec) = pod.spec.as_mut() {
            spec.service_account_name = None;
            spec.automount_service_account_token = Some(false);
        }
        answer = pods.create(&params, &pod).await;
    }
    match answer {
        Ok(_) => Ok(DryRun::Admitted),
        // Each new namespace gets its account from a controller, a moment later.
        Err(error) if is_about_the_account(&short(&error)) => Ok(DryRun::NotPossible(TOO_EARLY.to_owned())),
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
            Ok(DryRun::Rejected(status.message.clone()))
        }
        Err(error) => Err(error),
    }
}

fn is_about_the_account(text: &str) -> bool {
    text.contains("serviceaccount") && text.contains("not found")
}

/// The constraints of Gatekeeper that refused.
fn refusing(said: &DryRun) -> Vec<String> {
    match said {
        DryRun::Rejected(reason) => refusing_constraints(reason).into_iter().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Policy engines, and those that are there and whose rules whoever asks may not list.
#[derive(Default)]
struct Engines {
    seen: BTreeMap<String, u64>,
    unlisted: Vec<String>,
    constraints: Vec<Constraint>,
}

impl Engines {
    fn add(&mut self, name: &str, rules: Result<usize, kube::Error>) -> Result<(), kube::Error> {
        match rules {
            Ok(rules) => *self.seen.entry(name.to_owned()).or_default() += rules as u64,
            Err(error) if is_absent(&error) => {}
            Err(kube::Error::Api(status)) if status.code == 403 => {
                if !self.unlisted.iter().any(|other| other == name) {
                    self.unlisted.push(name.to_owned());
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Whether a group is served is seen without any right; without one, a list of what is not served is forbidden. Of Gatekeeper's
/// constraints those with these names are kept.
async fn engines(client: &Client, refusing: &[String]) -> Result<Engines, kube::Error> {
    let mut engines = Engines::default();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let policies = policies.list_metadata(&ListParams::default()).await;
    engines.add("ValidatingAdmissionPolicy", policies.map(|list| list.items.len()))?;
    engines.add("webhooks that judge pods", webhooks_for_pods(client).await)?;
    for kind in served(client, GATEKEEPER).await? {
        let found = items(client, &format!("/apis/{GATEKEEPER}/{kind}")).await;
        let named = found.iter().flatten().filter_map(|item| constraint(&kind, item));
        engines.constraints.extend(named.filter(|one| refusing.contains(&one.name)));
        engines.add("Gatekeeper", found.map(|items| items.len()))?;
    }
    let kyverno = served(client, KYVERNO).await?;
    for (name, kind) in [("Kyverno cluster policies", "clusterpolicies"), ("Kyverno policies", "policies")] {
        if kyverno.iter().any(|served| served == kind) {
            let found = items(client, &format!("/apis/{KYVERNO}/{kind}")).await;
            engines.add(name, found.map(|items| items.len()))?;
        }
    }
    engines.seen.retain(|_, rules| *rules > 0);
    Ok(engines)
}

/// The resources of a group that may not be there.
async fn served(client: &Client, group_version: &str) -> Result<Vec<String>, kube::Error> {
    match client.list_api_group_resources(group_version).await {
        Ok(list) => {
            Ok(list.resources.into_iter().map(|r| r.name).filter(|name| !name.contains('/')).collect())
        }
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Validating webhooks whose rules match pods.
async fn webhooks_for_pods(client: &Client) -> Result<usize, kube::Error> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let configurations = api.list(&ListParams::default()).await?;
    let webhooks =
        configurations.items.iter().flat_map(|configuration| configuration.webhooks.iter().flatten());
    let matching = webhooks.filter(|webhook| {
        webhook.rules.iter().flatten().any(|rule| {
            rule.resources.iter().flatten().any(|resource| matches!(resource.as_str(), "pods" | "*" | "*/*"))
        })
    });
    Ok(matching.count())
}

async fn items(client: &Client, path: &str) -> Result<Vec<Value>, kube::Error> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|e| kube::Error::BuildRequest(kube::core::request::Error::BuildRequest(e)))?;
    let mut list: Value = client.request(request).await?;
    Ok(list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
}

/// A constraint of this kind, without its rules.
fn constraint(resource: &str, item: &Value) -> Option<Constraint> {
    let excluded = item.pointer("/spec/match/excludedNamespaces").and_then(Value::as_array);
    Some(Constraint {
        resource: resource.to_owned(),
        name: item.pointer("/metadata/name")?.as_str()?.to_owned(),
        excluded: excluded.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
    })
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
    let statuses = || {
        pods.iter()
            .flat_map(|pod| pod.status.iter())
            .flat_map(|status| status.container_statuses.iter().flatten())
            .filter(|status| is_named(&status.image, image))
    };
    let (all, with) = nodes_with(client, image).await.unwrap_or_default();
    let everywhere = all > 0 && with == all;
    let found = |pulled| Observed::Seen(Registry { image: image.to_owned(), pulled, everywhere });
    if statuses().any(|status| !status.image_id.is_empty()) {
        return found(Ok("a pod runs".into()));
    }
    if everywhere {
        return found(Ok(format!("all {all} Linux nodes hold")));
    }
    let refusals = statuses().filter_map(|status| status.state.as_ref()?.waiting.as_ref());
    for waiting in refusals {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        if REFUSALS.contains(&reason) {
            let message = waiting.message.as_deref().unwrap_or_default();
            return found(Err(format!("{reason}: {message}")));
        }
    }
    Observed::NotObservable(format!(
        "no pod uses {image} yet; the installation waits for it and reports why it cannot be fetched"
    ))
}

/// Container runtimes put a registry in front of short names.
fn is_named(full: &str, image: &str) -> bool {
    full == image || full.strip_suffix(image).is_some_and(|before| before.ends_with('/'))
}

/// How many Linux nodes there are, and how many of them hold the image already.
async fn nodes_with(client: &Client, image: &str) -> Result<(usize, usize), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let linux = ListParams::default().labels("kubernetes.io/os=linux");
    let nodes = nodes.list(&linux).await?.items;
    let holds = |node: &&Node| {
        let images = node.status.iter().flat_map(|status| status.images.iter().flatten());
        images.flat_map(|held| held.names.iter().flatten()).any(|name| is_named(name, image))
    };
    Ok((nodes.len(), nodes.iter().filter(holds).count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeServer;
    use serde_json::json;

    #[tokio::test]
    async fn of_gatekeepers_constraints_those_that_refused_are_kept_with_what_they_leave_out() {
        let kind = json!({"name": "needsowner", "singularName": "needsowner", "namespaced": false,
            "kind": "NeedsOwner", "verbs": ["list"]});
        let status = json!({"name": "needsowner/status", "singularName": "", "namespaced": false,
            "kind": "NeedsOwner", "verbs": ["get"]});
        let resources = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GATEKEEPER,
            "resources": [kind, status]});
        let constraints = json!({"items": [
            {"metadata": {"name": "owner"}, "spec": {"match": {"excludedNamespaces": ["kube-*"]}}},
            {"metadata": {"name": "others"}},
            {"metadata": {}},
        ]});
        let server = FakeServer::default()
            .with(&format!("/apis/{GATEKEEPER}"), resources)
            .with(&format!("/apis/{GATEKEEPER}/needsowner"), constraints);
        let said = "admission webhook \"validation.gatekeeper.sh\" denied the request: [owner] no";
        let refused = refusing(&DryRun::Rejected(said.to_owned()));

        let found = engines(&server.client(), &refused).await.unwrap();

        let owner = Constraint {
            resource: "needsowner".to_owned(),
            name: "owner".to_owned(),
            excluded: vec!["kube-*".to_owned()],
        };
        assert_eq!(found.constraints, [owner]);
        assert_eq!(found.seen, BTreeMap::from([("Gatekeeper".to_owned(), 3)]));
        assert_eq!(refusing(&DryRun::Admitted), [""; 0]);
    }
}
