//! Where probes run, and as whom. With the extension's account, labels and namespace where it is installed: network
//! policies, quotas and admission go by them, and an account belongs to its namespace. Else, and for volumes, in a
//! namespace of their own.

use super::RunId;
use serde_json::{Map, Value, json};
use storage::PROXY_AUTHORITIES_VARIABLE;

/// The namespace of probes.
pub const NAMESPACE: &str = "cofferdam-preflight";
/// The label of everything that probes make.
pub const LABEL: &str = "clusterbackup.dataprotection.microsoft.com/probe";
/// Its value.
pub(super) const VALUE: &str = "preflight";
/// Variables that say the way out.
const WAY_OUT: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"];

/// Where a probe runs, as whom, and with what.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// The product's image.
    pub image: String,
    /// Whose everything there is.
    pub(super) run: RunId,
    account: Option<String>,
    labels: Map<String, Value>,
    way_out: WayOut,
    from_pod: Map<String, Value>,
}

/// How a pod goes out.
#[derive(Debug, Clone, Default, PartialEq)]
struct WayOut {
    environment: Vec<Value>,
    mounts: Vec<Value>,
    volumes: Vec<Value>,
    /// The proxy's own authorities, where no volume holds them yet.
    authorities: Option<String>,
}

impl Place {
    /// That of the installed extension, whose pod is given.
    pub fn of_extension(pod: &Value, run: &RunId) -> Option<Self> {
        let namespace = pod.pointer("/metadata/namespace")?.as_str()?.to_owned();
        let account = pod.pointer("/spec/serviceAccountName").and_then(Value::as_str).map(str::to_owned);
        let labels = pod.pointer("/metadata/labels").and_then(Value::as_object).cloned().unwrap_or_default();
        let own = Self::own(pod, run)?;
        let way_out = WayOut::of_pod(pod);
        let mut from_pod = own.from_pod;
        if let Some(secrets) = pod.pointer("/spec/imagePullSecrets") {
            from_pod.insert("imagePullSecrets".to_owned(), secrets.clone());
        }
        Some(Self { namespace, account, labels, way_out, from_pod, ..own })
    }

    /// That of an extension which is not installed yet: the namespace of probes, and the way out that the pod's own text
    /// says. `authorities` are those of its proxy, PEM: nothing of the installation is there to be mounted.
    pub fn of_planned(pod: &Value, authorities: Option<&str>, run: &RunId) -> Option<Self> {
        let mut way_out = WayOut::of_pod(pod);
        way_out.environment.retain(|variable| variable.get("value").is_some());
        way_out.environment.retain(|variable| name(variable) != PROXY_AUTHORITIES_VARIABLE);
        (way_out.mounts, way_out.volumes) = (Vec::new(), Vec::new());
        way_out.authorities = authorities.map(str::to_owned);
        Some(Self { way_out, ..Self::own(pod, run)? })
    }

    /// The namespace of probes, for a pod like this one without its account. Its way out stays behind: volumes need none,
    /// and a proxy's address may hold a password.
    pub fn own(pod: &Value, run: &RunId) -> Option<Self> {
        let image = pod.pointer("/spec/containers/0/image")?.as_str()?.to_owned();
        let keep = |name: &str| Some((name.to_owned(), pod.get("spec")?.get(name)?.clone()));
        Some(Self {
            namespace: NAMESPACE.to_owned(),
            image,
            run: run.clone(),
            account: None,
            labels: Map::new(),
            way_out: WayOut::default(),
            from_pod: ["nodeSelector", "tolerations"].into_iter().filter_map(keep).collect(),
        })
    }

    /// The proxy's own authorities, PEM, where the probe has to be told them.
    pub(super) fn proxy_authorities(&self) -> Option<&str> {
        self.way_out.authorities.as_deref()
    }

    /// The Secret for a Job of this name, with what of the way out holds a password: a Job is read by more people than a
    /// Secret. Only in the namespace of probes, with which it goes; an installed extension has its own.
    pub(super) fn secret(&self, job: &str) -> Option<Value> {
        let hidden: Map<String, Value> = self
            .way_out
            .environment
            .iter()
            .filter(|variable| self.hides(variable))
            .map(|variable| (name(variable).to_owned(), variable.get("value").cloned().unwrap_or_default()))
            .collect();
        (!hidden.is_empty()).then(|| {
            json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": job, "namespace": self.namespace, "labels": self.run.labels()},
                "stringData": hidden,
            })
        })
    }

    /// Whether this is an address with a name or a password in front.
    fn hides(&self, variable: &Value) -> bool {
        let value = variable.get("value").and_then(Value::as_str).unwrap_or_default();
        self.namespace == NAMESPACE && value.contains('@')
    }

    /// A Job that runs once: not root, nothing writable, no capabilities, no token, a deadline, and a time to live after
    /// which the cluster removes it even if nobody else does.
    pub(super) fn job(&self, name: &str, arguments: &[String], seconds: u64, claim: Option<&str>) -> Value {
        let mut labels = self.labels.clone();
        labels.extend(self.run.labels().into_iter().map(|(key, value)| (key, value.into())));
        let mut spec = self.from_pod.clone();
        spec.insert("restartPolicy".to_owned(), "Never".into());
        spec.insert("automountServiceAccountToken".to_owned(), false.into());
        spec.insert("enableServiceLinks".to_owned(), false.into());
        spec.insert(
            "securityContext".to_owned(),
            json!({
                "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            }),
        );
        if let Some(account) = &self.account {
            spec.insert("serviceAccountName".to_owned(), account.clone().into());
        }
        let WayOut { mut environment, mut mounts, mut volumes, .. } = self.way_out.clone();
        for variable in environment.iter_mut().filter(|variable| self.hides(variable)) {
            let key = crate::active::place::name(variable).to_owned();
            *variable = json!({"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}});
        }
        if let Some(claim) = claim {
            mounts.push(json!({"name": "data", "mountPath": super::volume::MOUNT}));
            volumes.push(json!({"name": "data", "persistentVolumeClaim": {"claimName": claim}}));
        }
        if !volumes.is_empty() {
            spec.insert("volumes".to_owned(), volumes.into());
        }
        spec.insert(
            "containers".to_owned(),
            json!([{
                "name": "probe",
                "image": self.image,
                "imagePullPolicy": "IfNotPresent",
                "args": arguments,
                "env": environment,
                "volumeMounts": mounts,
                "resources": {
                    "requests": {"cpu": "10m", "memory": "32Mi"},
                    "limits": {"cpu": "500m", "memory": "128Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }]),
        );
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.namespace, "labels": self.run.labels()},
            "spec": {
                "backoffLimit": 0,
                "activeDeadlineSeconds": seconds,
                "ttlSecondsAfterFinished": 120,
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        })
    }
}

impl WayOut {
    /// That of a pod's first container: its variables, wherever their values lie, and the file with the proxy's own
    /// authorities. Nothing else that it mounts comes along.
    fn of_pod(pod: &Value) -> Self {
        let list = |path: &str| pod.pointer(path).and_then(Value::as_array).into_iter().flatten();
        let variables = || list("/spec/containers/0/env");
        let mut way = Self {
            environment: variables().filter(|one| WAY_OUT.contains(&name(one))).cloned().collect(),
            ..Self::default()
        };
        let variable = variables().find(|one| name(one) == PROXY_AUTHORITIES_VARIABLE);
        let Some(variable) = variable else { return way };
        let file = variable.get("value").and_then(Value::as_str).unwrap_or_default();
        let holds = |mount: &&Value| {
            let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
            !path.is_empty() && std::path::Path::new(file).starts_with(path)
        };
        way.environment.push(variable.clone());
        if let Some(mount) = list("/spec/containers/0/volumeMounts").find(holds)
            && let Some(volume) = list("/spec/volumes").find(|volume| name(volume) == name(mount))
        {
            way.mounts.push(mount.clone());
            way.volumes.push(if_there(volume.clone()));
        }
        way
    }
}

/// A volume for which no pod waits: where its ConfigMap is missing, the probe says so at once.
fn if_there(mut volume: Value) -> Value {
    for kind in ["configMap", "secret"] {
        if let Some(source) = volume.get_mut(kind).and_then(Value::as_object_mut) {
            source.insert("optional".to_owned(), true.into());
        }
    }
    volume
}

fn name(object: &Value) -> &str {
    object.get("name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> RunId {
        RunId::named("this")
    }

    fn pod() -> Value {
        json!({
            "metadata": {"namespace": "backups", "labels": {"app": "extension"}},
            "spec": {
                "serviceAccountName": "extension",
                "imagePullSecrets": [{"name": "registry"}],
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "volumes": [{"name": "identity-token"}],
                "containers": [{"image": "cofferdam:1", "args": ["extension"], "env": [
                    {"name": "HTTPS_PROXY", "value": "http://proxy:3128"},
                    {"name": "AZURE_CLIENT_ID", "value": "c"},
                ]}],
            },
        })
    }

    #[test]
    fn where_the_extension_is_installed_the_probe_is_its_equal_in_all_that_rules_go_by() {
        let place = Place::of_extension(&pod(), &run()).unwrap();

        let job = place.job("n", &["probe".into()], 60, None);

        assert_eq!(job["metadata"]["namespace"], "backups");
        let template = &job["spec"]["template"];
        assert_eq!(template["metadata"]["labels"]["app"], "extension");
        assert_eq!(template["spec"]["serviceAccountName"], "extension");
        assert_eq!(template["spec"]["automountServiceAccountToken"], false, "it needs no right");
        assert_eq!(template["spec"]["imagePullSecrets"][0]["name"], "registry");
        let environment = template["spec"]["containers"][0]["env"].as_array().unwrap();
        assert_eq!(environment.len(), 1, "the way out, and nothing of its identity: {environment:?}");
        assert_eq!(template["spec"].get("volumes"), None);
    }

    /// The pod of a package in a cluster that is connected through a proxy.
    fn proxied() -> Value {
        let mut pod = pod();
        let secret = json!({"secretKeyRef": {"name": "extension-proxy", "key": "HTTPS_PROXY"}});
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "HTTPS_PROXY", "valueFrom": secret},
            {"name": "NO_PROXY", "value": ".svc"},
            {"name": "COFFERDAM_PROXY_CA", "value": "/etc/cofferdam/proxy/ca.crt"},
        ]);
        pod["spec"]["containers"][0]["volumeMounts"] = json!([
            {"name": "identity-token", "mountPath": "/var/run/identity"},
            {"name": "proxy-authorities", "mountPath": "/etc/cofferdam/proxy", "readOnly": true},
        ]);
        pod["spec"]["volumes"] = json!([
            {"name": "identity-token", "projected": {}},
            {"name": "proxy-authorities", "configMap": {"name": "authorities"}},
        ]);
        pod
    }

    #[test]
    fn a_proxy_that_stands_in_a_secret_and_its_authorities_come_along_and_no_other_mount_does() {
        let job = Place::of_extension(&proxied(), &run()).unwrap().job("n", &[], 60, None);

        let spec = &job["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        assert_eq!(container["env"], proxied()["spec"]["containers"][0]["env"]);
        let mount =
            json!([{"name": "proxy-authorities", "mountPath": "/etc/cofferdam/proxy", "readOnly": true}]);
        assert_eq!(container["volumeMounts"], mount);
        let configured = json!({"name": "authorities", "optional": true});
        assert_eq!(spec["volumes"], json!([{"name": "proxy-authorities", "configMap": configured}]));
        serde_json::from_value::<k8s_openapi::api::batch::v1::Job>(job).unwrap();
    }

    #[test]
    fn in_the_namespace_of_probes_there_is_no_proxy_but_what_settings_say_of_one_that_is_to_come() {
        let volumes = Place::own(&pod(), &run()).unwrap().job("n", &[], 60, Some("claim"));
        let known = Place::of_planned(&pod(), Some("PEM"), &run()).unwrap();
        let elsewhere = Place::of_planned(&proxied(), None, &run()).unwrap().job("n", &[], 60, None);

        let environment = |job: &Value| job["spec"]["template"]["spec"]["containers"][0]["env"].clone();
        assert_eq!(environment(&volumes), json!([]), "an address may hold a password");
        assert_eq!(known.proxy_authorities(), Some("PEM"));
        let https = json!([{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]);
        assert_eq!(environment(&known.job("n", &[], 60, None)), https);
        assert_eq!(environment(&elsewhere), json!([{"name": "NO_PROXY", "value": ".svc"}]));
        assert_eq!(elsewhere["spec"]["template"]["spec"].get("volumes"), None);
    }

    #[test]
    fn a_password_of_a_proxy_that_is_to_come_stands_in_a_secret_and_not_in_the_job() {
        let mut pod = pod();
        pod["spec"]["containers"][0]["env"] = json!([
            {"name": "HTTPS_PROXY", "value": "http://anna:s3cret@proxy:3128"},
            {"name": "NO_PROXY", "value": ".svc"},
        ]);
        let place = Place::of_planned(&pod, None, &run()).unwrap();

        let (job, secret) = (place.job("n", &[], 60, None), place.secret("n").unwrap());

        let environment = &job["spec"]["template"]["spec"]["containers"][0]["env"];
        let from = json!({"secretKeyRef": {"name": "n", "key": "HTTPS_PROXY"}});
        let expected =
            json!([{"name": "HTTPS_PROXY", "valueFrom": from}, {"name": "NO_PROXY", "value": ".svc"}]);
        assert_eq!(*environment, expected);
        assert!(!job.to_string().contains("s3cret"), "{job}");
        assert_eq!(secret["stringData"], json!({"HTTPS_PROXY": "http://anna:s3cret@proxy:3128"}));
        assert_eq!(
            (&secret["metadata"]["namespace"], &secret["metadata"]["name"]),
            (&json!(NAMESPACE), &json!("n"))
        );
        assert_eq!(
            Place::of_planned(&self::pod(), None, &run()).unwrap().secret("n"),
            None,
            "nothing to hide"
        );
        serde_json::from_value::<k8s_openapi::api::batch::v1::Job>(job).unwrap();
    }

    #[test]
    fn before_an_installation_it_runs_in_a_namespace_of_its_own_without_an_account() {
        let place = Place::own(&pod(), &run()).unwrap();

        let job = place.job("n", &["probe".into()], 60, Some("claim"));

        assert_eq!(job["metadata"]["namespace"], NAMESPACE);
        let spec = &job["spec"]["template"]["spec"];
        assert_eq!((spec.get("serviceAccountName"), spec.get("imagePullSecrets")), (None, None));
        assert_eq!(spec["volumes"][0]["persistentVolumeClaim"]["claimName"], "claim");
        serde_json::from_value::<k8s_openapi::api::batch::v1::Job>(job).unwrap();
    }

    #[test]
    fn job_and_pod_say_whose_they_are_beside_the_labels_that_rules_go_by() {
        let job = Place::of_extension(&pod(), &run()).unwrap().job("n", &[], 60, None);

        let own = json!({LABEL: VALUE, super::super::RUN: "this"});
        assert_eq!(job["metadata"]["labels"], own);
        let mut of_pod = own;
        of_pod["app"] = "extension".into();
        assert_eq!(job["spec"]["template"]["metadata"]["labels"], of_pod);
    }

    #[test]
    fn a_probe_has_a_deadline_a_time_to_live_and_what_pod_security_restricted_demands() {
        let job = Place::own(&pod(), &run()).unwrap().job("n", &[], 60, None);

        assert_eq!(job["spec"]["activeDeadlineSeconds"], 60);
        assert_eq!(job["spec"]["ttlSecondsAfterFinished"], 120);
        assert_eq!(job["spec"]["backoffLimit"], 0);
        let spec = &job["spec"]["template"]["spec"];
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        let container = &spec["containers"][0]["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"]["drop"][0], "ALL");
    }
}
