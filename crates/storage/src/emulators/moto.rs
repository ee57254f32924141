//! moto's S3 server.

use super::{Emulator, free_port, install, tied};
use crate::{credential::CredentialValue, location::Provider};
use std::process::Command;

const VERSION: &str = "5.2.5";
/// Requests that a strict server lets through unchecked.
const UNCHECKED: &str = "INITIAL_NO_AUTH_ACTION_COUNT";
/// The requests of [`user`].
pub(super) const CALLS_FOR_A_USER: u32 = 3;

/// A server that checks every request after the first `unchecked` ones, or none.
pub(super) async fn start(unchecked: Option<u32>) -> Emulator {
    let folder = install::installed("moto", VERSION, |folder| {
        install::run(Command::new("python3").args(["-m", "venv"]).arg(folder));
        let package = format!("moto[server,s3,iam]=={VERSION}");
        install::run(Command::new(folder.join("bin/pip")).args(["install", "-q", &package]));
    });
    let port = free_port();
    let mut command = tied(&folder.join("bin/moto_server"));
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    if let Some(requests) = unchecked {
        command.env(UNCHECKED, requests.to_string());
    }
    Emulator::spawn(command, Provider::Aws, port).await
}

pub(super) fn keys(id: &str, secret: &str) -> CredentialValue {
    CredentialValue::AwsKeys { key_id: id.to_owned(), secret: secret.to_owned().into(), session: None }
}

pub(super) async fn create_bucket(endpoint: &str, name: &str) {
    let request = reqwest::Client::new().put(format!("{endpoint}/{name}"));
    let response = request.header("authorization", authorization("s3")).send().await.expect("moto answers");
    assert!(response.status().is_success(), "bucket {name}: {}", response.status());
}

/// Names a service; moto routes by it and does not check the signature unless it is strict.
fn authorization(service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

pub(super) async fn user(endpoint: &str, name: &str, policy: &str) -> CredentialValue {
    iam(endpoint, &[("Action", "CreateUser"), ("UserName", name)]).await;
    let put =
        [("Action", "PutUserPolicy"), ("UserName", name), ("PolicyName", "p"), ("PolicyDocument", policy)];
    iam(endpoint, &put).await;
    let answer = iam(endpoint, &[("Action", "CreateAccessKey"), ("UserName", name)]).await;
    keys(&value(&answer, "AccessKeyId"), &value(&answer, "SecretAccessKey"))
}

pub(super) async fn role(endpoint: &str, name: &str, policy: &str) -> String {
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"*"},"Action":"sts:AssumeRoleWithWebIdentity"}]}"#;
    let create = [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", trust)];
    let answer = iam(endpoint, &create).await;
    let put =
        [("Action", "PutRolePolicy"), ("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", policy)];
    iam(endpoint, &put).await;
    value(&answer, "Arn")
}

/// The text of the first element of this name.
fn value(answer: &str, tag: &str) -> String {
    let (_, rest) = answer.split_once(&format!("<{tag}>")).unwrap_or_else(|| panic!("no {tag} in {answer}"));
    rest.split('<').next().unwrap_or_default().to_owned()
}

async fn iam(endpoint: &str, form: &[(&str, &str)]) -> String {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request = reqwest::Client::new().post(format!("{endpoint}/"));
    let response = request
        .header("authorization", authorization("iam"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .expect("moto answers");
    let status = response.status();
    let text = response.text().await.expect("moto answers whole");
    assert!(status.is_success(), "{form:?}: {status} {text}");
    text
}
