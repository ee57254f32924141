//! Nodes: what they are, what keeps pods away from them, and how much of them is free.

use crate::cluster::numbers;
use crate::pages::{each, each_of};
use crate::quantity::{bytes, milli};
use crate::seen;
use k8s_openapi::api::core::v1::{Container, Node as ApiNode, Pod, PodSpec, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use prerequisites::{Node, Nodes, Observed};
use std::collections::BTreeMap;

/// What pods ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Thousandths of a core.
    pub(crate) cpu: u64,
    /// Bytes of memory.
    pub(crate) memory: u64,
    /// How many pods they are.
    pub(crate) pods: u64,
}

impl Asked {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_add(other.cpu),
            memory: self.memory.saturating_add(other.memory),
            pods: self.pods.saturating_add(other.pods),
        }
    }

    fn or(self, other: Self) -> Self {
        Self { cpu: self.cpu.max(other.cpu), memory: self.memory.max(other.memory), ..self }
    }
}

/// The nodes beside a pod that shall run on one of them.
pub(crate) async fn observe(client: &Client, pod: Option<&serde_json::Value>) -> Observed<Nodes> {
    let pod: Option<Pod> = pod.and_then(|pod| serde_json::from_value(pod.clone()).ok());
    let spec = pod.as_ref().and_then(|pod| pod.spec.as_ref());
    let tolerations = spec.and_then(|spec| spec.tolerations.clone()).unwrap_or_default();
    let wanted = spec.map(asked_by).unwrap_or_default();
    let (wanted_cpu, wanted_memory) = (wanted.cpu, wanted.memory);
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
        Some((spec.node_name.clone().unwrap_or_default(), asked_by(&spec)))
    })
    .await?;
    let mut sums: BTreeMap<String, Asked> = BTreeMap::new();
    for (node, asked) in all.into_iter().flatten() {
        let sum = sums.entry(node).or_default();
        *sum = sum.and(asked);
    }
    Ok(sums)
}

/// What the scheduler counts for a pod: its containers and sidecars together, or the most that a container asks for that
/// runs before them, whichever is more; and what its runtime takes.
fn asked_by(spec: &PodSpec) -> Asked {
    let (mut sidecars, mut first) = (Asked::default(), Asked::default());
    for one in spec.init_containers.iter().flatten() {
        let asked = sidecars.and(of_container(one));
        if one.restart_policy.as_deref() == Some("Always") {
            sidecars = asked;
        }
        first = first.or(asked);
    }
    let together = spec.containers.iter().map(of_container).fold(sidecars, Asked::and);
    let overhead = Asked { pods: 1, ..of_list(spec.overhead.as_ref()) };
    together.or(first).and(overhead)
}

fn of_container(container: &Container) -> Asked {
    of_list(container.resources.as_ref().and_then(|resources| resources.requests.as_ref()))
}

fn of_list(list: Option<&BTreeMap<String, Quantity>>) -> Asked {
    let of = |name: &str, read: fn(&str) -> u64| {
        list.and_then(|list| list.get(name)).map_or(0, |quantity| read(&quantity.0))
    };
    Asked { cpu: of("cpu", milli), memory: of("memory", bytes), pods: 0 }
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
        free_cpu: taken.map(|taken| allocatable("cpu", milli).saturating_sub(taken.cpu)),
        free_memory: taken.map(|taken| allocatable("memory", bytes).saturating_sub(taken.memory)),
        free_pods: taken.map(|taken| allocatable("pods", bytes).saturating_sub(taken.pods)),
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

    #[test]
    fn a_pod_asks_for_what_runs_together_or_for_what_runs_first_whichever_is_more() {
        let container = |cpu: &str, more: serde_json::Value| {
            let mut one =
                serde_json::json!({"name": "c", "resources": {"requests": {"cpu": cpu, "memory": "1Mi"}}});
            if let Some(policy) = more.as_str() {
                one["restartPolicy"] = policy.into();
            }
            one
        };
        let plain = serde_json::Value::Null;
        let asked = |init: &[serde_json::Value], overhead: &str| {
            let spec = serde_json::json!({
                "containers": [container("100m", plain.clone()), container("200m", plain.clone())],
                "initContainers": init, "overhead": {"cpu": overhead},
            });
            asked_by(&serde_json::from_value(spec).unwrap())
        };
        let sidecar = || container("50m", "Always".into());

        let alone = asked(&[], "0");
        let large_first = asked(&[sidecar(), container("900m", plain.clone())], "0");
        let small_first = asked(&[container("10m", plain.clone()), sidecar()], "20m");

        assert_eq!(alone, Asked { cpu: 300, memory: 2 << 20, pods: 1 });
        assert_eq!((large_first.cpu, large_first.memory), (950, 3 << 20));
        assert_eq!((small_first.cpu, small_first.pods), (370, 1));
    }

    #[test]
    fn a_node_has_free_what_its_pods_do_not_ask_for_and_places_for_more_of_them() {
        let node: ApiNode = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "n"},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "3"}},
        }))
        .unwrap();
        let taken = BTreeMap::from([("n".to_owned(), Asked { cpu: 500, memory: 1 << 20, pods: 3 })]);

        let full = judged(&node, &[], Some(&taken));
        let empty = judged(&node, &[], Some(&BTreeMap::new()));
        let unseen = judged(&node, &[], None);

        assert_eq!((full.free_cpu, full.free_pods), (Some(1_500), Some(0)));
        assert_eq!((empty.free_cpu, empty.free_pods), (Some(2_000), Some(3)));
        assert_eq!((unseen.free_cpu, unseen.free_pods), (None, None));
    }
}
