//! Which processes a cluster consists of and how each is started: one function
//! per layer, each a plain list.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::build::NodeBinaries;
use crate::doors::Doors;
use crate::layout::Places;
use crate::supervisor::{Gate, Process};
use crate::{AddressPlan, Invocation};

/// The CSI driver with snapshots.
pub const DRIVER: &str = "csi.cofferdam.test";
/// The CSI driver without snapshots.
pub const PLAIN_DRIVER: &str = "plain.csi.cofferdam.test";

const ETCD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2379);

/// What the lists are made from.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The cluster's places.
    pub places: &'a Places,
    /// Its addresses.
    pub addresses: AddressPlan,
    /// Which ways into it are shut.
    pub doors: &'a Doors,
    /// The name of its node.
    pub node: &'a str,
    /// The program that holds etcd and Kubernetes.
    pub kubernetes: &'a Path,
}

/// etcd, API server and controller manager.
pub fn control_plane(parts: &Parts<'_>) -> Vec<Process> {
    vec![
        parts.component("etcd", etcd(parts), vec![]),
        parts.component("kube-apiserver", api_server(parts), vec![Gate::Listening(ETCD)]),
        parts.component("kube-controller-manager", controller_manager(parts), vec![parts.api_ready()]),
    ]
}

/// Everything that makes the cluster run pods, and name resolution.
pub fn node(parts: &Parts<'_>, programs: &NodeBinaries) -> Vec<Process> {
    let (places, config) = (parts.places, parts.places.config());
    let containerd = Invocation::new("containerd").arg("--config").arg(config.join("containerd.toml"));
    let coredns = Invocation::new(&programs.coredns).arg("-conf").arg(config.join("Corefile"));
    vec![
        process("containerd", containerd, vec![]),
        parts.component("kube-scheduler", scheduler(parts), vec![parts.api_ready()]),
        parts.component(
            "kubelet",
            kubelet(parts),
            vec![Gate::Exists(places.containerd_socket()), parts.api_ready()],
        ),
        parts.component("kube-proxy", proxy(parts), vec![parts.api_ready()]),
        process("coredns", coredns, parts.rights_given().to_vec()),
    ]
}

/// Both CSI drivers and their sidecars.
pub fn storage(parts: &Parts<'_>, programs: &NodeBinaries, driver: &Path, pool: &Path) -> Vec<Process> {
    let served = parts.rights_given();
    // With a lease, as where several replicas of it run: others see by it whether it lives. A machine that is busy for a quarter
    // of a minute is no reason to lose it.
    let controller = parts.sidecar(&programs.snapshot_controller).args([
        "--worker-threads=20",
        "--retry-interval-max=10s",
        "--leader-election",
        "--leader-election-namespace=kube-system",
        "--leader-election-lease-duration=20s",
        "--leader-election-renew-deadline=17s",
    ]);
    let mut processes = vec![process("snapshot-controller", controller, served.to_vec())];
    for (name, short) in [(DRIVER, "csi"), (PLAIN_DRIVER, "plain-csi")] {
        let socket = parts.places.driver_socket(name);
        let gates: Vec<Gate> = [Gate::Exists(socket.clone())].into_iter().chain(served.clone()).collect();
        let address = flag("--csi-address", &socket);
        let provisioner = parts.sidecar(&programs.csi_provisioner).arg(&address).args([
            "--retry-interval-max=10s",
            "--timeout=60s",
            "--extra-create-metadata",
        ]);
        processes.push(process(
            &format!("{short}-driver"),
            driver_process(parts, driver, pool, name),
            vec![],
        ));
        let resizer = parts
            .sidecar(&programs.csi_resizer)
            .arg(&address)
            .args(["--retry-interval-max=10s", "--handle-volume-inuse-error=false"]);
        processes.push(process(&format!("{short}-provisioner"), provisioner, gates.clone()));
        processes.push(process(&format!("{short}-resizer"), resizer, gates.clone()));
        if name == DRIVER {
            let snapshotter = parts.sidecar(&programs.csi_snapshotter).arg(&address).args([
                "--worker-threads=20",
                "--retry-interval-max=10s",
                "--timeout=120s",
            ]);
            processes.push(process(&format!("{short}-snapshotter"), snapshotter, gates));
        }
    }
    processes
}

/// Where a driver looks for the faults that a test plans.
pub fn faults_file(places: &Places, driver: &str) -> PathBuf {
    places.run.join(format!("{driver}.faults.json"))
}

/// The file that says: the API types of the storage sidecars are there, and so are the rights of all that runs
/// beside Kubernetes.
pub fn manifests_applied(places: &Places) -> PathBuf {
    places.run.join("manifests-applied")
}

impl Parts<'_> {
    /// A component of the common program. Its name stays its first argument.
    fn component(&self, name: &str, arguments: Vec<OsString>, after: Vec<Gate>) -> Process {
        let run = Invocation::new(self.kubernetes).arg(name).args(arguments);
        process(name, run, after)
    }

    fn api_ready(&self) -> Gate {
        Gate::Healthy {
            url: format!("{}/readyz", self.addresses.api_server()),
            authority: self.places.pki().join("ca.crt"),
        }
    }

    /// The server answers and `up` has seen it serve the types. The file alone would not do: the server may be
    /// starting again.
    fn rights_given(&self) -> [Gate; 2] {
        [Gate::Exists(manifests_applied(self.places)), self.api_ready()]
    }

    /// A sidecar that talks to the API as fast as it wants; the defaults would
    /// allow five requests a second.
    fn sidecar(&self, program: &Path) -> Invocation {
        Invocation::new(program)
            .arg(flag("--kubeconfig", &self.config("components.kubeconfig")))
            .args(["--kube-api-qps=300", "--kube-api-burst=600"])
    }

    fn config(&self, file: &str) -> PathBuf {
        self.places.config().join(file)
    }
}

fn etcd(parts: &Parts<'_>) -> Vec<OsString> {
    let url = format!("http://{ETCD}");
    let mut arguments = words(&[
        "--name=testbed",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=testbed=http://127.0.0.1:2380",
        // The data is worth nothing after a crash of the machine.
        "--unsafe-no-fsync",
        "--quota-backend-bytes=8589934592",
        "--log-level=warn",
    ]);
    arguments.push(flag("--data-dir", &parts.places.data.join("etcd")));
    arguments.push(format!("--listen-client-urls={url}").into());
    arguments.push(format!("--advertise-client-urls={url}").into());
    arguments
}

fn api_server(parts: &Parts<'_>) -> Vec<OsString> {
    let (pki, addresses) = (parts.places.pki(), parts.addresses);
    let mut arguments = words(&[
        "--secure-port=6443",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--kubelet-preferred-address-types=InternalIP",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--enable-aggregator-routing=true",
        "--max-requests-inflight=1600",
        "--max-mutating-requests-inflight=800",
    ]);
    arguments.push(format!("--etcd-servers=http://{ETCD}").into());
    let listen = addresses.private_api().unwrap_or(Ipv4Addr::UNSPECIFIED);
    arguments.push(format!("--bind-address={listen}").into());
    arguments.push(format!("--advertise-address={}", addresses.api_address()).into());
    arguments.push(format!("--service-cluster-ip-range={}", addresses.services()).into());
    for (name, file) in [
        ("--tls-cert-file", "apiserver.crt"),
        ("--tls-private-key-file", "apiserver.key"),
        ("--client-ca-file", "clients.crt"),
        ("--kubelet-certificate-authority", "ca.crt"),
        ("--kubelet-client-certificate", "apiserver-kubelet.crt"),
        ("--kubelet-client-key", "apiserver-kubelet.key"),
        ("--service-account-signing-key-file", "tokens.key"),
        ("--service-account-key-file", "tokens.pub"),
        ("--requestheader-client-ca-file", "front-proxy-ca.crt"),
        ("--proxy-client-cert-file", "front-proxy-client.crt"),
        ("--proxy-client-key-file", "front-proxy-client.key"),
    ] {
        arguments.push(flag(name, &pki.join(file)));
    }
    arguments.push(flag("--cert-dir", &pki));
    if parts.doors.issuer.is_some() {
        arguments.push(flag("--authentication-config", &parts.config("authentication.json")));
    }
    if parts.doors.audit {
        arguments.push(flag("--audit-policy-file", &parts.config("audit.json")));
        arguments.push(flag("--audit-log-path", &parts.places.logs().join("audit.log")));
    }
    arguments
}

fn controller_manager(parts: &Parts<'_>) -> Vec<OsString> {
    let pki = parts.places.pki();
    let kubeconfig = parts.config("controller-manager.kubeconfig");
    let mut arguments = words(&[
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--bind-address=127.0.0.1",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
    ]);
    for (name, path) in [
        ("--kubeconfig", kubeconfig.clone()),
        ("--authentication-kubeconfig", kubeconfig.clone()),
        ("--authorization-kubeconfig", kubeconfig),
        ("--root-ca-file", pki.join("ca.crt")),
        ("--cluster-signing-cert-file", pki.join("ca.crt")),
        ("--cluster-signing-key-file", pki.join("ca.key")),
        ("--service-account-private-key-file", pki.join("tokens.key")),
        ("--cert-dir", parts.places.data.join("controller-manager")),
        ("--flex-volume-plugin-dir", parts.places.kubelet().join("volume-plugins")),
    ] {
        arguments.push(flag(name, &path));
    }
    arguments
}

fn scheduler(parts: &Parts<'_>) -> Vec<OsString> {
    let kubeconfig = parts.config("scheduler.kubeconfig");
    let mut arguments = words(&["--leader-elect=false", "--bind-address=127.0.0.1"]);
    arguments.push(flag("--kubeconfig", &kubeconfig));
    arguments.push(flag("--authentication-kubeconfig", &kubeconfig));
    arguments.push(flag("--authorization-kubeconfig", &kubeconfig));
    arguments.push(flag("--cert-dir", &parts.places.data.join("scheduler")));
    arguments
}

fn kubelet(parts: &Parts<'_>) -> Vec<OsString> {
    vec![
        flag("--config", &parts.config("kubelet.json")),
        flag("--kubeconfig", &parts.config("kubelet.kubeconfig")),
        flag("--root-dir", &parts.places.kubelet()),
        flag("--cert-dir", &parts.places.kubelet().join("pki")),
        format!("--hostname-override={}", parts.node).into(),
        format!("--node-ip={}", parts.addresses.node()).into(),
    ]
}

fn proxy(parts: &Parts<'_>) -> Vec<OsString> {
    vec![
        flag("--kubeconfig", &parts.config("proxy.kubeconfig")),
        format!("--cluster-cidr={}", parts.addresses.pods()).into(),
        format!("--hostname-override={}", parts.node).into(),
        "--conntrack-max-per-core=0".into(),
        "--proxy-mode=iptables".into(),
    ]
}

fn driver_process(parts: &Parts<'_>, driver: &Path, pool: &Path, name: &str) -> Invocation {
    let places = parts.places;
    let kubelet = places.kubelet();
    let run = Invocation::new(driver)
        .arg("--endpoint")
        .arg(places.driver_socket(name))
        .args(["--driver-name", name, "--node-id", parts.node, "--pool"])
        .arg(pool)
        .arg("--kubelet-root")
        .arg(&kubelet)
        .arg("--registration-dir")
        .arg(kubelet.join("plugins_registry"))
        .arg("--faults-file")
        .arg(faults_file(places, name));
    match name {
        PLAIN_DRIVER => run.arg("--no-snapshots"),
        _ => run,
    }
}

fn process(name: &str, run: Invocation, after: Vec<Gate>) -> Process {
    Process { name: name.to_owned(), run, after }
}

/// `name=path` in one word.
fn flag(name: &str, path: &Path) -> OsString {
    let mut word = OsString::from(name);
    word.push("=");
    word.push(path);
    word
}

fn words(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    fn lines(processes: &[Process]) -> String {
        processes.iter().map(|p| p.run.display() + "\n").collect()
    }

    fn programs() -> NodeBinaries {
        let path = PathBuf::from;
        NodeBinaries {
            snapshot_controller: path("/b/snapshot-controller"),
            csi_snapshotter: path("/b/csi-snapshotter"),
            csi_provisioner: path("/b/csi-provisioner"),
            csi_resizer: path("/b/csi-resizer"),
            coredns: path("/b/coredns"),
        }
    }

    fn with_parts<T>(name: &str, check: impl FnOnce(&Parts<'_>) -> T) -> T {
        let places = Layout::of_this_machine().cluster(&name.parse().unwrap());
        check(&Parts {
            places: &places,
            addresses: AddressPlan::new(1).unwrap(),
            doors: &Doors::default(),
            node: "node-one",
            kubernetes: Path::new("/b/kubernetes"),
        })
    }

    #[test]
    fn the_driver_without_snapshots_has_no_snapshot_sidecar() {
        let (driver, pool) = (Path::new("/b/csi-driver"), Path::new("/pool"));

        let text = with_parts("one", |parts| lines(&storage(parts, &programs(), driver, pool)));

        let snapshotters = text.lines().filter(|line| line.contains("/b/csi-snapshotter"));
        assert_eq!(snapshotters.count(), 1);
        let plain = text.lines().find(|line| line.contains("--driver-name plain"));
        assert!(plain.unwrap().ends_with("--no-snapshots"));
    }

    #[test]
    fn both_clusters_offer_the_same_driver_name_from_the_same_pool() {
        let (driver, pool) = (Path::new("/b/csi-driver"), Path::new("/pool"));

        let of = |name| with_parts(name, |parts| lines(&storage(parts, &programs(), driver, pool)));

        for text in [of("one"), of("two")] {
            assert!(text.contains("--driver-name csi.cofferdam.test") && text.contains("--pool /pool"));
        }
        assert_ne!(of("one"), of("two"));
    }

    #[test]
    fn nothing_but_the_store_of_the_control_plane_starts_without_a_condition() {
        let processes = with_parts("one", control_plane);

        let at_once: Vec<_> = processes.iter().filter(|p| p.after.is_empty()).collect();

        assert_eq!(at_once.len(), 1);
        assert_eq!(at_once.first().unwrap().name, "etcd");
    }
}
