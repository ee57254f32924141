//! The program as it is served, compared with its OpenAPI document by schemathesis: no answer is the server's fault, and
//! each conforms to what the document says.

mod served;

use served::Served;
use std::{path::Path, process::Command};

#[test]
fn every_answer_conforms_to_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("vault"), &[]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();

    let run = Command::new(root.join("tests/clients/python"))
        .arg(root.join("tests/clients/schema.py"))
        .args([&served.data.join("administrator.json"), &served.data.join("tls/ca.crt")])
        .arg(&served.url)
        .arg(root.join("openapi/cofferdam.json"))
        .arg(folder.path())
        .env("COFFERDAM_REQUIREMENTS", "requirements-schema.txt")
        .env_remove("HTTPS_PROXY")
        .env_remove("https_proxy")
        .output()
        .unwrap();

    let told = format!("{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && told.contains("the answers conform"), "{told}");
}
