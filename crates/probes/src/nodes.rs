//! Nodes: what they are, what keeps pods away from them, and how much of them is free.

use crate::cluster::numbers;
use crate::pages::{each, each_of};
use crate::quantity::{bytes, milli};
use crate::seen;
use k8s_openapi::api::core::v1::{Container, Node as ApiNode, Pod, Taint, Toleration};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Node, Nodes, Observed};
use std::collections::BTreeMap;

/// What pods ask for: thousandths of a core, and bytes.
pub(crate) type Asked = (u64, u64);

/// The nodes beside a pod that shall run on one of them.
pub(crate) async fn observe(client: &Client, pod: Option<&serde_json::Value>) -> Observed<Nodes> {
    let pod: Option<Pod> = pod.and_then(|pod| serde_json::from_value(pod.clone()).ok());
    let spec = pod.as_ref().and_then(|pod| pod.spec.as_ref());
    let tolerations = spec.and_then(|spec| spec.tolerations.clone()).unwrap_or_default();
    let (wanted_cpu, wanted_memory) = spec.map_or((0, 0), |spec| asked_by(&spec.containers));
    // Whoever may not list pods still learns what the nodes are.
    let asked = asked(client).await.ok();
    let nodes: Api<ApiNode> = Api::all(client.clone());
    let all = each(&nodes, |node| judged(&node, &tolerations, asked.as_ref())).await;
    seen("listing nodes", all.map(|all| Nodes { all, wanted_cpu, wanted_memory }))
}

/// What the pods on each node ask for; those that have ended ask for nothing.
pub(crate) async fn asked(client: &Client) -> Result<BTreeMap<String, Asked>, kube::Error> {
    let pods: Api<Pod> = Api::all(client.clone());
    let running = ListParams::default().fields("status.phase!=Succeeded,status.phase!=Failed");
    let all = each_of(&pods, &running, |pod| {
        let spec = pod.spec?;
        Some((spec.node_name.clone().unwrap_or_default(), asked_by(&spec.containers)))
    })
    .await?;
    let mut sums: BTreeMap<String, Asked> = BTreeMap::new();
    for (node, (cpu, memory)) in all.into_iter().flatten() {
        let sum = sums.entry(node).or_default();
        *sum = (sum.0.saturating_add(cpu), sum.1.saturating_add(memory));
    }
    Ok(sums)
}

fn asked_by(containers: &[Container]) -> Asked {
    let of = |container: &Container, name: &str| {
        container.resources.as_ref()?.requests.as_ref()?.get(name).map(|quantity| quantity.0.clone())
    };
    let sum = |name: &str, read: fn(&str) -> u64| {
        containers.iter().filter_map(|one| of(one, name)).map(|text| read(&text)).sum()
    };
    (sum("cpu", milli), sum("memory", bytes))
}

fn judged(node: &ApiNode, tolerations: &[Toleration], asked: Option<&BTreeMap<String, Asked>>) -> Node {
    let (spec, status) = (node.spec.as_ref(), node.status.as_ref());
    let info = status.and_then(|status| status.node_info.as_ref());
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let ready =
        conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"));
    let closed = spec.and_then(|spec| spec.unschedulable).unwrap_or_default();
    let taints = spec.and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    let allocatable = |name: &str, read: fn(&str) -> u64| {
        let quantity = status.and_then(|status| status.allocatable.as_ref()?.get(name));
        quantity.map_or(0, |quantity| read(&quantity.0))
    };
    let name = node.name_any();
    let taken = asked.map(|asked| asked.get(&name).copied().unwrap_or_default());
    Node {
        os: info.map(|info| info.operating_system.clone()).unwrap_or_default(),
        arch: info.map(|info| info.architecture.clone()).unwrap_or_default(),
        kubelet: info.map(|info| numbers(&info.kubelet_version)).unwrap_or_default(),
        takes_pods: ready && !closed,
        not_tolerated: taints
            .iter()
            .filter(|taint| keeps_away(taint, tolerations))
            .map(|taint| format!("{}:{}", taint.key, taint.effect))
            .collect(),
        free_cpu: taken.map(|taken| allocatable("cpu", milli).saturating_sub(taken.0)),
        free_memory: taken.map(|taken| allocatable("memory", bytes).saturating_sub(taken.1)),
        name,
    }
}

/// Whether the taint keeps a pod with these tolerations away. That a node is closed or not ready is said elsewhere.
fn keeps_away(taint: &Taint, tolerations: &[Toleration]) -> bool {
    let is_state = taint.key.starts_with("node.kubernetes.io/");
    let tolerates = |one: &Toleration| {
        let effect = one.effect.as_deref().is_none_or(|effect| effect.is_empty() || effect == taint.effect);
        let key = one.key.as_deref().unwrap_or_default();
        let same = match one.operator.as_deref() {
            Some("Exists") => key.is_empty() || key == taint.key,
            _ => {
                key == taint.key
                    && one.value.as_deref().unwrap_or_default() == taint.value.as_deref().unwrap_or_default()
            }
        };
        effect && same
    };
    taint.effect != "PreferNoSchedule" && !is_state && !tolerations.iter().any(tolerates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_keeps_away_what_does_not_tolerate_it() {
        let taint = |effect: &str| Taint {
            key: "gpu".into(),
            value: Some("yes".into()),
            effect: effect.into(),
            ..Taint::default()
        };
        let equal = |value: &str| Toleration {
            key: Some("gpu".into()),
            value: Some(value.into()),
            ..Toleration::default()
        };
        let exists = Toleration { operator: Some("Exists".into()), ..Toleration::default() };

        assert!(keeps_away(&taint("NoSchedule"), &[]));
        assert!(keeps_away(&taint("NoSchedule"), &[equal("no")]));
        assert!(!keeps_away(&taint("NoSchedule"), &[equal("yes")]));
        assert!(!keeps_away(&taint("NoExecute"), &[exists]));
        assert!(!keeps_away(&taint("PreferNoSchedule"), &[]));
    }
}
