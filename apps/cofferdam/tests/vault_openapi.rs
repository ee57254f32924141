//! The program as it is served, compared with its OpenAPI document by schemathesis: no answer is the server's fault, and
//! each conforms to what the document says.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A vault in a process of its own; ended with the test.
struct Served {
    child: Child,
    url: String,
    data: PathBuf,
}

impl Served {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cofferdam"))
            .args(["vault", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.by_ref().find(|line| line.contains("the vault answers at ")).unwrap();
        let url =
            line.split("answers at ").nth(1).and_then(|rest| rest.split(';').next()).unwrap().to_owned();
        // Nobody reads on; the pipe must not fill.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url, data: data.to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn every_answer_conforms_to_the_document() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(&folder.path().join("vault"));
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
