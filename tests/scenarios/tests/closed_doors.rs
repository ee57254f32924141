//! The vault's journey on clusters whose doors are shut: none of it needs a way in, a certificate of an administrator,
//! or an account that the cluster itself keeps.

use scenarios::{
    Closed, Cluster, GROUP, Issuer, LONG, Person, SHOP, VAULT, Vault, audit, binary, run, wait_until,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the clusters' pods reach the machine that the tests run on; apart from the addresses of other stories.
const ADDRESS: &str = "10.213.0.2:8450";
const ISSUER: &str = "10.213.0.2:8451";
/// An address in the hub that is not the vault's.
const HUB: &str = "10.213.0.1";

/// Connects the cluster, protects it, loses an application and brings it back, with the vault's command line and
/// without a kubeconfig. The cluster's own administrator does two things: apply the agent's manifest, and look.
fn journey(vault: &Vault, cluster: &Cluster) -> Person {
    cluster.apply(SHOP);
    cluster.wait_ready("shop", "app=app", LONG);
    let person = vault.administrator();
    let id = person.connect(cluster, "shut");
    println!("connected");

    let instance = person.protect(&id);
    let at = ["-g", GROUP, "-v", VAULT];
    let with = |first: &[&str], more: &[&str]| person.does(&[first, &at, more].concat());
    with(&["backup", "start"], &["-n", &instance, "--wait"]);
    println!("backed up");

    cluster.delete_namespace("shop");
    let only = ["-n", &instance, "--included-namespaces", "shop"];
    with(&["restore", "validate"], &only);
    let planned = with(&["restore", "preview"], &only);
    assert!(planned.contains("data with its data"), "the plan names the claim: {planned}");
    with(
        &["restore", "start"],
        &[&only[..], &["--include-cluster-scope-resources", "false", "--wait"]].concat(),
    );
    cluster.has_shop();
    println!("restored");

    // Whoever deletes the instance is named, whatever the owner of the vault switched off.
    with(&["instance", "delete"], &["-n", &instance, "--yes"]);
    let told =
        with(&["alert", "list"], &["--rule", "Delete Backup Data", "--query", "length(@)", "-o", "tsv"]);
    assert_eq!(told.trim(), "1", "an alert tells of the deletion");
    person
}

/// Whether the API server accepts the certificate of the testbed's administrator, and nothing else said for them.
fn certificate_is_accepted(closed: &Closed) -> bool {
    let mut look =
        vec!["--kubeconfig=/dev/null".to_owned(), format!("--server=https://{}", closed.api_server())];
    for (flag, file) in [
        ("certificate-authority", "ca.crt"),
        ("client-certificate", "admin.crt"),
        ("client-key", "admin.key"),
    ] {
        look.push(format!("--{flag}={}", closed.pki(file)));
    }
    look.extend(["get", "namespaces"].map(str::to_owned));
    let look: Vec<&str> = look.iter().map(String::as_str).collect();
    let ran = closed.cluster.try_kubectl(&look, "");
    assert!(
        ran.code == 0 || ran.stderr.contains("Unauthorized") || ran.stderr.contains("provide credentials"),
        "{ran:?}"
    );
    ran.code == 0
}

fn place() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_cluster_that_nothing_can_enter_is_backed_up_and_its_log_names_the_binding_alone() {
    let closed = Closed::up("door-inside", &["--api-only-inside", "--no-inbound", "--audit"]);
    let place = place();
    let vault = Vault::start(place.path(), ADDRESS);
    let listens = closed.inside(&["ss", "-Hltn", "sport = :6443"]);

    let person = journey(&vault, &closed.cluster);

    let came = closed.turned_away();
    let (inner, outer) = (closed.api_server(), closed.outer_address());
    let reached = [inner, outer].map(|address| closed.answers(address));
    assert_eq!(came, 0, "packets that would have opened a connection came while everything worked");
    assert_eq!(reached, [false; 2], "{inner}, {outer}");
    assert!(closed.turned_away() > 0, "the filter counts what it turns away");
    let addresses: Vec<&str> = listens.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
    assert_eq!(addresses, [inner.to_string()], "the API server listens on its inner address alone");
    assert_ne!(inner.ip(), outer.ip());

    audited(&closed, &person);
}

/// The cluster's own record of what the vault did.
fn audited(closed: &Closed, person: &Person) {
    let bindings = ["trusted-access", "rolebinding", "list", "--cluster-name", "shut", "-g", "clusters"];
    let names = person.line(&[&bindings[..], &["--query", "[].name", "-o", "tsv"]].concat());
    let account = names.to_lowercase();
    assert!(!account.is_empty() && !account.contains('\n'), "one binding: {names}");
    let gateway = ["get", "pods", "-n", "kube-system", "-l", "app.kubernetes.io/name=cofferdam-gateway"];
    let gateway =
        closed.cluster.kubectl(&[&gateway[..], &["-o", "jsonpath={.items[*].status.podIP}"]].concat());
    assert!(gateway.starts_with("10.214."), "the address of one pod: {gateway}");

    let entries = closed.audit_log();
    let of_vault = audit::of_bindings(&entries);
    let acts = audit::acts(&of_vault);

    println!("{} of {} requests are the vault's: {acts:?}", of_vault.len(), entries.len());
    assert_eq!(audit::strays(&entries, &account, &gateway), Vec::<String>::new());
    for act in ["create backups", "get backups", "create restores", "get restores"] {
        assert!(acts.contains(act), "{act} is not among {acts:?}");
    }
    let node = closed.outer_address().ip().to_string();
    let own = ["10.214.", "10.215.", "127.0.0.1", "::1", &node];
    assert_eq!(audit::from_outside(&entries, &own).len(), 0, "requests came from outside");
}

#[test]
fn a_cluster_whose_api_server_lets_in_listed_addresses_without_the_vaults_is_backed_up() {
    let closed = Closed::up("door-listed", &["--allow-from", &format!("{HUB}/32")]);
    let place = place();
    let vault = Vault::start(place.path(), ADDRESS);

    journey(&vault, &closed.cluster);

    let tried = closed.turned_away();
    let api = closed.api_server();
    let from_vault = closed.answers(api);
    let mut listed = Command::new(binary("testbed"));
    listed.args(["exec", "--hub", "--", "timeout", "5", "bash", "-c"]);
    listed.arg(format!("exec 3<>/dev/tcp/{}/{}", api.ip(), api.port()));
    assert_eq!(tried, 0, "somebody who is not listed tried to come in");
    assert!(!from_vault, "the vault's address is not listed");
    assert!(closed.turned_away() > 0, "the filter counts what it turns away");
    assert_eq!(run(listed, "").code, 0, "an address that is listed comes in");
}

#[test]
fn a_cluster_that_refuses_administrators_certificates_is_backed_up() {
    let closed = Closed::up("door-cert", &["--no-client-certificates"]);
    let place = place();
    let vault = Vault::start(place.path(), ADDRESS);
    wait_until("its API server answers, for its network is open", LONG, || {
        if closed.answers(closed.api_server()) { Ok(()) } else { Err("no answer yet".to_owned()) }
    });
    assert!(!certificate_is_accepted(&closed), "the certificate that made this cluster");

    journey(&vault, &closed.cluster);

    assert!(!certificate_is_accepted(&closed));
    let who = closed.cluster.kubectl(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
    assert_eq!(who, "system:serviceaccount:kube-system:testbed-administrator");
}

#[test]
fn a_cluster_whose_people_sign_in_with_an_outside_issuer_alone_is_backed_up() {
    let place = place();
    let issuer = Issuer::new(ISSUER);
    let authority = place.path().join("issuer.pem");
    std::fs::write(&authority, issuer.certificate()).expect("the issuer's certificate");
    let authority = authority.display().to_string();
    let closed = Closed::up("door-oidc", &["--oidc-issuer", &issuer.url(), "--oidc-ca", &authority]);
    issuer.serve();
    let vault = Vault::start(place.path(), ADDRESS);
    let who = ["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"];
    let rights = ["auth", "can-i", "create", "deployments", "-n", "kube-system"];
    assert!(!certificate_is_accepted(&closed), "the certificate that made this cluster");

    sign_in(&closed, &issuer.token("bert", "guests"));
    // The API server looks for the issuer every ten seconds.
    wait_until("the issuer's tokens are accepted", LONG, || {
        let ran = closed.cluster.try_kubectl(&who, "");
        if ran.stdout == "oidc:bert" { Ok(()) } else { Err(format!("{ran:?}")) }
    });
    let guest = closed.cluster.try_kubectl(&rights, "").stdout;
    sign_in(&closed, &Issuer::new(ISSUER).token("eve", "administrators"));
    let forged = closed.cluster.try_kubectl(&who, "");
    sign_in(&closed, &issuer.token("anna", "administrators"));
    let signed_in = closed.cluster.kubectl(&who);
    journey(&vault, &closed.cluster);

    assert_eq!(guest.trim(), "no", "another group's people may nothing");
    assert_ne!(forged.code, 0, "a token of the same name and another key: {forged:?}");
    assert_eq!(signed_in, "oidc:anna");
    assert!(!certificate_is_accepted(&closed));
}

/// The kubeconfig of such a cluster names the file of an ID token.
fn sign_in(closed: &Closed, token: &str) {
    let file: PathBuf = Path::new(&closed.cluster.kubeconfig).with_file_name("administrator.token");
    std::fs::write(file, token).expect("the file of the token");
}
