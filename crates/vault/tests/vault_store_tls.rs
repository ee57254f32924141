//! The way to PostgreSQL over a network is TLS, to a server that proves who it is.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::{Connection, Executor, PgConnection, Row};
use std::path::PathBuf;
use vault::store::{Store, StoreError, postgres::Postgres};

mod databases;

use databases::{Server, own};

/// An authority, written where clients read it.
fn authority(path: PathBuf) -> (Issuer<'static, KeyPair>, PathBuf) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
    (Issuer::new(params, key), path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_prove_who_it_is_gets_no_connection() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (issuer, right) = authority(folder.path().join("right.crt"));
    let (_, wrong) = authority(folder.path().join("wrong.crt"));
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = server.folder().join("data").join(name);
        std::fs::write(&path, text).unwrap();
        own(&path);
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.set(&format!("ssl = on\nlisten_addresses = '127.0.0.1'\nport = {port}\n"));
    server.crash();
    server.up();
    let open = async |host: &str, authority: &PathBuf, mode: &str| {
        let authority = authority.display();
        let url = format!("postgres://vault@{host}:{port}/postgres?sslmode={mode}&sslrootcert={authority}");
        Postgres::open(&url.parse().unwrap()).await
    };

    let proven = open("localhost", &right, "verify-full").await.unwrap();
    let of_another = open("localhost", &wrong, "verify-full").await;
    let under_another_name = open("127.0.0.1", &right, "verify-full").await;
    let in_the_clear = open("localhost", &right, "disable").await;

    proven.ready().await.unwrap();
    for refused in [of_another, under_another_name] {
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    assert!(in_the_clear.is_ok(), "the operator may choose so");
    let secured = "SELECT count(*) AS n FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE ssl AND application_name = 'cofferdam-vault'";
    let url = format!("postgres://vault@localhost:{port}/postgres?sslmode=disable");
    let row = PgConnection::connect(&url).await.unwrap().fetch_one(secured).await.unwrap();
    assert!(row.get::<i64, _>("n") >= 1);
}
