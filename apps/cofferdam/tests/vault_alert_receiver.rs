//! The receiver that docs/alerts.md shows, a vault that is killed before it told it, and the clients of alerts.

mod served;

use serde_json::Value;
use served::{PROGRAM, Served};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A vault with receivers, and somebody who is signed in.
struct World {
    served: Option<Served>,
    folder: TempDir,
    port: u16,
}

impl World {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        std::fs::write(folder.path().join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let receivers = format!(
            "- name: ops\n  url: http://127.0.0.1:{port}/\n  secret-file: {}\n  allow-loopback-http: true\n",
            folder.path().join("secret").display()
        );
        std::fs::write(folder.path().join("webhooks.yaml"), receivers).unwrap();
        let mut world = Self { served: None, folder, port };
        world.serve();
        world
    }

    fn serve(&mut self) {
        let webhooks = self.folder.path().join("webhooks.yaml");
        let data = self.folder.path().join("vault");
        self.served = Some(Served::start(&data, &["--webhooks", webhooks.to_str().unwrap()]));
        let (file, ca) = (self.data().join("administrator.json"), self.ca());
        let url = self.served.as_ref().unwrap().url.clone();
        self.done(&["login", "--credential-file", text(&file), "--vault-url", &url, "--ca", text(&ca)]);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    fn ca(&self) -> PathBuf {
        self.data().join("tls/ca.crt")
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env("COFFERDAM_CONFIG_DIR", self.folder.path().join("config"));
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "COFFERDAM_SUBSCRIPTION"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[arguments, &["-o", "json"]].concat())).unwrap()
    }

    /// A vault whose soft delete somebody switches off.
    fn weaken(&self) {
        self.done(&["group", "create", "-n", "g", "-l", "local"]);
        self.done(&["provider", "register", "-n", "Microsoft.DataProtection", "--wait"]);
        self.done(&["vault", "create", "--vault-name", "vault1", "-g", "g", "-l", "local"]);
        self.done(&["vault", "update", "--vault-name", "vault1", "-g", "g", "--soft-delete-state", "Off"]);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The receiver of the page, as it stands there.
struct Python {
    child: Child,
    lines: Receiver<String>,
}

impl Python {
    fn start(folder: &Path, port: u16) -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/alerts.md");
        let page = std::fs::read_to_string(page).unwrap();
        let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
        std::fs::write(folder.join("receiver.py"), program).unwrap();
        let mut child = Command::new("python3")
            .arg(folder.join("receiver.py"))
            .arg(folder.join("secret"))
            .arg(port.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        std::thread::spawn(move || told.try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn next(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends something to the receiver; the status of its answer.
fn post(port: u16, id: &str, timestamp: u64, signature: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "POST / HTTP/1.0\r\ncontent-length: {}\r\nwebhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[test]
fn a_vault_that_is_killed_before_it_told_an_alert_tells_it_after_its_next_start() {
    let mut world = World::start();
    world.weaken();
    let killed = world.served.as_mut().unwrap();
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();

    let receiver = Python::start(world.folder.path(), world.port);
    world.serve();
    let told = receiver.next(Duration::from_secs(150));
    let again = receiver.next(Duration::from_secs(3));

    assert_eq!(told.as_deref(), Some("Sev0 Soft Delete Disabled for Vault Fired"));
    assert_eq!(again, None);
}

#[test]
fn the_receiver_of_the_page_refuses_what_is_forged_and_what_is_old() {
    let folder = tempfile::tempdir().unwrap();
    // The example of the convention: its message is from 2021.
    std::fs::write(folder.path().join("secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let receiver = Python::start(folder.path(), port);
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it should listen");
        std::thread::sleep(Duration::from_millis(50));
    }

    let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    let old = post(port, id, at, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", body);
    let forged = post(port, id, at + 1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", body);

    assert_eq!((old.as_str(), forged.as_str()), ("401", "401"));
    assert_eq!(receiver.next(Duration::from_secs(1)), None);
}

#[test]
fn a_person_lists_shows_acknowledges_and_closes_an_alert_on_the_command_line() {
    let world = World::start();
    world.weaken();
    let of_vault = ["alert", "list", "--vault-name", "vault1", "-g", "g"];

    let listed = world.json(&of_vault);
    let name = listed[0]["name"].as_str().unwrap().to_owned();
    let table = world.done(&["alert", "list"]);
    let shown =
        world.done(&["alert", "show", "-n", &name, "--query", "properties.essentials.severity", "-o", "tsv"]);
    let taken = world.json(&["alert", "acknowledge", "-n", &name, "--comment", "I am at it"]);
    let id = listed[0]["id"].as_str().unwrap();
    let closed = world.json(&["alert", "close", "--ids", id]);
    let open = world.json(&[&of_vault[..], &["--state", "New"]].concat());
    let gone = world.json(&[
        "alert",
        "list",
        "-g",
        "g",
        "--severity",
        "Sev0",
        "--condition",
        "Fired",
        "--state",
        "Closed",
    ]);
    let wrong = world.run(&["alert", "list", "--severity", "high"]);

    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert!(table.contains("Soft Delete Disabled for Vault") && table.contains("Fired"), "{table}");
    assert_eq!(shown.trim(), "Sev0");
    let state = |alert: &Value| alert["properties"]["essentials"]["alertState"].as_str().unwrap().to_owned();
    assert_eq!((state(&taken).as_str(), state(&closed).as_str()), ("Acknowledged", "Closed"));
    assert_eq!((open.as_array().unwrap().len(), gone.as_array().unwrap().len()), (0, 1));
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && told.contains("Sev0, Sev1"), "{told}");
}

#[test]
fn the_official_python_client_of_alerts_works() {
    let world = World::start();
    world.weaken();
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients").canonicalize().unwrap();

    let python = Command::new(clients.join("python"))
        .arg(clients.join("alerts.py"))
        .args([world.data().join("administrator.json"), world.ca()])
        .arg(&world.served.as_ref().unwrap().url)
        .env("COFFERDAM_REQUIREMENTS", "requirements-alerts.txt")
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .output()
        .unwrap();

    let told =
        format!("{}\n{}", String::from_utf8_lossy(&python.stdout), String::from_utf8_lossy(&python.stderr));
    assert!(python.status.success() && told.contains("all of it worked"), "{told}");
}
