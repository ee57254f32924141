//! The pod that a workload will have, as the API server is asked about it before the workload is written.

use crate::object::ObjectKey;
use serde_json::{Value, json};

/// A pod, and where it is asked about.
#[derive(Debug, Clone, PartialEq)]
pub struct PodAsked {
    /// Its place. No pod has this name: those of workloads have longer ones.
    pub key: ObjectKey,
    /// The pod.
    pub pod: Value,
}

/// What the pod is called that stands for those of the workload `workload`.
pub(crate) fn name(workload: &str) -> String {
    format!("{workload}-gate")
}

/// Whether an object has a template for pods.
pub(crate) fn has_pods(object: &Value) -> bool {
    object.pointer("/spec/template/spec").is_some_and(Value::is_object)
        && matches!(
            object.pointer("/kind").and_then(Value::as_str),
            Some("Deployment" | "DaemonSet" | "StatefulSet" | "Job")
        )
}

/// The pod that the workload `object` will have.
pub fn pod_of(key: &ObjectKey, object: &Value) -> Option<PodAsked> {
    if !has_pods(object) {
        return None;
    }
    let template = object.pointer("/spec/template")?;
    let mut metadata = template.get("metadata").cloned().unwrap_or_else(|| json!({}));
    let fields = metadata.as_object_mut()?;
    fields.insert("name".to_owned(), name(&key.name).into());
    fields.insert("namespace".to_owned(), key.namespace.clone()?.into());
    let key = ObjectKey {
        group: String::new(),
        version: "v1".to_owned(),
        resource: "pods".to_owned(),
        kind: "Pod".to_owned(),
        namespace: key.namespace.clone(),
        name: name(&key.name),
    };
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template.get("spec")?});
    Some(PodAsked { key, pod })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workload_has_the_pod_of_its_template_and_nothing_else_has_one() {
        let key = |kind: &str| ObjectKey {
            group: "apps".into(),
            version: "v1".into(),
            resource: "x".into(),
            kind: kind.into(),
            namespace: Some("n".into()),
            name: "a".into(),
        };
        let of = |kind: &str, spec: Value| pod_of(&key(kind), &json!({"kind": kind, "spec": spec}));
        let template =
            json!({"template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}});

        let asked = of("Deployment", template.clone()).unwrap();

        assert_eq!((asked.key.to_string().as_str(), asked.key.resource.as_str()), ("Pod n/a-gate", "pods"));
        assert_eq!(
            asked.pod["metadata"],
            json!({"name": "a-gate", "namespace": "n", "labels": {"app": "a"}})
        );
        assert_eq!(asked.pod["spec"], json!({"containers": []}));
        assert_eq!(of("ConfigMap", template), None);
        assert_eq!(of("Deployment", json!({})), None);
    }
}
