//! What workloads and role bindings refer to.

use crate::object::Text;
use serde::Deserialize;

/// The priority class of a pod, or of the pods that a workload makes. Other objects have none.
pub(super) fn priority_class(
    group: &str,
    resource: &str,
    bytes: &[u8],
) -> Result<Option<String>, serde_json::Error> {
    let spec = match (group, resource) {
        ("", "pods") => serde_json::from_slice::<Specified<PodSpec<'_>>>(bytes)?.spec,
        ("", "replicationcontrollers")
        | ("apps", "deployments" | "statefulsets" | "daemonsets" | "replicasets")
        | ("batch", "jobs") => {
            serde_json::from_slice::<Specified<Templated<'_>>>(bytes)?.spec.and_then(Templated::pod)
        }
        ("", "podtemplates") => serde_json::from_slice::<Templated<'_>>(bytes)?.pod(),
        ("batch", "cronjobs") => serde_json::from_slice::<Specified<Scheduled<'_>>>(bytes)?
            .spec
            .and_then(|scheduled| scheduled.job_template)
            .and_then(|job| job.spec)
            .and_then(Templated::pod),
        _ => return Ok(None),
    };
    Ok(spec.and_then(|spec| spec.priority_class_name).map(|name| name.as_str().to_owned()))
}

/// The cluster role that a binding refers to.
pub(super) fn cluster_role(bytes: &[u8]) -> Result<Option<String>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Binding<'a> {
        #[serde(borrow)]
        role_ref: RoleRef<'a>,
    }
    #[derive(Deserialize)]
    struct RoleRef<'a> {
        #[serde(borrow)]
        kind: Text<'a>,
        #[serde(borrow)]
        name: Text<'a>,
    }

    let role = serde_json::from_slice::<Binding<'_>>(bytes)?.role_ref;
    Ok((role.kind.as_str() == "ClusterRole").then(|| role.name.as_str().to_owned()))
}

/// A subject of a binding.
#[derive(Debug, Deserialize)]
pub(super) struct Subject<'a> {
    #[serde(borrow)]
    pub kind: Text<'a>,
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow, default)]
    pub namespace: Option<Text<'a>>,
}

/// The subjects of a binding.
pub(super) fn subjects(bytes: &[u8]) -> Result<Vec<Subject<'_>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Binding<'a> {
        #[serde(borrow, default)]
        subjects: Option<Vec<Subject<'a>>>,
    }

    Ok(serde_json::from_slice::<Binding<'_>>(bytes)?.subjects.unwrap_or_default())
}

#[derive(Deserialize)]
struct Specified<T> {
    #[serde(default = "Option::default")]
    spec: Option<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<'a> {
    #[serde(borrow, default)]
    priority_class_name: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Templated<'a> {
    #[serde(borrow, default)]
    template: Option<Specified<PodSpec<'a>>>,
}

impl<'a> Templated<'a> {
    fn pod(self) -> Option<PodSpec<'a>> {
        self.template?.spec
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scheduled<'a> {
    #[serde(borrow, default)]
    job_template: Option<Specified<Templated<'a>>>,
}
