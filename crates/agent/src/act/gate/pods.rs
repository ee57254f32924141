//! What admission says to the extension's pods, asked with a dry run as the agent.

use crate::{MANAGER, objects};
use kube::{
    Client,
    api::{Patch, PatchParams},
};
use packages::PodAsked;
use prerequisites::DryRun;
use serde_json::{Value, json};

/// The answer for all pods together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// As a fact.
    Fact(DryRun),
    /// None yet, and why.
    NotYet(String),
}

impl Said {
    pub fn into_fact(self) -> DryRun {
        match self {
            Self::Fact(fact) => fact,
            Self::NotYet(why) => DryRun::NotPossible(why),
        }
    }
}

/// With which account pods were asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithAccount {
    /// Each with its own.
    Own,
    /// Some with their namespace's, for their own is not there yet: what policies say of their own is not known.
    Another,
}

/// Asks about each pod. One that is refused decides, then one that could not be asked about.
pub(super) async fn ask(client: &Client, pods: &[PodAsked]) -> (Said, WithAccount) {
    let (mut all, mut account) = (Said::Fact(DryRun::Admitted), WithAccount::Own);
    for asked in pods {
        let (said, with) = ask_one(client, asked).await;
        if weight(&said) > weight(&all) {
            all = said;
        }
        if with == WithAccount::Another {
            account = with;
        }
    }
    (all, account)
}

fn weight(said: &Said) -> u8 {
    match said {
        Said::Fact(DryRun::Admitted) => 0,
        Said::Fact(DryRun::NotPossible(_)) => 1,
        Said::Fact(DryRun::NoNamespace) => 2,
        Said::NotYet(_) => 3,
        Said::Fact(DryRun::Rejected(_)) => 4,
    }
}

async fn ask_one(client: &Client, asked: &PodAsked) -> (Said, WithAccount) {
    let said = dry_run(client, asked, &asked.pod).await;
    // Its account may be written after this question: until then the namespace's own stands for it, so that the refusal of
    // the account does not hide what policies say.
    match said {
        Said::NotYet(why) if is_about_the_account(&why) => {
            (dry_run(client, asked, &without_account(&asked.pod)).await, WithAccount::Another)
        }
        said => (said, WithAccount::Own),
    }
}

async fn dry_run(client: &Client, asked: &PodAsked, pod: &Value) -> Said {
    let params = PatchParams { dry_run: true, ..PatchParams::apply(MANAGER).force() };
    let answer = objects::api(client, &asked.key).patch(&asked.key.name, &params, &Patch::Apply(pod)).await;
    match answer {
        Ok(_) => Said::Fact(DryRun::Admitted),
        Err(kube::Error::Api(status)) => judge(status.code, &status.message),
        Err(error) => Said::NotYet(error.to_string()),
    }
}

fn judge(code: u16, message: &str) -> Said {
    let text = message.to_owned();
    match code {
        404 => Said::Fact(DryRun::NoNamespace),
        408 | 409 | 429 | 500.. => Said::NotYet(text),
        403 if message.contains("being terminated") || is_about_the_account(message) => Said::NotYet(text),
        401 => Said::Fact(DryRun::NotPossible(text)),
        403 if message.contains(" cannot ") && message.contains("resource \"pods\"") => {
            let why = "the agent may not ask; grant it with `cofferdam cluster connect`";
            Said::Fact(DryRun::NotPossible(format!("{why} ({text})")))
        }
        400 if message.contains("does not support dry run") => Said::Fact(DryRun::NotPossible(text)),
        _ => Said::Fact(DryRun::Rejected(text)),
    }
}

fn is_about_the_account(message: &str) -> bool {
    message.contains("service account") && message.contains("not found")
}

fn without_account(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(spec) = pod.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.remove("serviceAccountName");
        spec.remove("serviceAccount");
        spec.insert("automountServiceAccountToken".to_owned(), json!(false));
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_api_server_are_told_apart() {
        let account =
            "pods \"a\" is forbidden: error looking up service account n/a: serviceaccount \"a\" not found";
        let right = "pods \"a\" is forbidden: User \"x\" cannot patch resource \"pods\" in API group \"\"";
        let cases = [
            (404, "namespaces \"n\" not found", "NoNamespace"),
            (403, account, "NotYet"),
            (500, "failed calling webhook \"x\": connection refused", "NotYet"),
            (429, "too many requests", "NotYet"),
            (403, "unable to create new content in namespace n because it is being terminated", "NotYet"),
            (403, right, "NotPossible"),
            (400, "admission webhook \"x\" does not support dry run", "NotPossible"),
            (403, "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\"", "Rejected"),
            (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no", "Rejected"),
            (403, "pods \"a\" is forbidden: exceeded quota: q", "Rejected"),
        ];

        for (code, message, expected) in cases {
            let said = format!("{:?}", judge(code, message));
            assert!(said.contains(expected), "{message}: {said}");
        }
    }

    #[test]
    fn a_refused_pod_decides_then_one_that_could_not_be_asked_about() {
        let all = [
            Said::Fact(DryRun::Admitted),
            Said::Fact(DryRun::NotPossible("a".into())),
            Said::Fact(DryRun::NoNamespace),
            Said::NotYet("b".into()),
            Said::Fact(DryRun::Rejected("c".into())),
        ];

        assert!(all.windows(2).all(|pair| weight(&pair[0]) < weight(&pair[1])));
    }
}
