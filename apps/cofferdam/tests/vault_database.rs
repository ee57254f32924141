//! The program on PostgreSQL: replicas of one vault, its settings, and the exchange of its wrapping key.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

#[allow(dead_code)]
#[path = "../../../crates/vault/tests/databases/server.rs"]
mod server;

use server::Server;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");
const PUBLIC: &str = "https://localhost:8443";

struct Served {
    child: Child,
    port: u16,
    data: PathBuf,
}

impl Served {
    /// Starts, without waiting.
    fn spawn(data: &Path, arguments: &[&str], port: u16) -> Self {
        let child = Command::new(PROGRAM)
            .args(["vault", "serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self { child: child.unwrap(), port, data: data.to_owned() }
    }

    fn until_it_answers(mut self) -> Self {
        let mut lines = BufReader::new(self.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut told = String::new();
        let answers = lines.by_ref().any(|line| {
            told.push_str(&line);
            told.push('\n');
            line.contains("the vault answers at ")
        });
        assert!(answers, "{told}");
        std::thread::spawn(move || lines.for_each(drop));
        self
    }

    /// `path` at this replica, under the public name.
    fn curl(&self, path: &str, arguments: &[&str]) -> String {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30", "--cacert"])
            .arg(self.data.join("tls/ca.crt"))
            .args(["--connect-to", &format!("localhost:8443:127.0.0.1:{}", self.port)])
            .args(arguments)
            .arg(format!("{PUBLIC}{path}"))
            .output()
            .unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    fn token(&self, administrator: &serde_json::Value) -> String {
        let text = |name: &str| administrator[name].as_str().unwrap().to_owned();
        let (client, secret) =
            (format!("client_id={}", text("clientId")), format!("client_secret={}", text("clientSecret")));
        let path = format!("/{}/oauth2/v2.0/token", text("tenantId"));
        let fields = ["--data", "grant_type=client_credentials", "--data", &client];
        let scope = format!("scope={PUBLIC}/.default");
        let more = ["--data-urlencode", &secret, "--data-urlencode", &scope];
        let answer = self.curl(&path, &[fields, more].concat());
        let parsed: serde_json::Value = serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}"));
        parsed["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn sees_the_subscription(&self, token: &str) -> bool {
        let bearer = format!("Authorization: Bearer {token}");
        self.curl("/subscriptions?api-version=2022-12-01", &["--header", &bearer]).contains("subscriptionId")
    }
}

/// As `kill -9` does.
impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn secret_file(path: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn run(arguments: &[&str], data: &Path) -> Output {
    Command::new(PROGRAM).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn administrator(data: &Path) -> Option<serde_json::Value> {
    std::fs::read(data.join("administrator.json")).ok().map(|text| serde_json::from_slice(&text).unwrap())
}

#[test]
fn three_replicas_that_start_first_at_once_are_one_vault_and_outlive_kills_and_a_new_key() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (url, key) = (folder.path().join("database"), folder.path().join("key"));
    secret_file(&url, &server.url("postgres"));
    let (old, new) = ("0f".repeat(32), "a7".repeat(32));
    secret_file(&key, &old);
    let (url, key_file) = (url.to_str().unwrap(), key.to_str().unwrap());
    let arguments = ["--public-url", PUBLIC, "--database-file", url, "--wrapping-key-file", key_file];
    let data: Vec<PathBuf> = (0..3).map(|n| folder.path().join(n.to_string())).collect();
    let start = |n: usize| Served::spawn(&data[n], &arguments, free_port());

    let replicas: Vec<Served> = [start(0), start(1), start(2)].map(Served::until_it_answers).into();
    let administrators: Vec<_> = data.iter().filter_map(|data| administrator(data)).collect();
    let authorities: std::collections::BTreeSet<_> =
        data.iter().map(|data| std::fs::read(data.join("tls/ca.crt")).unwrap()).collect();
    assert_eq!((administrators.len(), authorities.len()), (1, 1));

    // A token of one is good at all, also after it was killed and started again, and after the database was.
    let token = replicas[0].token(&administrators[0]);
    assert!(replicas.iter().all(|replica| replica.sees_the_subscription(&token)));
    let mut replicas = replicas;
    drop(replicas.remove(0));
    server.crash();
    server.up();
    let begun = Instant::now();
    while !replicas.iter().all(|replica| replica.sees_the_subscription(&token)) {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(200));
    }
    replicas.push(start(0).until_it_answers());
    assert!(replicas.iter().all(|replica| replica.sees_the_subscription(&token)));

    // Both keys everywhere, then the exchange, then the new key alone.
    let rotate = ["vault", "rotate-wrapping-key", "--database-file", url, "--wrapping-key-file", key_file];
    let too_early = run(&rotate, &data[0]);
    secret_file(&key, &format!("{old}\n{new}\n"));
    drop(replicas);
    let replicas: Vec<Served> = [start(0), start(1)].map(Served::until_it_answers).into();
    let rotated = run(&rotate, &folder.path().join("operator"));
    assert!(replicas.iter().all(|replica| replica.sees_the_subscription(&token)));
    drop(replicas);
    secret_file(&key, &new);
    let last = start(2).until_it_answers();

    assert_eq!(too_early.status.code(), Some(5), "{}", String::from_utf8_lossy(&too_early.stderr));
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert!(
        last.sees_the_subscription(&token) && last.sees_the_subscription(&last.token(&administrators[0]))
    );
    let made = run(&["vault", "add-principal", "x", "--database-file", url], &data[2]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[test]
fn an_exchange_of_the_key_that_is_killed_at_any_time_leaves_a_vault_that_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let serve = || Served::spawn(&data, &["--public-url", PUBLIC], free_port()).until_it_answers();
    let first = serve();
    let (told, token) = (administrator(&data).unwrap(), first.token(&administrator(&data).unwrap()));
    let while_it_serves = run(&["vault", "rotate-wrapping-key"], &data);
    drop(first);

    for milliseconds in (0..120).step_by(8) {
        let mut rotation = Command::new(PROGRAM)
            .args(["vault", "rotate-wrapping-key", "--data"])
            .arg(&data)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        drop(rotation.kill());
        rotation.wait().unwrap();
    }
    let served = serve();
    let with_the_old_token = served.sees_the_subscription(&token);
    let signs_in = served.sees_the_subscription(&served.token(&told));
    drop(served);
    let last = run(&["vault", "rotate-wrapping-key"], &data);
    let key = std::fs::read_to_string(data.join("secrets/wrapping.key")).unwrap();

    assert_eq!(while_it_serves.status.code(), Some(5));
    assert!(with_the_old_token && signs_in);
    assert!(last.status.success(), "{}", String::from_utf8_lossy(&last.stderr));
    assert_eq!(key.lines().count(), 1);
    assert!(serve().sees_the_subscription(&token));
}

#[test]
fn flags_come_before_the_environment_and_that_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vault.yaml");
    let text = format!(
        "data: {}\nlisten: 192.0.2.1:1\npublic-url: https://of.the.file\nlocation: of-the-file\n",
        folder.path().join("vault").display()
    );
    std::fs::write(&file, text).unwrap();

    let mut child = Command::new(PROGRAM)
        .args(["vault", "serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .env("COFFERDAM_VAULT_LISTEN", "192.0.2.2:2")
        .env("COFFERDAM_VAULT_PUBLIC_URL", "https://of.the.environment")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("the vault answers at "));
    drop(child.kill());
    child.wait().unwrap();
    std::fs::write(&file, "publik-url: https://x\n").unwrap();
    let misspelled = Command::new(PROGRAM).args(["vault", "serve", "--config"]).arg(&file).output().unwrap();

    assert!(line.is_some_and(|line| line.contains("https://of.the.environment")));
    assert!(folder.path().join("vault/vault.db").exists(), "the file's directory is used");
    assert_eq!(misspelled.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&misspelled.stderr).contains("publik-url"));
}

#[test]
fn a_password_in_a_url_that_cannot_be_used_is_not_repeated() {
    let folder = tempfile::tempdir().unwrap();

    let refused = Command::new(PROGRAM)
        .args(["vault", "serve", "--data"])
        .arg(folder.path().join("vault"))
        .env("COFFERDAM_DATABASE", "mysql://u:hunter2@db/x")
        .output()
        .unwrap();
    let help = Command::new(PROGRAM)
        .args(["vault", "serve", "--help"])
        .env("COFFERDAM_DATABASE", "postgres://u:hunter2@db/x")
        .output()
        .unwrap();

    let told = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(!told(&refused).contains("hunter2") && told(&refused).contains("mysql"));
    assert!(!told(&help).contains("hunter2"));
}
