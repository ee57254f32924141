//! What a client asks an API server for, written down on the way.

use crate::{Cluster, binary, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// A way to an API server with an administrator's rights, which notes each request; gone when dropped.
#[derive(Debug)]
pub struct Recorded {
    /// The file by which a client takes this way.
    pub kubeconfig: String,
    /// `kubectl proxy`, which signs in for whoever comes.
    proxy: Child,
    asked: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Recorded {
    /// A way to this cluster.
    pub fn way_to(cluster: &Cluster) -> Self {
        let mut proxy = Command::new(binary("testbed"))
            .args(["kubectl", "--name", &cluster.name, "--", "proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // What it starts ends with it.
            .process_group(0)
            .spawn()
            .expect("kubectl starts");
        let mut said = String::new();
        let mut lines = BufReader::new(proxy.stdout.take().expect("its output"));
        lines.read_line(&mut said).expect("a line");
        let far = said.trim().rsplit(' ').next().expect("where it listens").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (far, noted) = (far.clone(), noted.clone());
                std::thread::spawn(move || drop(carry(near, &far, &noted)));
            }
        });
        let folder = tempfile::tempdir().expect("a folder");
        let kubeconfig = folder.path().join("kubeconfig");
        let text = format!(
            r#"{{"apiVersion":"v1","kind":"Config","current-context":"c",
            "contexts":[{{"name":"c","context":{{"cluster":"c","user":"u"}}}}],"users":[{{"name":"u","user":{{}}}}],
            "clusters":[{{"name":"c","cluster":{{"server":"http://127.0.0.1:{port}"}}}}]}}"#
        );
        std::fs::write(&kubeconfig, text).expect("the file is written");
        Self { kubeconfig: kubeconfig.display().to_string(), proxy, asked, _folder: folder }
    }

    /// The requests since the last time, each as its method and its target.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().expect("nobody panicked"))
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", "--", &format!("-{}", self.proxy.id())]);
        let ran = run(kill, "");
        if ran.code != 0 {
            eprintln!("kubectl proxy goes on: {}", ran.stderr);
        }
        drop(self.proxy.wait());
    }
}

/// Carries the requests of one connection, one after the other, and what is answered.
fn carry(near: TcpStream, far: &str, noted: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut far = TcpStream::connect(far)?;
    let (mut answers, mut back) = (far.try_clone()?, near.try_clone()?);
    std::thread::spawn(move || {
        drop(std::io::copy(&mut answers, &mut back));
        drop(back.shutdown(Shutdown::Both));
    });
    let mut requests = BufReader::new(near);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if requests.read_line(&mut head)? == 0 {
                return far.shutdown(Shutdown::Both);
            }
        }
        let fields = || head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let field =
            |name: &str| fields().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, it)| it.trim());
        // A body whose length is not told would hide the requests behind it.
        assert_eq!(field("transfer-encoding"), None, "{head}");
        let length = field("content-length").map_or(0, |length| length.parse().expect("a number"));
        let request = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
        noted.lock().expect("nobody panicked").push(request);
        far.write_all(head.as_bytes())?;
        std::io::copy(&mut requests.by_ref().take(length), &mut far)?;
    }
}
