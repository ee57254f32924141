//! Who refused a pod, read out of what the API server says, and how a namespace is excluded from exactly that.

use crate::{Constraint, gatekeeper};

/// Who refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refuser {
    /// What they are, as `kubectl` names them where it does.
    pub names: Vec<String>,
    /// How `namespace` gets out of its reach.
    pub remedy: String,
}

/// Who refused a pod of `namespace` with these words; nothing when they do not say. Constraints of Gatekeeper come with what could
/// be read of them.
pub(crate) fn refuser(reason: &str, namespace: &str, constraints: &[Constraint]) -> Option<Refuser> {
    of_kubernetes(reason, namespace)
        .or_else(|| pod_security(reason, namespace))
        .or_else(|| limit_range(reason, namespace))
        .or_else(|| gatekeeper::refuser(reason, namespace, constraints))
        .or_else(|| webhook(reason, namespace))
}

/// `ValidatingAdmissionPolicy 'owner' with binding 'everywhere' denied request: …`
fn of_kubernetes(reason: &str, namespace: &str) -> Option<Refuser> {
    let (_, rest) = reason.split_once("ValidatingAdmissionPolicy '")?;
    let (policy, rest) = rest.split_once('\'')?;
    let binding = rest
        .strip_prefix(" with binding '")
        .and_then(|rest| rest.split_once('\''))
        .map_or(policy, |(binding, _)| binding);
    Some(Refuser {
        names: vec![format!("validatingadmissionpolicy/{policy}")],
        remedy: format!(
            "Exclude the namespace {namespace} from the ValidatingAdmissionPolicy {policy}, by a namespaceSelector of its binding {binding} or of its own: kubectl get validatingadmissionpolicy/{policy} validatingadmissionpolicybinding/{binding} -o yaml; kubectl get namespace {namespace} --show-labels"
        ),
    })
}

/// `violates PodSecurity "restricted:latest": …`
fn pod_security(reason: &str, namespace: &str) -> Option<Refuser> {
    let (_, rest) = reason.split_once("violates PodSecurity \"")?;
    let (level, _) = rest.split_once(['"', ':'])?;
    let remedy = match level {
        "restricted" => format!(
            "Let the namespace {namespace} ask for less: cofferdam preflight --fix --only P20, or: kubectl label namespace {namespace} pod-security.kubernetes.io/enforce=baseline --overwrite"
        ),
        _ => format!(
            "Compare the pod with what the namespace {namespace} asks for: kubectl get namespace {namespace} --show-labels"
        ),
    };
    Some(Refuser { names: vec![format!("the level {level} of pod security")], remedy })
}

/// `maximum cpu usage per Container is 600m, but limit is 1`; the API server does not say which LimitRange.
fn limit_range(reason: &str, namespace: &str) -> Option<Refuser> {
    let raise = format!("kubectl edit limitrange -n {namespace}");
    let fits = [("maximum ", "limits"), ("minimum ", "requests")].into_iter().find_map(|(word, which)| {
        let (_, rest) = reason.split_once(word)?;
        let (resource, rest) = rest.split_once(" usage per ")?;
        let (_, bound) = rest.split_once(" is ")?;
        let bound = bound.split([',', ' ']).next()?.trim_end_matches('.');
        let is_known = ["cpu", "memory"].contains(&resource) && !bound.is_empty();
        is_known.then(|| format!("{raise}; or: cofferdam install --set resources.{which}.{resource}={bound}"))
    });
    let others = [" usage per Container is ", " usage per Pod is ", " max limit to request ratio per "];
    let is_another = others.iter().any(|words| reason.contains(words));
    let remedy = fits.or_else(|| is_another.then_some(raise))?;
    Some(Refuser { names: vec![format!("a LimitRange of namespace {namespace}")], remedy })
}

/// `admission webhook "validate.kyverno.svc-fail" denied the request: …`
fn webhook(reason: &str, namespace: &str) -> Option<Refuser> {
    let (_, rest) = reason.split_once("admission webhook \"")?;
    let (webhook, said) = rest.split_once('"')?;
    if webhook.contains("kyverno")
        && let Some(policy) = kyvernos(said)
    {
        return Some(Refuser {
            names: vec![format!("Kyverno's policy {policy}")],
            remedy: format!(
                "Exclude the namespace {namespace} from Kyverno's policy {policy} (exclude of its rules): kubectl get clusterpolicies,policies -A"
            ),
        });
    }
    Some(Refuser {
        names: vec![format!("webhook {webhook}")],
        remedy: format!(
            "Exclude the namespace {namespace} from the webhook {webhook} by its namespaceSelector: kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations"
        ),
    })
}

/// The first policy that is named below `was blocked due to the following policies`.
fn kyvernos(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once("following policies")?;
    let name = rest.trim_start().split([':', '\n']).next()?.trim();
    Some(name).filter(|name| !name.is_empty() && !name.contains(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_refused_is_named_with_the_way_out_of_exactly_that() {
        let kyverno = "admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Pod/n/p was blocked due to the following policies \n\nneeds-owner:\n  owner: 'validation error: every pod needs an owner'\n";
        let cases = [
            (
                "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'owner' with binding 'everywhere' denied request: no",
                "validatingadmissionpolicy/owner",
                "validatingadmissionpolicybinding/everywhere",
            ),
            (
                "admission webhook \"validation.gatekeeper.sh\" denied the request: [needs-owner] every pod needs an owner",
                "Gatekeeper's constraint needs-owner",
                "excludedNamespaces",
            ),
            (kyverno, "Kyverno's policy needs-owner", "Kyverno's policy needs-owner"),
            (
                "admission webhook \"pods.shop.example\" denied the request: no",
                "webhook pods.shop.example",
                "namespaceSelector",
            ),
            (
                "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": runAsNonRoot != true",
                "the level restricted of pod security",
                "kubectl label namespace n pod-security.kubernetes.io/enforce=baseline",
            ),
            (
                "pods \"p\" is forbidden: [maximum cpu usage per Container is 600m, but limit is 1, minimum memory usage per Pod is 1Gi, but request is 256Mi]",
                "a LimitRange of namespace n",
                "cofferdam install --set resources.limits.cpu=600m",
            ),
            (
                "pods \"p\" is forbidden: minimum memory usage per Pod is 1Gi.  No request is specified",
                "a LimitRange of namespace n",
                "cofferdam install --set resources.requests.memory=1Gi",
            ),
            (
                "pods \"p\" is forbidden: cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000",
                "a LimitRange of namespace n",
                "kubectl edit limitrange -n n",
            ),
            (
                "pods \"p\" is forbidden: violates PodSecurity \"baseline:v1.30\": hostPath volumes",
                "the level baseline of pod security",
                "kubectl get namespace n --show-labels",
            ),
        ];

        for (reason, name, remedy) in cases {
            let found = refuser(reason, "n", &[]).unwrap_or_else(|| panic!("nobody: {reason}"));
            assert_eq!(found.names, [name]);
            assert!(found.remedy.contains(remedy), "{found:?}");
            let named = ["namespace n", " -n n"].iter().any(|name| found.remedy.contains(name));
            assert!(named, "{found:?}");
        }
    }

    #[test]
    fn words_that_name_nobody_are_not_interpreted() {
        for reason in [
            "denied",
            "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0",
            "admission webhook \"",
            "ValidatingAdmissionPolicy 'half",
            "maximum patience usage per person is 3, but limit is 4",
        ] {
            assert_eq!(refuser(reason, "n", &[]), None, "{reason}");
        }
    }
}
