//! The official Python clients against the program as it is served.

mod served;

use served::{PROGRAM, Served, packages};
use std::{
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").canonicalize().unwrap()
}

/// Makes a principal while the server runs; the path of its credential.
fn add_principal(data: &Path) -> PathBuf {
    let made = Command::new(PROGRAM)
        .args(["vault", "add-principal", "someone", "-o", "json", "--data"])
        .arg(data)
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let facts: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    data.join(format!("principal-{}.json", facts["clientId"].as_str().unwrap()))
}

/// Makes a person while the server runs; the path of the password.
fn add_person(data: &Path, name: &str) -> PathBuf {
    let file = data.join("password");
    std::fs::write(&file, "gravel lamp orbit tin").unwrap();
    let made = Command::new(PROGRAM)
        .args(["vault", "add-user", name, "--role", "Reader", "--password-file"])
        .arg(&file)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    file
}

#[test]
fn the_official_python_clients_go_the_whole_way() {
    let folder = tempfile::tempdir().unwrap();
    let packages = packages(folder.path());
    let served = Served::start(&folder.path().join("vault"), &["--packages", packages.to_str().unwrap()]);
    let someone = add_principal(&served.data);
    let person = "anna@example.org";
    let password = add_person(&served.data, person);

    let python = Command::new(clients().join("python"))
        .arg(clients().join("management.py"))
        .args([&served.data.join("administrator.json"), &someone, &served.data.join("tls/ca.crt")])
        .arg(&served.url)
        .arg(person)
        .arg(&password)
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .output()
        .unwrap();

    let told =
        format!("{}\n{}", String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&python.stderr));
    assert!(python.status.success() && told.contains("all of it worked"), "{told}");
    assert_eq!(served.stop(), 0);
}

#[test]
fn the_official_python_clients_use_storage_accounts_from_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("vault"), &[]);
    let someone = add_principal(&served.data);

    let python = Command::new(clients().join("python"))
        .arg(clients().join("storage.py"))
        .args([&served.data.join("administrator.json"), &someone, &served.data.join("tls/ca.crt")])
        .arg(&served.url)
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .output()
        .unwrap();

    let told =
        format!("{}\n{}", String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&python.stderr));
    assert!(python.status.success() && told.contains("all of it worked"), "{told}");
    assert_eq!(served.stop(), 0);
}

#[test]
fn repository_keys_are_exported_to_who_holds_the_recovery_key_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let served = Served::start(&at("vault"), &[]);
    let vault = |arguments: &[&str]| {
        let told =
            Command::new(PROGRAM).arg("vault").args(arguments).current_dir(folder.path()).output().unwrap();
        assert!(told.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8(told.stdout).unwrap()
    };

    let recipient = vault(&["make-recovery-key", "--identity", "recovery.key"]);
    std::fs::write(at("recovery.pub"), &recipient).unwrap();
    vault(&["export-repository-keys", "--data", "vault", "--recipient", "recovery.pub", "--out", "keys.age"]);
    vault(&["open-repository-keys", "keys.age", "--identity", "recovery.key", "--into", "keys"]);
    let reference = Command::new(clients().join("python"))
        .arg(clients().join("sealed.py"))
        .args(["open".into(), at("recovery.key"), at("keys.age")])
        .output()
        .unwrap();

    let content: serde_json::Value = serde_json::from_slice(&reference.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&reference.stderr)));
    assert_eq!(content["keys"], serde_json::json!([]), "{content}");
    assert!(recipient.starts_with("age1"), "{recipient}");
    assert_eq!(served.stop(), 0);
}

#[test]
fn the_secret_goes_to_a_file_that_only_its_owner_reads_and_never_to_a_pipe() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();

    let mut served = Served::start(&folder.path().join("vault"), &[]);
    let file = served.data.join("administrator.json");
    let credential: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    let mut stdout = served.child.stdout.take().unwrap();
    assert_eq!(served.stop(), 0);
    let mut told = String::new();
    stdout.read_to_string(&mut told).unwrap();

    assert_eq!(mode, 0o600);
    assert!(credential["clientSecret"].as_str().unwrap().len() > 40);
    assert_eq!(told, "");
}

#[test]
fn two_servers_on_one_directory_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let _served = Served::start(&data, &[]);

    let second = Command::new(PROGRAM)
        .args(["vault", "serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data)
        .output()
        .unwrap();

    let told = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(5), "{told}");
    assert!(told.contains("another vault uses"), "{told}");
}
