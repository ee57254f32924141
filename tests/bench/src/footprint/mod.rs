//! What agent and gateway use in a cluster, beside their limits: while they are connected and install the extension,
//! idle, and while a backup runs through the vault. Read from the control groups of their containers.

mod cgroup;

use crate::Plan;
use crate::api;
use crate::cluster::Cluster;
use crate::environment::Environment;
use crate::process::{Running, beside, run};
use crate::results::{Footprint, Phase, PodUse};
use anyhow::{Context, Result, bail};
use cgroup::{Container, Counters};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the cluster's pods reach the machine that this runs on.
const ADDRESS: &str = "10.213.0.2:8452";
const IMAGE: &str = "cofferdam.test/cofferdam:dev";
const PODS: [&str; 2] = ["cofferdam-agent", "cofferdam-gateway"];
const PATIENCE: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(60);
/// After what came before an idle minute is over.
const SETTLE: Duration = Duration::from_secs(15);
const VAULT: [&str; 4] = ["-g", "AKSAzureBackup_local", "-v", "AKSAzureBackup-local"];

/// Measures in a full cluster with so many objects.
pub async fn measure(plan: &Plan, objects: usize, environment: &Environment) -> Result<Footprint> {
    println!("footprint: a cluster with {objects} objects and a vault beside it");
    let cluster = Cluster::up(&plan.cluster, false).await?;
    cluster.fill(objects, "footprint").await?;
    let place = Place::new()?;
    load_image(plan, &place.path("product.tar"))?;
    let vault = place.vault()?;
    let connecting = Instant::now();
    connect(&place, &cluster)?;
    let instance = protect(&place)?;
    // Both containers run by now; what they used before counts too.
    let watched = Watched::find(&cluster).await?;
    let mut pods = watched.pods.iter().map(|pod| pod.used.clone()).collect::<Vec<_>>();
    let mut note = |what: &str, before: &[Counters], began: Instant| -> Result<()> {
        let after = watched.read()?;
        for ((pod, before), after) in pods.iter_mut().zip(before).zip(&after) {
            pod.phase(what).add(before, after, began.elapsed().as_secs_f64());
            println!("  {what}: {} {:?}", pod.name, after);
        }
        Ok(())
    };
    note("connect and install", &[Counters::default(); PODS.len()], connecting)?;
    for _ in 0..plan.rounds {
        tokio::time::sleep(SETTLE).await;
        let (before, began) = (watched.read()?, Instant::now());
        tokio::time::sleep(IDLE).await;
        note("idle", &before, began)?;
        let (before, began) = (watched.read()?, Instant::now());
        place.cofferdam(&[&["backup", "start"], &VAULT[..], &["-n", &instance, "--wait"]].concat())?;
        note("backup", &before, began)?;
    }
    let restarts = Watched::find(&cluster).await?.restarts;
    drop(vault);
    Ok(Footprint { environment: environment.clone(), objects, restarts, pods })
}

/// A directory for the vault and for the person who is signed in at it; gone with this value.
struct Place(PathBuf);

impl Place {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("bench-footprint-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn vault(&self) -> Result<Running> {
        let (private, public) = (self.path("key.pem"), self.path("key.pub"));
        let mut key = Command::new(beside("cofferdam")?);
        run(key.args(["extension-package", "key", "--private"]).arg(&private).arg("--public").arg(&public))?;
        let packages = self.path("packages");
        let mut build = Command::new(beside("cofferdam")?);
        build.args(["extension-package", "build", "--image", IMAGE, "--key"]).arg(&private);
        run(build.arg("--directory").arg(&packages))?;
        let trust = serde_json::json!({"keys": [{
            "publicKey": std::fs::read_to_string(&public)?, "types": ["microsoft.dataprotection.kubernetes"],
        }]});
        std::fs::write(packages.join("trust.json"), trust.to_string())?;
        let mut serve = Command::new(beside("cofferdam")?);
        serve.args(["vault", "serve", "--listen", ADDRESS, "--public-url", &format!("https://{ADDRESS}")]);
        serve.args(["--agent-image", IMAGE, "--packages"]).arg(&packages);
        let vault = Running::start(serve.arg("--data").arg(self.path("vault")), &self.path("vault.log"))?;
        let (credential, authority) = (self.path("vault/administrator.json"), self.path("vault/tls/ca.crt"));
        let began = Instant::now();
        while !credential.exists() || !authority.exists() || std::net::TcpStream::connect(ADDRESS).is_err() {
            if began.elapsed() > PATIENCE {
                bail!("the vault does not start: {}", std::fs::read_to_string(self.path("vault.log"))?);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let mut login = self.command()?;
        run(login.args(["login", "--credential-file"]).arg(credential).arg("--ca").arg(authority))?;
        Ok(vault)
    }

    fn command(&self) -> Result<Command> {
        let mut command = Command::new(beside("cofferdam")?);
        command.env("COFFERDAM_CONFIG_DIR", self.path("config"));
        Ok(command)
    }

    /// A command of a person; 3 says that something was left out and named.
    fn cofferdam(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command()?.args(arguments).output()?;
        if ![Some(0), Some(3)].contains(&output.status.code()) {
            bail!("{arguments:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn load_image(plan: &Plan, archive: &Path) -> Result<()> {
    let mut build = Command::new(beside("images")?);
    run(build.arg("product").arg("--binary").arg(beside("cofferdam")?).arg("--out").arg(archive))?;
    let mut load = Command::new(beside("testbed")?);
    run(load.args(["load-image", "--name", &plan.cluster]).arg(archive)).map(drop)
}

fn connect(place: &Place, cluster: &Cluster) -> Result<()> {
    place.cofferdam(&["provider", "register", "-n", "Microsoft.ContainerService"])?;
    place.cofferdam(&["group", "create", "-n", "clusters", "-l", "local"])?;
    let kubeconfig = cluster.kubeconfig.display().to_string();
    let connect = ["cluster", "connect", "-n", "bench", "-g", "clusters", "--apply", "--wait"];
    place.cofferdam(&[&connect[..], &["--kubeconfig", &kubeconfig]].concat()).map(drop)
}

/// Makes everything from the extension to the instance, and returns the instance's name.
fn protect(place: &Place) -> Result<String> {
    let id = place
        .cofferdam(&["cluster", "show", "-n", "bench", "-g", "clusters", "--query", "id", "-o", "tsv"])?;
    place.cofferdam(&["enable-backup", "--datasource-id", &id, "--enable-trusted-access"])?;
    place.cofferdam(&[&["instance", "list"], &VAULT[..], &["--query", "[0].name", "-o", "tsv"]].concat())
}

/// The pods that are measured.
struct Watched {
    pods: Vec<Pod>,
    restarts: u64,
}

struct Pod {
    container: Container,
    used: PodUse,
}

impl Watched {
    async fn find(cluster: &Cluster) -> Result<Self> {
        let all = api::list(&cluster.client, "/api/v1/namespaces/kube-system/pods").await?;
        let mut found = Self { pods: Vec::new(), restarts: 0 };
        for name in PODS {
            let of_name = |pod: &&Value| {
                pod["metadata"]["name"].as_str().is_some_and(|full| full.starts_with(&format!("{name}-")))
            };
            let pod = all.iter().find(of_name).with_context(|| format!("no pod of {name}"))?;
            let status = &pod["status"]["containerStatuses"][0];
            let id = status["containerID"].as_str().context("a container without an id")?;
            let limits = &pod["spec"]["containers"][0]["resources"]["limits"];
            let text = |name: &str| limits[name].as_str().unwrap_or("none").to_owned();
            found.restarts += status["restartCount"].as_u64().unwrap_or_default();
            found.pods.push(Pod {
                container: Container::find(id.trim_start_matches("containerd://"))?,
                used: PodUse {
                    name: name.to_owned(),
                    cpu_limit: text("cpu"),
                    memory_limit: text("memory"),
                    phases: Vec::new(),
                },
            });
        }
        Ok(found)
    }

    fn read(&self) -> Result<Vec<Counters>> {
        self.pods.iter().map(|pod| pod.container.read()).collect()
    }
}

impl Phase {
    fn add(&mut self, before: &Counters, after: &Counters, seconds: f64) {
        let periods = after.periods - before.periods;
        let throttled = after.throttled - before.throttled;
        self.seconds.add(seconds);
        self.cpu.add((after.cpu - before.cpu) / seconds * 1000.0);
        self.throttled_periods.add(if periods > 0.0 { throttled / periods * 100.0 } else { 0.0 });
        self.throttled_seconds.add(after.throttled_seconds - before.throttled_seconds);
        self.memory.add(after.memory);
        self.peak.add(after.peak);
    }
}
