//! The vault and the official client packages, on two clusters: from an empty vault to what was lost and is there again.

use scenarios::{Cluster, Managed, Ran, binary, run, wait_until};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Where the clusters' pods reach the machine that the tests run on.
const ADDRESS: &str = "10.213.0.2:8443";
const URL: &str = "https://10.213.0.2:8443";

const SHOP: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: words, namespace: shop}
data: {greeting: hello}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}, storageClassName: standard}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: shop}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: cofferdam.test/shell:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, \"[ -e /data/words ] || echo 'kept in the volume' > /data/words; sync; exec sleep 1000000\"]
      volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
";

/// A running `cofferdam vault serve`; killed when dropped.
struct Vault {
    child: Child,
    log: PathBuf,
}

impl Vault {
    fn start(data: &Path, packages: &Path) -> Self {
        let log = data.with_extension("log");
        let file = File::create(&log).expect("the vault's log");
        let child = Command::new(binary("cofferdam"))
            .args(["vault", "serve", "--listen", ADDRESS, "--public-url", URL, "--schedule-spread", "0"])
            .args(["--agent-image", scenarios::IMAGE, "--packages"])
            .arg(packages)
            .arg("--data")
            .arg(data)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a second handle of the log"))
            .stderr(file)
            .spawn()
            .expect("the vault starts");
        let vault = Self { child, log };
        wait_until("the vault's credential of the administrator", Duration::from_secs(30), || {
            let there = data.join("administrator.json").exists() && data.join("tls/ca.crt").exists();
            if there { Ok(()) } else { Err(vault.end_of_log()) }
        });
        wait_until("the vault's address", Duration::from_secs(30), || {
            std::net::TcpStream::connect(ADDRESS).map_err(|error| format!("{error}: {}", vault.end_of_log()))
        });
        vault
    }

    fn end_of_log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The backup extension's package, signed with a key of its own, and the file that trusts the key.
fn packages(place: &Path) -> PathBuf {
    let (private, public) = (place.join("key.pem"), place.join("key.pub"));
    let packages = place.join("packages");
    let mut key = Command::new(binary("cofferdam"));
    key.args(["extension-package", "key", "--private"]).arg(&private).arg("--public").arg(&public);
    run(key, "").ok();
    let mut build = Command::new(binary("cofferdam"));
    build.args(["extension-package", "build", "--image", scenarios::IMAGE, "--key"]).arg(&private);
    build.arg("--directory").arg(&packages);
    run(build, "").ok();
    let public = std::fs::read_to_string(&public).expect("the public key");
    let trust = serde_json::json!({
        "keys": [{"publicKey": public, "types": ["microsoft.dataprotection.kubernetes"]}],
    });
    std::fs::write(packages.join("trust.json"), trust.to_string()).expect("the file of trusted keys");
    packages
}

fn journey(data: &Path, one: &Managed, two: &Managed) -> Ran {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(root.join("tests/clients/python"));
    command.arg(root.join("tests/clients/journey.py"));
    command.arg(data.join("administrator.json")).arg(data.join("tls/ca.crt")).arg(URL);
    let apply = " apply --server-side --force-conflicts -f -";
    command.args([format!("{}{apply}", one.kubectl()), format!("{}{apply}", two.kubectl())]);
    command.args([one.kubectl(), two.kubectl()]);
    run(command, "")
}

#[test]
fn what_two_clusters_lose_comes_back_with_the_official_packages_alone() {
    let (one, two) = (Managed::empty(Cluster::one()), Managed::empty(Cluster::named("two")));
    one.0.apply(SHOP);
    one.0.kubectl(&["wait", "-n", "shop", "--for=condition=Ready", "pod/app", "--timeout=120s"]);
    let place = tempfile::tempdir().expect("a temporary directory");
    let data = place.path().join("vault");
    let vault = Vault::start(&data, &packages(place.path()));
    let ran = journey(&data, &one, &two);
    println!("{}", ran.stdout);
    assert_eq!(
        ran.code,
        0,
        "{}\n{}\nthe vault's log ends with\n{}",
        ran.stdout,
        ran.stderr,
        vault.end_of_log()
    );
}
