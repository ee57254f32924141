//! Rights: one access review per verb and resource of the extension's role.

use crate::seen;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::{Api, Client};
use prerequisites::Observed;

/// Whether whoever runs the checks holds (and so can grant) each right that the extension needs.
pub(crate) async fn observe(client: &Client, rules: &[PolicyRule]) -> Observed<Vec<String>> {
    if rules.is_empty() {
        return Observed::NotObservable("no list of needed rights was given".into());
    }
    seen("asking for access reviews", ask(client, rules).await)
}

async fn ask(client: &Client, rules: &[PolicyRule]) -> Result<Vec<String>, kube::Error> {
    let mut missing: Vec<String> = futures::stream::iter(questions(rules))
        .map(|question| async move {
            let allowed = allowed(client, &question).await?;
            Ok::<_, kube::Error>((!allowed).then(|| name(&question)))
        })
        .buffer_unordered(8)
        .try_filter_map(|missing| async move { Ok(missing) })
        .try_collect()
        .await?;
    missing.sort();
    Ok(missing)
}

fn questions(rules: &[PolicyRule]) -> Vec<ResourceAttributes> {
    let mut questions = Vec::new();
    for rule in rules {
        for group in rule.api_groups.iter().flatten() {
            for resource in rule.resources.iter().flatten() {
                let (resource, subresource) = match resource.split_once('/') {
                    Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
                    None => (resource.as_str(), None),
                };
                for verb in &rule.verbs {
                    questions.push(ResourceAttributes {
                        group: Some(group.clone()),
                        resource: Some(resource.to_owned()),
                        subresource: subresource.clone(),
                        verb: Some(verb.clone()),
                        ..ResourceAttributes::default()
                    });
                }
            }
        }
    }
    questions
}

async fn allowed(client: &Client, question: &ResourceAttributes) -> Result<bool, kube::Error> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(question.clone()),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

fn name(question: &ResourceAttributes) -> String {
    let verb = question.verb.as_deref().unwrap_or_default();
    let resource = question.resource.as_deref().unwrap_or_default();
    let group =
        question.group.as_deref().filter(|g| !g.is_empty()).map(|g| format!(".{g}")).unwrap_or_default();
    let sub = question.subresource.as_deref().map(|s| format!("/{s}")).unwrap_or_default();
    format!("{verb} {resource}{group}{sub}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verb_of_each_resource_is_one_question() {
        let rule = PolicyRule {
            api_groups: Some(vec![String::new(), "apps".into()]),
            resources: Some(vec!["pods/exec".into()]),
            verbs: vec!["get".into(), "create".into()],
            ..PolicyRule::default()
        };

        let names: Vec<_> = questions(&[rule]).iter().map(name).collect();

        assert_eq!(
            names,
            ["get pods/exec", "create pods/exec", "get pods.apps/exec", "create pods.apps/exec"]
        );
    }
}
