//! Rights: one access review per verb and resource of the extension's role.

use crate::{Account, Needed, seen};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::PostParams;
use kube::{Api, Client};
use prerequisites::{Observed, Rights, Whose};

/// How many reviews are asked for at the same time.
const AT_ONCE: usize = 8;

/// Whether the account holds each right that the extension needs.
pub(crate) async fn observe(client: &Client, needed: &Needed) -> Observed<Rights> {
    let mut questions = questions(&needed.rules, None);
    for (namespace, rules) in &needed.in_namespaces {
        questions.extend(self::questions(rules, Some(namespace)));
    }
    if questions.is_empty() {
        return Observed::NotObservable("no list of needed rights was given".into());
    }
    seen("asking for access reviews", ask(client, needed, questions).await)
}

async fn ask(
    client: &Client,
    needed: &Needed,
    questions: Vec<ResourceAttributes>,
) -> Result<Rights, kube::Error> {
    let whose = match &needed.account {
        Account::Asker => Whose::Asking(who_am_i(client).await),
        Account::ThisExtension(user) | Account::Extension(user) => Whose::Extension(user.clone()),
    };
    let mut missing: Vec<String> = futures::stream::iter(questions)
        .map(|question| async move {
            let allowed = allowed(client, &needed.account, &question).await?;
            Ok::<_, kube::Error>((!allowed).then(|| name(&question)))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|missing| async move { Ok(missing) })
        .try_collect()
        .await?;
    missing.sort();
    Ok(Rights { whose, missing })
}

/// The name by which the API server knows whoever asks; older ones cannot say it.
async fn who_am_i(client: &Client) -> String {
    let review = Api::all(client.clone()).create(&PostParams::default(), &SelfSubjectReview::default()).await;
    review
        .ok()
        .and_then(|review| review.status?.user_info?.username)
        .unwrap_or_else(|| "the current user".to_owned())
}

fn questions(rules: &[PolicyRule], namespace: Option<&String>) -> Vec<ResourceAttributes> {
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
                        namespace: namespace.cloned(),
                        ..ResourceAttributes::default()
                    });
                }
            }
        }
    }
    questions
}

/// Whether the account may do this.
async fn allowed(
    client: &Client,
    account: &Account,
    question: &ResourceAttributes,
) -> Result<bool, kube::Error> {
    let answer = match account {
        Account::Asker | Account::ThisExtension(_) => {
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(question.clone()),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            Api::all(client.clone()).create(&PostParams::default(), &review).await?.status
        }
        Account::Extension(user) => {
            let review = SubjectAccessReview {
                spec: SubjectAccessReviewSpec {
                    user: Some(user.clone()),
                    groups: Some(groups(user)),
                    resource_attributes: Some(question.clone()),
                    ..SubjectAccessReviewSpec::default()
                },
                ..SubjectAccessReview::default()
            };
            Api::all(client.clone()).create(&PostParams::default(), &review).await?.status
        }
    };
    Ok(answer.is_some_and(|status| status.allowed))
}

/// Whether whoever asks may create pods in `namespace`; without that, a dry run of a pod says nothing about
/// admission.
pub(crate) async fn may_create_pods(client: &Client, namespace: &str) -> Result<bool, kube::Error> {
    let question = ResourceAttributes {
        group: Some(String::new()),
        resource: Some("pods".to_owned()),
        verb: Some("create".to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ResourceAttributes::default()
    };
    allowed(client, &Account::Asker, &question).await
}

/// The groups of a service account.
fn groups(user: &str) -> Vec<String> {
    let mut groups = vec!["system:authenticated".to_owned()];
    if let Some((namespace, _)) = user.strip_prefix("system:serviceaccount:").and_then(|a| a.split_once(':'))
    {
        groups.push("system:serviceaccounts".to_owned());
        groups.push(format!("system:serviceaccounts:{namespace}"));
    }
    groups
}

fn name(question: &ResourceAttributes) -> String {
    let verb = question.verb.as_deref().unwrap_or_default();
    let resource = question.resource.as_deref().unwrap_or_default();
    let group =
        question.group.as_deref().filter(|g| !g.is_empty()).map(|g| format!(".{g}")).unwrap_or_default();
    let sub = question.subresource.as_deref().map(|s| format!("/{s}")).unwrap_or_default();
    let place = question.namespace.as_deref().map(|n| format!(" in {n}")).unwrap_or_default();
    format!("{verb} {resource}{group}{sub}{place}")
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

        let names: Vec<_> = questions(&[rule], None).iter().map(name).collect();

        assert_eq!(
            names,
            ["get pods/exec", "create pods/exec", "get pods.apps/exec", "create pods.apps/exec"]
        );
    }
}
