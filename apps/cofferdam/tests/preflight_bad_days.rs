//! `cofferdam preflight` against an API server that is not there, one that never answers, and one that is slow, flaps or
//! goes away in the middle: what was not seen is said to be, nothing else is made up, and the command ends.

mod faults;
mod terminal;

use faults::{Fault, FaultApiServer, Holds};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};
use terminal::Terminal;

/// What the live line begins with.
const LOOKED: &str = "looked at: ";
const PROGRAM: &str = env!("CARGO_BIN_EXE_cofferdam");
/// Each probe has seconds; all of them together must not have minutes.
const PATIENCE: Duration = Duration::from_secs(90);

fn preflight(folder: &Path, port: u16, more: &[&str]) -> Output {
    command(folder, port, more).stdin(Stdio::null()).output().unwrap()
}

fn command(folder: &Path, port: u16, more: &[&str]) -> Command {
    let kubeconfig = folder.join("kubeconfig");
    let text = format!(
        r#"{{"apiVersion":"v1","kind":"Config","current-context":"c",
        "contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],"users":[{{"name":"u","user":{{}}}}],
        "clusters":[{{"name":"c","cluster":{{"server":"http://127.0.0.1:{port}"}}}}]}}"#
    );
    std::fs::write(&kubeconfig, text).unwrap();
    let mut command = Command::new(PROGRAM);
    command.arg("preflight").args(more).env("KUBECONFIG", &kubeconfig);
    command.env("COFFERDAM_CONFIG_DIR", folder.join("config")).env("HOME", folder);
    command
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
fn a_store_outside_with_a_fixed_credential_is_said_not_to_know_roles_and_an_account_of_a_vault_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let set = |more: &[&str]| -> Vec<String> {
        let location = "configuration.backupStorageLocation";
        let all = ["provider=aws", "bucket=b", "config.region=eu-central-1"].iter().chain(more);
        all.flat_map(|one| ["--set".to_owned(), format!("{location}.{one}")]).collect()
    };
    let said = |settings: &[String], format: &str| {
        let arguments: Vec<&str> =
            settings.iter().map(String::as_str).chain(["--only", "P4", "-o", format]).collect();
        let ran = preflight(folder.path(), closed, &arguments);
        assert_eq!(ran.status.code(), Some(3), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let fixed = [set(&[]), vec!["--set".to_owned(), "credentialSecret=store-keys".to_owned()]].concat();

    let outside = ["table", "json", "html"].map(|format| said(&fixed, format));
    let identity = said(&set(&[]), "json");

    for text in &outside {
        assert!(text.contains("store-keys") && text.contains("do not count there"), "{text}");
    }
    let notes = serde_json::from_str::<Value>(&outside[1]).unwrap()["notes"].clone();
    assert_eq!(notes.as_array().unwrap().len(), 1, "{notes}");
    assert!(!identity.contains("do not count"), "{identity}");
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

#[test]
fn where_nothing_was_seen_nothing_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let ran = preflight(folder.path(), closed, &["--fix", "--yes", "-o", "json"]);
    let alone = preflight(folder.path(), closed, &["--yes"]);

    nothing_passed(&checks(&ran));
    let document: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((ran.status.code(), &document["fixes"]), (Some(3), &Value::Array(Vec::new())));
    assert_eq!(alone.status.code(), Some(2), "a yes without a question is a mistake: {alone:?}");
}

const SMALL: Holds = Holds { version: "v1.35.4", claims: 3, claim: "data-" };

fn of(server: &FaultApiServer, more: &[&str]) -> (Output, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let ran = preflight(folder.path(), server.port, &[&["-o", "json"], more].concat());
    let checks = checks(&ran);
    (ran, checks)
}

fn result<'a>(checks: &'a [Value], id: &str) -> (&'a str, &'a str) {
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    (check["result"].as_str().unwrap(), check["evidence"].as_str().unwrap())
}

/// What an API server that behaves well leads to.
fn well(holds: Holds) -> Vec<Value> {
    let (_, checks) = of(&FaultApiServer::start(Fault::None, holds), &[]);
    for id in ["P4", "P11", "P17", "P19", "P37", "P44"] {
        assert_eq!(result(&checks, id).0, "Passed", "{id}: {}", result(&checks, id).1);
    }
    assert_eq!(result(&checks, "P34").0, "Failed", "{}", result(&checks, "P34").1);
    checks
}

/// A fault may hide what there is to see. It must not make a check say anything else.
fn only_hidden(faulty: &[Value], well: &[Value]) -> usize {
    let mut hidden = 0;
    for check in faulty {
        let id = check["id"].as_str().unwrap();
        match (check["result"].as_str().unwrap(), result(well, id).0) {
            ("NotObservable", "NotObservable") => {}
            ("NotObservable" | "Skipped", _) => hidden += 1,
            (here, there) => assert_eq!(here, there, "{check:#}"),
        }
    }
    hidden
}

#[test]
fn lists_that_are_slow_are_not_observed_and_what_answers_in_time_is() {
    let healthy = well(SMALL);
    let slow = FaultApiServer::start(Fault::SlowLists(Duration::from_secs(8)), SMALL);
    let began = Instant::now();

    let (ran, checks) = of(&slow, &[]);

    let hidden = only_hidden(&checks, &healthy);
    for id in ["P13", "P19", "P34", "P37"] {
        let (ended, why) = result(&checks, id);
        assert_eq!(ended, "NotObservable", "{id}");
        assert!(why.contains("no answer within 3 s"), "{id}: {why}");
    }
    assert_eq!(result(&checks, "P4").0, "Passed", "{}", result(&checks, "P4").1);
    assert!(hidden >= 4, "{hidden}");
    assert_eq!(ran.status.code(), Some(3), "not seen is not well");
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn on_a_terminal_each_probe_that_has_looked_is_told_while_others_look_and_elsewhere_nothing_is() {
    let slow = || FaultApiServer::start(Fault::SlowLists(Duration::from_millis(1_500)), SMALL).port;
    let folder = tempfile::tempdir().unwrap();
    let mut on_terminal = command(folder.path(), slow(), &[]);
    on_terminal.env("TERM", "xterm").env_remove("NO_COLOR");

    let mut terminal = Terminal::run(&on_terminal);
    terminal.until(LOOKED);
    terminal.until(LOOKED);
    let (on_terminal, shown) = terminal.end();
    let elsewhere = preflight(folder.path(), slow(), &[]);

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (printed, told) = (text(&elsewhere.stdout), text(&elsewhere.stderr));
    let (first, last) = (shown.find(LOOKED), shown.rfind(LOOKED));
    let (first, last) = first.zip(last).unwrap_or_else(|| panic!("{shown}"));
    let live: BTreeSet<&str> =
        shown.split(LOOKED).skip(1).filter_map(|rest| rest.split(char::is_control).next()).collect();
    assert!(live.len() > 1, "the line changes: {live:?}");
    assert!(
        !shown[..first].contains("P11") && shown[last..].contains("P11"),
        "the table comes last: {shown}"
    );
    assert!(shown[last..].contains("\u{1b}["), "the live line is taken away: {shown}");
    for text in [&printed, &told] {
        assert!(!text.contains(LOOKED) && !text.contains(['\u{1b}', '\r']), "{text:?}");
    }
    assert!(printed.contains("P11"), "{printed}");
    assert_eq!(Some(on_terminal), elsewhere.status.code());
}

#[test]
fn an_api_server_that_flaps_or_goes_away_in_the_middle_hides_and_invents_nothing() {
    let healthy = well(SMALL);
    let faults = [Fault::Flapping(2), Fault::Flapping(7), Fault::GoneAfter(4), Fault::GoneAfter(40)];

    for fault in faults {
        let server = FaultApiServer::start(fault, SMALL);
        let (ran, checks) = of(&server, &[]);
        let hidden = only_hidden(&checks, &healthy);
        assert!(hidden > 0, "{fault:?} hid nothing of {} requests", server.asked());
        assert_eq!(checks.len(), healthy.len(), "{fault:?}");
        assert_ne!(ran.status.code(), Some(0), "{fault:?}");
    }
}

#[test]
fn ten_thousand_findings_are_a_few_names_and_a_number() {
    let server = FaultApiServer::start(Fault::None, Holds { claims: 10_000, ..SMALL });

    let (ran, checks) = of(&server, &[]);

    let (ended, evidence) = result(&checks, "P34");
    assert_eq!(ended, "Failed");
    assert!(evidence.contains("shop/data-0") && evidence.contains("9995 more"), "{evidence}");
    let details = &checks.iter().find(|check| check["id"] == "P34").unwrap()["details"];
    assert_eq!(details["total"], 10_000);
    assert_eq!(details["objects"].as_array().unwrap().len(), 20);
    assert!(ran.stdout.len() < 200_000, "{} bytes", ran.stdout.len());
}

#[test]
fn what_others_wrote_into_names_is_printed_and_not_obeyed() {
    let evil =
        Holds { version: "v1.35.4\u{1b}[2J\u{7}", claims: 2, claim: "a\u{1b}]0;owned\u{7}\nP6 ok\u{202e}" };
    let server = FaultApiServer::start(Fault::None, evil);

    for format in ["table", "json", "yaml", "junit", "html"] {
        let folder = tempfile::tempdir().unwrap();
        let ran = preflight(folder.path(), server.port, &["-o", format]);
        let text = String::from_utf8(ran.stdout).unwrap();
        let obeyed = |one: char| (one.is_control() && one != '\n') || one == '\u{202e}';
        assert!(!text.contains(obeyed), "{format}: {:?}", text.chars().find(|one| obeyed(*one)));
        assert!(text.contains("owned"), "{format}: the name is told: {text}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("P6 ok")), "{format}: {text}");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(!told.contains('\u{1b}'), "{told:?}");
    }
}
