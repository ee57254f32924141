//! The network between the clusters: a hub namespace with a bridge, and one
//! cable from it to each cluster's namespace and to the machine's own shell.

use std::net::Ipv4Addr;
use std::path::Path;

use crate::doors::Doors;
use crate::layout::Places;
use crate::{AddressPlan, Error, Hub, Invocation, Layout, state};

/// The machine's end of its cable to the hub.
const HOST_CABLE: &str = "cofferdam0";
/// The bridge's own hardware address. Without one it takes the lowest of its
/// ports': a cluster that comes or goes would change it, and everybody else
/// would send to the old one for up to a minute.
const HUB_HARDWARE: &str = "02:cf:da:00:00:01";

/// The hardware address of the node with this address, always the same: whoever spoke to a cluster that went would send to
/// the old one when the next cluster gets its number.
fn hardware(node: Ipv4Addr) -> String {
    let [.., number, _] = node.octets();
    format!("02:cf:da:00:01:{number:02x}")
}

/// Removes the hub with its cable to the machine; harmless when there is none.
pub async fn remove_hub(layout: &Layout) -> Result<(), Error> {
    remove(&layout.hub()).await?;
    // The kernel takes the cable away with the namespace, but some time later.
    if Invocation::new("ip").args(["link", "show", HOST_CABLE]).succeeds().await {
        ip(&["link", "del", HOST_CABLE]).await?;
    }
    Ok(())
}

/// Makes the hub; harmless when it is there.
pub async fn ensure_hub(layout: &Layout) -> Result<(), Error> {
    let places = layout.hub();
    if complete(&places) {
        return Ok(());
    }
    remove_hub(layout).await?;
    create_namespace(&places).await?;
    let (hub, host, bits) = (Hub::ADDRESS, Hub::HOST, Hub::PREFIX);
    let name = &places.namespace;
    inside(
        &places,
        &format!(
            "link set lo up\nlink add hub address {HUB_HARDWARE} type bridge\naddr add {hub}/{bits} dev hub\nlink set hub up\n"
        ),
    )
    .await?;
    ip(&["link", "add", HOST_CABLE, "type", "veth", "peer", "name", "host", "netns", name]).await?;
    inside(&places, "link set host master hub\nlink set host up\n").await?;
    ip(&["addr", "add", &format!("{host}/{bits}"), "dev", HOST_CABLE]).await?;
    ip(&["link", "set", HOST_CABLE, "up"]).await?;
    forward(&places).await?;
    mark_complete(&places)
}

/// Makes the namespace of one cluster and plugs it into the hub; harmless when it is there.
pub async fn ensure_cluster(
    layout: &Layout,
    places: &Places,
    addresses: AddressPlan,
    doors: &Doors,
) -> Result<(), Error> {
    if complete(places) {
        return Ok(());
    }
    remove(places).await?;
    let hub = layout.hub();
    let cable = addresses.cable();
    let old = Invocation::new("ip").args(["-n", &hub.namespace, "link", "show", &cable]);
    if old.succeeds().await {
        ip(&["-n", &hub.namespace, "link", "del", &cable]).await?;
    }
    create_namespace(places).await?;
    let (node, bits, gateway) = (addresses.node(), Hub::PREFIX, Hub::ADDRESS);
    let (hardware, namespace) = (hardware(node), &places.namespace);
    inside(
        &hub,
        &format!("link add {cable} type veth peer name eth0 address {hardware} netns {namespace}\n"),
    )
    .await?;
    inside(&hub, &format!("link set {cable} master hub\nlink set {cable} up\n")).await?;
    inside(
        places,
        &format!(
            "link set lo up\naddr add {node}/{bits} dev eth0\nlink set eth0 up\nroute add default via {gateway}\n"
        ),
    )
    .await?;
    if let Some(address) = addresses.private_api() {
        inside(places, &format!("addr add {address}/32 dev lo\n")).await?;
    }
    forward(places).await?;
    shut(places, doors).await?;
    mark_complete(places)
}

/// Puts the packet filter in place, while nothing runs yet that could be reached.
async fn shut(places: &Places, doors: &Doors) -> Result<(), Error> {
    let filter = doors.filter();
    if !filter.is_empty() {
        // The filter is one for IPv4, so there is nothing else.
        let shell = Invocation::new("sh").args(["-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6"]);
        shell.inside(&places.namespace_file()).output().await?;
    }
    for rule in filter {
        Invocation::new("iptables").args(rule).inside(&places.namespace_file()).output().await?;
    }
    Ok(())
}

/// Does something with this program's own connections inside a namespace, on a thread that enters it and ends.
pub async fn from_inside<T, Fut>(
    places: &Places,
    act: impl FnOnce() -> Fut + Send + 'static,
) -> Result<T, Error>
where
    T: Send + 'static,
    Fut: Future<Output = Result<T, Error>>,
{
    let namespace = places.namespace_file();
    let (done, outcome) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let entered = || {
            let file = std::fs::File::open(&namespace)?;
            nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET)?;
            tokio::runtime::Builder::new_current_thread().enable_all().build()
        };
        let result = match entered() {
            Ok(runtime) => runtime.block_on(act()),
            Err(error) => Err(Error::file("enter", &namespace)(error)),
        };
        // Nobody waits any more when the command was interrupted.
        done.send(result).ok();
    });
    outcome
        .await
        .unwrap_or_else(|_| Err(Error::Usage("the work inside the cluster's network broke off".to_owned())))
}

/// Removes a namespace with all its interfaces; harmless when there is none.
pub async fn remove(places: &Places) -> Result<(), Error> {
    state::forget(&marker(places))?;
    if places.namespace_file().exists() {
        ip(&["netns", "del", &places.namespace]).await?;
    }
    Ok(())
}

async fn create_namespace(places: &Places) -> Result<(), Error> {
    ip(&["netns", "add", &places.namespace]).await
}

/// Lets packets pass between interfaces, and through the packet filter where
/// they cross a bridge (Services need that).
async fn forward(places: &Places) -> Result<(), Error> {
    let script = "echo 1 > /proc/sys/net/ipv4/ip_forward; \
        f=/proc/sys/net/bridge/bridge-nf-call-iptables; if [ -e $f ]; then echo 1 > $f; fi";
    let shell = Invocation::new("sh").args(["-c", script]);
    shell.inside(&places.namespace_file()).output().await.map(|_| ())
}

async fn ip(arguments: &[&str]) -> Result<(), Error> {
    Invocation::new("ip").args(arguments).output().await.map(|_| ())
}

/// Runs several `ip` commands inside a namespace.
async fn inside(places: &Places, batch: &str) -> Result<(), Error> {
    let ip = Invocation::new("ip").args(["-n", &places.namespace, "-batch", "-"]);
    ip.output_with_input(batch.as_bytes()).await.map(|_| ())
}

/// A namespace counts only when every step of making it was done.
fn complete(places: &Places) -> bool {
    marker(places).exists() && is_namespace(&places.namespace_file())
}

/// After a reboot an empty file may be left where the namespace was mounted.
fn is_namespace(path: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let path = path.to_string_lossy();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(path.as_ref()))
}

fn marker(places: &Places) -> std::path::PathBuf {
    places.run.join("network-complete")
}

fn mark_complete(places: &Places) -> Result<(), Error> {
    state::write(&marker(places), b"")
}
