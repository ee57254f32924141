//! Preflight behind firewalls and beside name servers that answer wrongly: each endpoint of an installation dropped in turn,
//! a name that leads elsewhere, a registry that refuses nodes, a network policy, a second store that only people reach.
//!
//! The testbed's network enforces no NetworkPolicy: where one is meant, the packet filter does what it says.

use scenarios::{
    Cluster, Dropped, IMAGE, Installation, NAMESPACE, Names, Preflight, Registry, Store, Vault, azure,
    binary, run,
};
use std::{
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::Command,
};

/// Where the vault is; apart from those of other stories.
const VAULT: &str = "10.213.0.2:8457";
/// Where it is too, behind another door.
const DOOR: &str = "10.213.0.2:8458";
const SOMEBODY: &str = "00000000-0000-0000-0000-000000000001";

fn active(cluster: &Cluster, more: &[String]) -> Preflight {
    let mut all = vec!["--active", "--yes"];
    all.extend(more.iter().map(String::as_str));
    Preflight::run(cluster, &all)
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}

/// The settings of an installation to come, with this image and store.
fn planned(image: &str, store: &Store) -> Vec<String> {
    [words(&["--image", image]), store.arguments()].concat()
}

/// The settings of one that belongs to a vault.
fn with_vault(vault: &Vault) -> Vec<String> {
    let settings = [
        format!("vault.url=https://{VAULT}"),
        format!("vault.tenantId={SOMEBODY}"),
        format!("vault.clientId={SOMEBODY}"),
    ];
    let settings = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
    words(&["--vault-ca", &vault.authority().display().to_string()]).into_iter().chain(settings).collect()
}

/// Another door of the vault, as behind a load balancer: what comes to it goes to the vault.
fn open_door(door: &str) {
    let listener = TcpListener::bind(door).expect("the door's address");
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            let far = TcpStream::connect(VAULT).expect("the vault");
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                std::thread::spawn(move || {
                    drop(std::io::copy(&mut from, &mut to));
                    drop(to.shutdown(Shutdown::Both));
                });
            }
        }
    });
}

/// What P16 says, one line for each endpoint that fails; nothing else failed.
fn only_p16(found: &Preflight) -> Vec<String> {
    assert_eq!((found.failed(), found.code), (vec!["P16"], 5), "{found:?}");
    let objects = found.check("P16")["details"]["objects"].as_array().cloned().unwrap_or_default();
    objects.iter().filter_map(|one| one.as_str()).map(str::to_owned).collect()
}

fn green(found: &Preflight, reached: &str) {
    found.expect("P16", "Passed", reached);
    assert_eq!(found.failed(), [""; 0], "{found:?}");
}

#[test]
fn each_endpoint_that_is_dropped_in_turn_is_the_one_that_is_named() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "in-turn");
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::start(place.path(), VAULT);
    let _person = vault.administrator();
    let planned = [planned(IMAGE, &installation.store), with_vault(&vault)].concat();
    let dropped = |protocol: &str, address: &str, port: &str| {
        let _dropped = Dropped::by(&cluster, protocol, address, port);
        only_p16(&active(&cluster, &planned))
    };

    let to_vault = dropped("tcp", "10.213.0.2", "8457");
    let to_store = dropped("tcp", "10.213.0.1", "9000");
    let to_server = dropped("tcp", "10.96.0.1", "443");
    let to_names = dropped("udp", "10.96.0.10", "53");
    let open = active(&cluster, &planned);

    let silent = "TCP timed out: somebody drops the packets";
    // The vault gives the tokens too: one place, named for both.
    let of_vault = ["vault", "token endpoint"].map(|what| format!("{what} {VAULT}: {silent}"));
    assert_eq!(to_vault, of_vault);
    assert_eq!(to_store, [format!("object store 10.213.0.1:9000: {silent}")]);
    assert_eq!(to_server.len(), 1, "{to_server:?}");
    assert!(
        to_server[0].starts_with(&format!("API server kubernetes.default.svc:443: {silent}")),
        "{to_server:?}"
    );
    assert_eq!(
        to_names,
        ["DNS kubernetes.default.svc:53: DNS the name service gives no answer (10.96.0.10 says nothing)"]
    );
    green(&open, &format!("token endpoint {VAULT}"));
}

#[test]
fn the_vaults_data_plane_behind_a_door_of_its_own_is_named_alone_when_that_is_dropped() {
    let cluster = Cluster::one();
    let _installation = Installation::prepared(&cluster, "data-plane");
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::start(place.path(), VAULT);
    let _person = vault.administrator();
    open_door(DOOR);
    let location = "configuration.backupStorageLocation";
    let settings = [
        format!("{location}.bucket=backups"),
        format!("{location}.config.storageAccount=backups"),
        format!("{location}.config.resourceGroup=backups"),
        format!("{location}.config.subscriptionId={SOMEBODY}"),
        format!("{location}.config.storageAccountURI=https://{DOOR}/backups"),
    ];
    let settings = settings.into_iter().flat_map(|setting| ["--set".to_owned(), setting]);
    let planned: Vec<String> =
        words(&["--image", IMAGE]).into_iter().chain(with_vault(&vault)).chain(settings).collect();
    let (host, port) = DOOR.split_once(':').expect("an address");

    let dropped = Dropped::to(&cluster, host, port);
    let shut = active(&cluster, &planned);
    drop(dropped);
    let open = active(&cluster, &planned);

    assert_eq!(only_p16(&shut), [format!("data plane {DOOR}: TCP timed out: somebody drops the packets")]);
    assert!(shut.fix("P16").contains(&format!("Allow TCP to {DOOR}")), "{}", shut.fix("P16"));
    green(&open, &format!("data plane {DOOR}"));
}

#[test]
fn a_name_that_is_unknown_or_leads_elsewhere_is_told_apart_from_a_firewall() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "names");
    let name = "pf-store.cofferdam.test";
    let store = Store { url: format!("http://{name}:9000"), ..installation.store };
    let planned = planned(IMAGE, &store);
    let names = Names::of(&cluster);
    let leads = |address: [u8; 4]| {
        names.lead(name, Ipv4Addr::from(address));
        active(&cluster, &planned)
    };

    let nowhere = "store.nowhere.example";
    let unknown = Store { url: format!("http://{nowhere}:9000"), ..store.clone() };
    let unknown = active(&cluster, &[words(&["--image", IMAGE]), unknown.arguments()].concat());
    let itself = leads([127, 0, 0, 1]);
    let elsewhere = leads([10, 213, 0, 2]);
    let right = leads([10, 213, 0, 1]);
    drop(names);

    assert_eq!(only_p16(&unknown), [format!("object store {nowhere}:9000: DNS the name is not known")]);
    assert_eq!(
        only_p16(&itself),
        [format!("object store {name}:9000: DNS the name leads to an address that cannot be right")]
    );
    for (found, name) in [(&unknown, nowhere), (&itself, name)] {
        assert!(
            found.fix("P16").contains(&format!("what the cluster's DNS answers for {name}")),
            "{found:?}"
        );
    }
    assert_eq!(only_p16(&elsewhere), [format!("object store {name}:9000: TCP refused, at 10.213.0.2")]);
    green(&right, &format!("object store {name}:9000"));
}

#[test]
fn a_registry_that_refuses_the_nodes_is_the_cause_and_the_probe_behind_it_is_not_judged() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "registry");
    let place = tempfile::tempdir().expect("a temporary directory");
    let registry = Registry::start(place.path(), &cluster);
    let planned = planned(&registry.image(), &installation.store);

    let refused = registry.refuse(&cluster);
    let blocked = active(&cluster, &planned);
    drop(refused);
    // Nodes fetch it now; pods, which go another way, would not.
    let dropped = Dropped::to(&cluster, "10.213.0.1", "5000");
    let silent = active(&cluster, &planned);
    drop(dropped);
    let open = active(&cluster, &planned);

    blocked.expect("P15", "Failed Block", "10.213.0.1:5000");
    blocked.expect_code("P15", None);
    blocked.expect("P15", "Failed Block", "connection refused");
    assert_eq!((blocked.failed(), blocked.code), (vec!["P15"], 5), "{blocked:?}");
    blocked.expect("P16", "Skipped", "P15");
    silent.expect("P15", "Passed", "a probe's pod ran");
    let registry = "image registry 10.213.0.1:5000";
    assert_eq!(only_p16(&silent), [format!("{registry}: TCP timed out: somebody drops the packets")]);
    // It speaks no TLS, which the nodes were told and pods were not.
    green(&open, "pods do not need it, and nodes have the image");
}

#[test]
fn a_network_policy_that_lets_nothing_out_is_the_cause_until_the_printed_ones_stand_beside_it() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "policy");
    installation.install(&[]).ok();
    cluster.apply(&format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"closed","namespace":"{NAMESPACE}"}},
        "spec":{{"podSelector":{{}},"policyTypes":["Egress"]}}}}"#
    ));

    let enforced = Dropped::all(&cluster);
    let closed = active(&cluster, &[]);
    drop(enforced);
    let printed = cluster.cofferdam(&["preflight", "egress", "--format", "networkpolicy"]);
    cluster.apply(&printed.stdout);
    let open = active(&cluster, &[]);
    cluster.try_kubectl(&["delete", "-f", "-", "--ignore-not-found"], &printed.stdout).ok();

    closed.expect("P43", "Failed Block", &format!("restricted by {NAMESPACE}/closed"));
    closed.expect_code("P43", None);
    closed.expect("P43", "Failed Block", "API server kubernetes.default.svc:443");
    assert_eq!((closed.failed(), closed.code), (vec!["P43"], 5), "{closed:?}");
    closed.expect("P16", "Skipped", "P43");
    let fix = "cofferdam preflight egress --format networkpolicy | kubectl apply -f -";
    assert!(closed.fix("P43").starts_with(fix), "{}", closed.fix("P43"));
    open.expect("P43", "Passed", &format!("{NAMESPACE}/closed, {NAMESPACE}/cofferdam-egress"));
    open.expect("P43", "Passed", "a pod with the extension's labels reaches the API server");
    green(&open, "object store 10.213.0.1:9000");
}

#[test]
fn a_firewall_with_the_printed_rules_lets_out_what_an_installation_needs_and_without_them_nothing() {
    let cluster = Cluster::one();
    let installation = Installation::prepared(&cluster, "printed");
    let planned = planned(IMAGE, &installation.store);
    let inside = |command: &[&str], input: &str| {
        let mut exec = Command::new(binary("testbed"));
        exec.args(["exec", "--name", &cluster.name, "--"]).args(command);
        run(exec, input)
    };
    let chain = "COFFERDAM-EGRESS";
    let settings = installation.store.settings();
    let mut egress = vec!["preflight", "egress", "--format", "iptables", "--image", IMAGE];
    settings.iter().for_each(|setting| egress.extend(["--set", setting]));
    let rules = cluster.cofferdam(&egress).stdout;
    inside(&["iptables", "-w", "-N", chain], "");

    let firewall = Dropped::but(&cluster, chain);
    let shut = active(&cluster, &planned);
    let loaded = inside(&["iptables-restore", "--noflush"], &rules);
    let open = active(&cluster, &planned);
    drop(firewall);
    for verb in ["-F", "-X"] {
        inside(&["iptables", "-w", verb, chain], "").ok();
    }

    // The name service and the API server are on this side of it.
    assert_eq!(only_p16(&shut), ["object store 10.213.0.1:9000: TCP timed out: somebody drops the packets"]);
    assert_eq!(loaded.code, 0, "{}\n{rules}", loaded.stderr);
    green(&open, "object store 10.213.0.1:9000");
}

#[test]
fn a_second_store_that_people_reach_and_pods_do_not_is_named() {
    let cluster = Cluster::one();
    let installation = Installation::beside(&cluster, "staging");
    let container = azure::Container::new(&format!("staging-{}-{}", cluster.name, std::process::id()));
    let arguments = container.arguments("AZURE_STORAGE_ACCOUNT_ACCESS_KEY", azure::KEY);
    let mut add = vec!["location", "add", "staging"];
    add.extend(arguments.iter().map(String::as_str));
    cluster.cofferdam(&add).ok();
    let staging = words(&["--location", "staging", "--image", IMAGE]);

    let dropped = Dropped::to(&cluster, "10.213.0.1", "10000");
    let shut = active(&cluster, &staging);
    drop(dropped);
    let open = active(&cluster, &staging);

    shut.expect("P6", "Passed", "");
    assert_eq!(only_p16(&shut), ["object store 10.213.0.1:10000: TCP timed out: somebody drops the packets"]);
    assert!(shut.fix("P16").contains("Allow TCP to 10.213.0.1:10000"), "{}", shut.fix("P16"));
    green(&open, "object store 10.213.0.1:10000");
    drop(installation);
}
