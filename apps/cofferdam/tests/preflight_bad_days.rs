//! `cofferdam preflight` against an API server that is not there, and one that never answers: every check says so, and the
//! command ends.

use serde_json::Value;
use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");
/// Each probe has seconds; all of them together must not have minutes.
const PATIENCE: Duration = Duration::from_secs(90);

fn preflight(folder: &Path, port: u16, more: &[&str]) -> Output {
    let kubeconfig = folder.join("kubeconfig");
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Config","current-context":"c",
        "contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],"users":[{{"name":"u","user":{{}}}}],
        "clusters":[{{"name":"c","cluster":{{"server":"http://127.0.0.1:{port}"}}}}]}}"#
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("preflight").args(more).env("KUBECONFIG", &kubeconfig).stdin(Stdio::null());
    command.env("COFFERDAM_CONFIG_DIR", folder.join("config")).env("HOME", folder);
    command.output().unwrap()
}

fn checks(output: &Output) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    document["checks"].as_array().unwrap().clone()
}

fn nothing_passed(checks: &[Value]) {
    assert_eq!(checks.len(), 54);
    for check in checks {
        let result = check["result"].as_str().unwrap();
        assert!(["NotObservable", "NotApplicable"].contains(&result), "{check:#}");
    }
}

#[test]
fn an_api_server_that_is_not_there_is_not_judged() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let ran = preflight(folder.path(), closed, &["-o", "json"]);

    nothing_passed(&checks(&ran));
    assert_eq!(ran.status.code(), Some(3));
}

#[test]
fn an_api_server_that_never_answers_costs_each_probe_its_deadline_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Connections are taken and kept open.
    std::thread::spawn(move || listener.incoming().collect::<Vec<std::io::Result<TcpStream>>>());
    let began = Instant::now();

    let ran = preflight(folder.path(), port, &["-o", "json"]);

    let checks = checks(&ran);
    nothing_passed(&checks);
    let version = checks.iter().find(|check| check["id"] == "P11").unwrap();
    assert!(version["evidence"].as_str().unwrap().contains("no answer within 3 s"), "{version:#}");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn every_format_says_the_same_and_only_preflight_has_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let printed = |format: &str| {
        let ran = preflight(folder.path(), closed, &["--only", "P4,p11", "-o", format]);
        assert_eq!(ran.status.code(), Some(3), "{format}");
        String::from_utf8(ran.stdout).unwrap()
    };

    let all = ["table", "json", "yaml", "junit", "html"].map(printed);
    let elsewhere = Command::new(PROGRAM).args(["completion", "bash"]).output().unwrap();
    let refused = Command::new(PROGRAM)
        .args(["extension-package", "key", "--private"])
        .arg(folder.path().join("key"))
        .arg("--public")
        .arg(folder.path().join("key.pub"))
        .args(["-o", "html"])
        .output()
        .unwrap();

    for text in &all {
        assert!(text.contains("P11") && text.contains("P4") && !text.contains("P12"), "{text}");
    }
    assert!(
        all[3].contains("<testsuite name=\"cofferdam preflight\" tests=\"2\" failures=\"0\""),
        "{}",
        all[3]
    );
    assert!(all[4].starts_with("<!doctype html>"), "{}", all[4]);
    assert!(elsewhere.status.success());
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let unknown = preflight(folder.path(), closed, &["--only", "P99"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
}
