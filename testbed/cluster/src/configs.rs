//! The configuration files of the components, rendered from a cluster's places and addresses.

use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::doors::Doors;
use crate::layout::Places;
use crate::{AddressPlan, Error, Hub, state};

/// The image of a pod's first container.
pub const PAUSE_IMAGE: &str = "cofferdam.test/pause:1";

/// Writes every configuration file of a cluster.
pub fn write(places: &Places, addresses: AddressPlan, doors: &Doors) -> Result<(), Error> {
    let config = places.config();
    let save = |name: &str, text: String| state::write(&config.join(name), text.as_bytes());
    save("containerd.toml", containerd(places))?;
    save("cni/10-testbed.conflist", pretty(&cni(places, addresses)))?;
    save("kubelet.json", pretty(&kubelet(places, addresses)))?;
    save("resolv.conf", format!("nameserver {}\n", addresses.node()))?;
    save("Corefile", corefile(places, addresses))?;
    for user in ["controller-manager", "scheduler", "proxy", "kubelet", "components"] {
        save(&format!("{user}.kubeconfig"), pretty(&kubeconfig(places, addresses, user)?))?;
    }
    let optional = [("authentication.json", doors.authentication()), ("audit.json", doors.audit_policy())];
    for (name, content) in optional {
        if let Some(content) = content {
            save(name, pretty(&content))?;
        }
    }
    if places.certificates_refused().exists() {
        return Ok(());
    }
    write_client_authorities(places, true)?;
    secret(&places.kubeconfig(), &pretty(&kubeconfig(places, addresses, "admin")?))
}

/// Whose certificates the API server accepts: those of the cluster's parts, and perhaps of administrators.
pub fn write_client_authorities(places: &Places, administrators: bool) -> Result<(), Error> {
    let pki = places.pki();
    let mut bundle = String::new();
    for file in ["ca.crt", "administrators-ca.crt"].into_iter().take(1 + usize::from(administrators)) {
        let path = pki.join(file);
        bundle += &std::fs::read_to_string(&path).map_err(Error::file("read", &path))?;
    }
    state::write(&pki.join("clients.crt"), bundle.as_bytes())
}

/// The administrator's kubeconfig without a certificate: it names the file of a token.
pub fn write_token_kubeconfig(places: &Places, addresses: AddressPlan) -> Result<(), Error> {
    let mut config = kubeconfig(places, addresses, "admin")?;
    config["users"][0]["user"] = json!({"tokenFile": places.administrator_token()});
    secret(&places.kubeconfig(), &pretty(&config))
}

/// The token that this kubeconfig names.
pub fn write_token(places: &Places, token: &str) -> Result<(), Error> {
    secret(&places.administrator_token(), token)
}

fn secret(path: &Path, text: &str) -> Result<(), Error> {
    state::write(path, text.as_bytes())?;
    restrict(path)
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn restrict(path: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, owner_only).map_err(Error::file("restrict", path))
}

/// A kubeconfig (JSON is YAML) for the holder of the certificate `user`.
fn kubeconfig(places: &Places, addresses: AddressPlan, user: &str) -> Result<Value, Error> {
    let pki = places.pki();
    let encoded = |file: &str| {
        let path = pki.join(file);
        let pem = std::fs::read(&path).map_err(Error::file("read", &path))?;
        Ok::<_, Error>(BASE64_STANDARD.encode(pem))
    };
    let name = &places.namespace;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {
            "server": addresses.api_server(),
            "certificate-authority-data": encoded("ca.crt")?,
        }}],
        "users": [{"name": user, "user": {
            "client-certificate-data": encoded(&format!("{user}.crt"))?,
            "client-key-data": encoded(&format!("{user}.key"))?,
        }}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "current-context": name,
    }))
}

fn containerd(places: &Places) -> String {
    let root = places.data.join("containerd");
    let state = places.run.join("containerd");
    let config = places.config();
    // `restrict_oom_score_adj`: without the capability to lower it every sandbox would die.
    // `netns_mounts_under_state_dir`: else pods of all clusters share /run/netns.
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
oom_score = 0
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
path = "{root}/opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
disable_tcp_service = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{cni}"

[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{registries}"

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"#,
        root = root.display(),
        state = state.display(),
        socket = places.containerd_socket().display(),
        cni = config.join("cni").display(),
        // Read at each pull: how a registry is reached can be said while the cluster runs.
        registries = config.join("registries").display(),
    )
}

fn cni(places: &Places, addresses: AddressPlan) -> Value {
    json!({
        "cniVersion": "0.4.0",
        "name": "testbed",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "ipMasq": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    // Per cluster: the default directory would be one address book for all.
                    "dataDir": places.data.join("cni"),
                    "ranges": [[{"subnet": addresses.pods()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet(places: &Places, addresses: AddressPlan) -> Value {
    let pki = places.pki();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            // Only the API server comes here, with a certificate that the API server itself need not accept.
            "x509": {"clientCAFile": pki.join("administrators-ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": pki.join("kubelet-server.crt"),
        "tlsPrivateKeyFile": pki.join("kubelet-server.key"),
        "address": addresses.node(),
        "healthzBindAddress": "127.0.0.1",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", places.group),
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", places.containerd_socket().display()),
        "clusterDNS": [addresses.dns_service()],
        "clusterDomain": "cluster.local",
        "resolvConf": places.config().join("resolv.conf"),
        "volumePluginDir": places.kubelet().join("volume-plugins"),
        "podLogsDir": places.logs().join("pods"),
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": false,
        "maxPods": 200,
        "kubeAPIQPS": 200,
        "kubeAPIBurst": 400,
        "nodeStatusReportFrequency": "1m0s",
        "enableControllerAttachDetach": true,
    })
}

/// Names of the cluster, names of the hub, and a quick no to all others.
fn corefile(places: &Places, addresses: AddressPlan) -> String {
    format!(
        r#"cluster.local:53 in-addr.arpa:53 {{
    bind {node}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
}}
cofferdam.test:53 {{
    bind {node}
    hosts {{
        {hub} hub.cofferdam.test
        {host} host.cofferdam.test
    }}
}}
.:53 {{
    bind {node}
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"#,
        node = addresses.node(),
        kubeconfig = places.config().join("components.kubeconfig").display(),
        hub = Hub::ADDRESS,
        host = Hub::HOST,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    fn places(name: &str) -> Places {
        Layout::of_this_machine().cluster(&name.parse().unwrap())
    }

    #[test]
    fn two_clusters_share_no_directory_socket_or_group() {
        let (one, two) = (places("one"), places("two"));
        let addresses = AddressPlan::new(1).unwrap();

        let texts = |places: &Places| {
            [
                containerd(places),
                cni(places, addresses).to_string(),
                kubelet(places, addresses).to_string(),
                corefile(places, addresses),
            ]
        };

        for (first, second) in texts(&one).iter().zip(texts(&two)) {
            assert!(!first.contains("/two") && first != &second, "{first}");
        }
    }

    #[test]
    fn the_name_server_keeps_the_catch_all_in_a_block_of_its_own() {
        let addresses = AddressPlan::new(1).unwrap();

        let text = corefile(&places("one"), addresses);

        let block = text.split("template").next().unwrap();
        assert!(block.rfind(".:53").unwrap() > block.rfind("kubernetes").unwrap());
    }

    #[test]
    fn a_kubeconfig_needs_no_other_file() {
        let directory = tempfile::tempdir().unwrap();
        let addresses = AddressPlan::new(3).unwrap();
        let places = Places {
            data: directory.path().join("data"),
            run: directory.path().join("run"),
            ..places("third")
        };

        crate::certificates::write(&places.pki(), addresses, "node-third").unwrap();
        write(&places, addresses, &Doors::default()).unwrap();

        let text = std::fs::read_to_string(places.kubeconfig()).unwrap();
        assert!(text.contains("https://10.213.3.1:6443"));
        assert!(!text.contains(&*directory.path().to_string_lossy()));
    }
}
