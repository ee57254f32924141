//! A real Gatekeeper, built from source, that runs in the cluster by its project's own manifest; and a rule for it.

use crate::{
    Cluster, binary,
    installation::{archive, load},
    run, wait_until,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const NAMESPACE: &str = "gatekeeper-system";
const IMAGE: (&str, &str) = ("cofferdam.test/gatekeeper", "3.23.1");
/// Who the API server calls.
const SERVICE: &str = "gatekeeper-webhook-service.gatekeeper-system.svc";
/// On all that the manifest makes.
const INSTALLED: &str = "gatekeeper.sh/system=yes";
/// On the definitions that it makes itself, one for each template.
const OF_TEMPLATES: &str = "gatekeeper.sh/constraint=yes";
const WEBHOOKS: &str = "validatingwebhookconfigurations,mutatingwebhookconfigurations";
const SOON: Duration = Duration::from_secs(60);

/// The resource of its rule's constraints, as `kubectl` names it.
pub const RULE: &str = "needsowner.constraints.gatekeeper.sh";

/// It, until this is dropped.
#[derive(Debug)]
pub struct Gatekeeper {
    cluster: Cluster,
}

impl Gatekeeper {
    /// Builds it unless it was built before, installs it, and waits until its webhooks answer.
    pub fn install(cluster: &Cluster) -> Self {
        let mut build = Command::new(binary("testbed"));
        build.args(["build", "--gatekeeper"]);
        let said = run(build, "").ok();
        let programs = PathBuf::from(said.lines().last().expect("the directory of its program").trim());
        load(cluster, &archive("gatekeeper", &["gatekeeper", "--programs", &programs.display().to_string()]));
        let gatekeeper = Self { cluster: cluster.clone() };
        gatekeeper.uninstall();
        cluster.apply(&manifest(cluster, &programs.join("gatekeeper.yaml")));
        let rollout = [
            "rollout",
            "status",
            "-n",
            NAMESPACE,
            "deployment/gatekeeper-controller-manager",
            "--timeout=60s",
        ];
        cluster.kubectl(&rollout);
        gatekeeper.until_it_answers();
        gatekeeper
    }

    /// Nobody but its own namespace may have this label: that it refuses one shows that the API server hears it.
    fn until_it_answers(&self) {
        let exempt = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": "pf-exempt", "labels": {"admission.gatekeeper.sh/ignore": "yes"}}});
        wait_until("Gatekeeper answers", SOON, || {
            let create = ["create", "-f", "-", "--dry-run=server"];
            let asked = self.cluster.try_kubectl(&create, &exempt.to_string());
            let is_refused = asked.stderr.contains("check-ignore-label.gatekeeper.sh\" denied the request");
            if is_refused { Ok(()) } else { Err(asked.stderr) }
        });
    }

    /// Refuses pods without an owner in these namespaces, except in those; the constraint has this name. Waits until the first of
    /// the namespaces feels it.
    pub fn demand_owners(&self, name: &str, namespaces: &[&str], except: &[&str]) {
        self.cluster.apply(&template().to_string());
        let constraint = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "NeedsOwner",
            "metadata": {"name": name},
            "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}],
                               "namespaces": namespaces, "excludedNamespaces": except}},
        });
        wait_until("Gatekeeper defines the constraint", SOON, || {
            let applied = self.cluster.try_kubectl(&["apply", "-f", "-"], &constraint.to_string());
            if applied.code == 0 { Ok(()) } else { Err(applied.stderr) }
        });
        let asked = namespaces.first().expect("a namespace");
        wait_until("the constraint counts", SOON, || match self.refusal(asked) {
            said if said.contains("every pod needs an owner") => Ok(()),
            said => Err(said),
        });
    }

    /// What is said against a pod without an owner in this namespace; nothing where it is let in.
    pub fn refusal(&self, namespace: &str) -> String {
        let image = "--image=cofferdam.test/pause:1";
        let run = ["run", "asked", "-n", namespace, image, "--dry-run=server"];
        self.cluster.try_kubectl(&run, "").stderr
    }

    /// Takes it away with all that it made. The webhooks go first: without its pod, no namespace could be made or changed.
    pub fn uninstall(&self) {
        let steps: [&[&str]; 5] = [
            &["delete", WEBHOOKS, "-l", INSTALLED],
            &["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=60s"],
            &["delete", "crd", "-l", OF_TEMPLATES, "--timeout=60s"],
            &["delete", "crd", "-l", INSTALLED, "--timeout=60s"],
            &["delete", "clusterrole,clusterrolebinding", "-l", INSTALLED],
        ];
        // One that fails must not keep the others: this also runs when a story has failed.
        for step in steps {
            drop(self.cluster.try_kubectl(step, ""));
        }
    }

    /// What is there of it: webhooks, namespaces, definitions, roles.
    pub fn traces(&self) -> Vec<String> {
        let roles = "clusterroles,clusterrolebindings";
        let kinds = format!("{WEBHOOKS},namespaces,customresourcedefinitions,{roles}");
        let all = self.cluster.kubectl(&["get", &kinds, "-o", "name"]);
        all.lines().filter(|name| name.contains("gatekeeper")).map(str::to_owned).collect()
    }
}

impl Drop for Gatekeeper {
    fn drop(&mut self) {
        self.uninstall();
    }
}

fn template() -> Value {
    let rule = r#"package needsowner

violation[{"msg": msg}] {
  not input.review.object.metadata.labels.owner
  msg := "every pod needs an owner"
}
"#;
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "needsowner"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "NeedsOwner"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rule}],
        },
    })
}

/// Its project's manifest for this cluster: our image, one pod that does everything and asks for nothing, and a certificate that is
/// there from the start, because kubelet takes a minute to bring a new one into a pod.
fn manifest(cluster: &Cluster, published: &Path) -> String {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([SERVICE.to_owned()]).expect("a name for the certificate");
    let certificate = BASE64_STANDARD.encode(params.self_signed(&key).expect("a certificate").pem());
    let key = BASE64_STANDARD.encode(key.serialize_pem());
    let pod = "/spec/template/spec";
    let container = format!("{pod}/containers/0");
    let argument =
        |argument: &str| json!({"op": "add", "path": format!("{container}/args/-"), "value": argument});
    let webhook = |number: usize| {
        let path = format!("/webhooks/{number}");
        [
            json!({"op": "add", "path": format!("{path}/clientConfig/caBundle"), "value": certificate}),
            // A busy machine may take longer than the few seconds after which a pod would pass unseen.
            json!({"op": "replace", "path": format!("{path}/timeoutSeconds"), "value": 20}),
        ]
    };
    let patches = [
        patch(
            "Deployment",
            "",
            &[
                json!({"op": "replace", "path": format!("{container}/imagePullPolicy"), "value": "IfNotPresent"}),
                json!({"op": "replace", "path": format!("{container}/resources"), "value": {}}),
                json!({"op": "add", "path": format!("{container}/readinessProbe/periodSeconds"), "value": 1}),
                json!({"op": "replace", "path": format!("{pod}/terminationGracePeriodSeconds"), "value": 1}),
            ],
        ),
        patch(
            "Deployment",
            "gatekeeper-controller-manager",
            &["--operation=generate", "--operation=status", "--disable-cert-rotation"].map(argument),
        ),
        patch(
            "Secret",
            "gatekeeper-webhook-server-cert",
            &[json!({"op": "add", "path": "/data", "value": {"tls.crt": certificate, "tls.key": key}})],
        ),
        patch("ValidatingWebhookConfiguration", "", &[webhook(0), webhook(1)].concat()),
        patch("MutatingWebhookConfiguration", "", &webhook(0)),
    ];
    let kustomization = json!({
        "resources": ["gatekeeper.yaml"],
        "images": [{"name": "openpolicyagent/gatekeeper", "newName": IMAGE.0, "newTag": IMAGE.1}],
        "replicas": [{"name": "gatekeeper-audit", "count": 0}, {"name": "gatekeeper-controller-manager", "count": 1}],
        "patches": patches,
    });
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::copy(published, directory.path().join("gatekeeper.yaml")).expect("its manifest");
    std::fs::write(directory.path().join("kustomization.yaml"), kustomization.to_string()).expect("a file");
    cluster.kubectl(&["kustomize", &directory.path().display().to_string()])
}

fn patch(kind: &str, name: &str, operations: &[Value]) -> Value {
    json!({"target": {"kind": kind, "name": name}, "patch": json!(operations).to_string()})
}
