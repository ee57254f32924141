//! The images' programs really run, as the users they name.

mod common;

use common::{Container, packages, text, workload};
use images::Image;
use images::recipes::{self, Workload};
use std::process::Output;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn the_shell_has_its_tools() {
    let shell = Container::new(&workload(Workload::Shell));

    let said = shell.run(&["/bin/sh", "-c", "echo one two | sha256sum | cut -c1-6; sleep 0; id -u"]);

    assert_eq!(text(&said), "2dbb4a\n0\n");
}

#[test]
fn the_web_server_serves_a_file_without_root() {
    let web = Container::new(&workload(Workload::Nginx));
    std::fs::write(web.path("usr/share/nginx/html/index.html"), "hello from here").unwrap();

    // A container's output belongs to its user; a test's pipe does not, so nginx gets a file.
    let script = "nginx -e stderr > /tmp/log 2>&1 && wget -qO- http://127.0.0.1:8080/ && id -u";
    let said = web.run(&["/bin/sh", "-c", script]);

    assert!(text(&said).contains("hello from here"), "{}", text(&said));
    assert!(String::from_utf8_lossy(&said.stdout).ends_with("101\n"), "{}", text(&said));
}

/// Built once: it is the largest.
static POSTGRES: LazyLock<Image> = LazyLock::new(|| workload(Workload::Postgres));
const PASSWORD: [(&str, &str); 2] = [("POSTGRES_PASSWORD", "secret"), ("POSTGRES_DB", "bench")];

/// Runs a client in its own container on the same files, through the server's socket.
fn client(database: &Container, words: &[&str]) -> Output {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let ready = database.run(&["pg_isready", "--quiet", "--dbname=bench"]);
        if ready.status.success() {
            return database.run(words);
        }
        assert!(Instant::now() < deadline, "the database does not start: {}", text(&ready));
        sleep(Duration::from_millis(200));
    }
}

fn rows(database: &Container) -> String {
    let query = "select count(*) from pgbench_accounts";
    text(&client(database, &["psql", "--no-align", "--tuples-only", "--command", query, "bench"]))
}

#[test]
fn the_database_keeps_its_rows_over_a_kill_with_the_modes_of_a_mounted_volume() {
    let database = Container::new(&POSTGRES);
    let data = database.path("var/lib/postgresql/data");
    let as_kubelet_leaves_it = || {
        let script = r#"chgrp -R 999 "$1"; chmod -R g+rwX "$1"; find "$1" -type d -exec chmod g+s {} +"#;
        std::process::Command::new("sh").args(["-c", script, "sh"]).arg(&data).status().unwrap();
    };
    std::process::Command::new("chown").arg("root:root").arg(&data).status().unwrap();
    as_kubelet_leaves_it();

    let first = database.start(&["postgres-start"], &PASSWORD);
    let filled = client(&database, &["pgbench", "--initialize", "--scale=1", "--quiet", "bench"]);
    assert!(filled.status.success(), "{}", text(&filled));
    drop(first);
    as_kubelet_leaves_it();
    let second = database.start(&["postgres-start"], &[]);
    let counted = rows(&database);
    drop(second);

    assert_eq!(counted, "100000\n");
}

#[test]
fn the_database_says_what_it_lacks_at_its_first_start() {
    let database = Container::new(&POSTGRES);

    let said = database.run(&["postgres-start"]);

    assert!(!said.status.success());
    assert!(text(&said).contains("set POSTGRES_PASSWORD"), "{}", text(&said));
}

#[test]
fn the_products_program_finds_its_libraries() {
    // Stands in for the product: a program linked the same way, that can list what it contains.
    let program = std::env::current_exe().unwrap();
    let image = recipes::product("cofferdam.test/cofferdam:dev", &program, &packages()).unwrap();
    let product = Container::new(&image);

    let said = product.run(&["/cofferdam", "--list"]);

    assert!(text(&said).contains("the_products_program_finds_its_libraries: test"), "{}", text(&said));
}
