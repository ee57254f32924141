//! A cluster whose packet filter lets nothing out but connections to a proxy: everything of the vault's journey passes
//! through that proxy, which is reached over TLS with a certificate of a private authority and asks for a password.

use scenarios::{Closed, ConnectProxy, GROUP, LONG, Person, SHOP, VAULT, Vault, wait_until};

/// Where the machine is that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8453";
/// The proxy, in the hub: the cluster reaches nothing else.
const PROXY: &str = "10.213.0.1:3129";
/// The extension's Deployment, for `kubectl`.
const EXTENSION: [&str; 3] = ["-n", "dataprotection-microsoft", "deployment/cofferdam-extension"];

/// Whether a pod of the cluster reaches this address by itself.
fn dials(closed: &Closed, address: &str) -> bool {
    let (host, port) = address.split_once(':').expect("an address with a port");
    let dial = format!("nc -w 3 {host} {port} </dev/null >/dev/null 2>&1 && echo yes || echo no");
    closed.cluster.exec("shop", "app", &["sh", "-c", &dial]).trim() == "yes"
}

fn backs_up(person: &Person, instance: &str) {
    person.does(&["backup", "start", "-g", GROUP, "-v", VAULT, "-n", instance, "--wait"]);
}

/// Since when the extension's pods have their proxy.
fn since(closed: &Closed) -> String {
    let annotation = "jsonpath={.spec.template.metadata.annotations.cofferdam\\.io/proxy-since}";
    closed.cluster.kubectl(&[&["get"], &EXTENSION[..], &["-o", annotation]].concat())
}

/// Waits until the extension's pods have another proxy than they had at that time, and checks that it is this one.
fn extension_has(closed: &Closed, url: &str, before: &str) {
    wait_until("the extension gets the proxy", LONG, || {
        let now = since(closed);
        if now.is_empty() || now == before { Err(now) } else { Ok(()) }
    });
    closed.cluster.kubectl(&[&["rollout", "status", "--timeout=120s"], &EXTENSION[..]].concat());
    let key = "jsonpath={.data.HTTPS_PROXY}";
    let secret = ["get", "secret", "-n", "dataprotection-microsoft", "cofferdam-extension-proxy", "-o", key];
    assert_eq!(closed.cluster.kubectl(&secret), base64(url));
}

fn base64(text: &str) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(text)
}

#[test]
fn a_cluster_whose_only_way_out_is_a_proxy_is_backed_up_and_restored_through_it() {
    let closed = Closed::up("egress", &["--egress-only", PROXY]);
    let place = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::start(place.path(), ADDRESS);
    let proxy = ConnectProxy::start(place.path(), PROXY, "me:first");
    closed.cluster.apply(SHOP);
    closed.cluster.wait_ready("shop", "app=app", LONG);
    let person = vault.administrator();
    let through = |password: &str| {
        let file = proxy.url_file(password);
        ["--https-proxy-file", &file, "--proxy-ca", &proxy.authority()].map(str::to_owned)
    };

    // Everything, from the first connection to the application that is back.
    let first = through("me:first");
    let first: Vec<&str> = first.iter().map(String::as_str).collect();
    let id = person.connect_with(&closed.cluster, "behind", &first);
    println!("connected");
    let instance = person.protect(&id);
    extension_has(&closed, &format!("https://me:first@{PROXY}"), "");
    let before_backup = proxy.answered(ADDRESS, 200);
    backs_up(&person, &instance);
    let by_backup = proxy.answered(ADDRESS, 200) - before_backup;
    println!("backed up");
    closed.cluster.delete_namespace("shop");
    let only =
        ["restore", "start", "-g", GROUP, "-v", VAULT, "-n", &instance, "--included-namespaces", "shop"];
    person.does(&[&only[..], &["--include-cluster-scope-resources", "false", "--wait"]].concat());
    closed.cluster.has_shop();
    println!("restored");

    // Another password: whoever is connected anew has it, extension included, with nothing said to the extension.
    let before = since(&closed);
    proxy.change_password("me:second");
    let second = through("me:second");
    let second: Vec<&str> = second.iter().map(String::as_str).chain(["--reconnect"]).collect();
    person.connect_with(&closed.cluster, "behind", &second);
    extension_has(&closed, &format!("https://me:second@{PROXY}"), &before);
    backs_up(&person, &instance);
    println!("backed up with the other password");

    let (kept_in, let_out) = (closed.kept_in(), closed.let_out());
    let dialled = [PROXY, ADDRESS].map(|address| dials(&closed, address));
    let log = proxy.log();
    println!("{let_out} connections to the proxy, {by_backup} tunnels while the backup ran\n{log}");
    assert_eq!(kept_in, 0, "packets to somewhere else than the proxy, while everything worked");
    assert!(let_out > 0 && by_backup > 0, "{let_out}, {by_backup}");
    assert_eq!(dialled, [true, false], "the proxy is reached, and the vault is not without it");
    assert!(closed.kept_in() > 0, "the filter counts what it keeps in");
    let elsewhere = log.lines().filter(|line| line.starts_with("CONNECT") && !line.contains(ADDRESS));
    assert_eq!(elsewhere.collect::<Vec<_>>(), Vec::<&str>::new(), "nobody but the vault was asked for");
    let everything = closed.cluster.kubectl(&["get", "pods,jobs,deployments,configmaps", "-A", "-o", "yaml"]);
    assert!(!everything.contains("me:first") && !everything.contains("me:second"), "a password is shown");
    for (namespace, deployment) in [
        ("dataprotection-microsoft", "cofferdam-extension"),
        ("kube-system", "cofferdam-agent"),
        ("kube-system", "cofferdam-gateway"),
    ] {
        let log = closed.cluster.kubectl(&["logs", "-n", namespace, &format!("deployment/{deployment}")]);
        assert!(!log.contains("me:second"), "the password is in the log of {deployment}");
    }
    // Without a proxy its Secret goes too, password and all.
    let plain = ["cluster", "connect", "-n", "behind", "-g", "clusters", "--reconnect", "--apply"];
    person.line(&[&plain[..], &["--kubeconfig", &closed.cluster.kubeconfig]].concat());
    assert_eq!(closed.cluster.get(&["secret", "-n", "kube-system", "cofferdam-proxy"]), None);
}
