//! `cofferdam backup logs`: what the extension's pods logged about one backup.

use crate::note;
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    operation::problems_text,
    output::{self, Format},
    selection::object_name,
};
use clap::Args;
use extension::manifests::APP;
use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, LogParams},
};
use resources::Backup;
use serde_json::Value;
use std::io::ErrorKind;

#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Name of the backup
    name: String,
    /// Keep printing while new lines come
    #[arg(short, long)]
    follow: bool,
}

pub async fn run(args: LogsArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    object_name(&args.name)?;
    let client = cluster.client().await?;
    let api: Api<Backup> = Api::namespaced(client.clone(), &cluster.namespace);
    let backup = api
        .get(&args.name)
        .await
        .map_err(|error| Failure::api(format!("read backup {}", args.name), &error))?;
    let uid = backup.uid().unwrap_or_default();
    let pods = pods(&client, &cluster.namespace).await?;
    if pods.is_empty() {
        note!("no pod of the extension runs in namespace {}; what the status says:", cluster.namespace);
        output::line(problems_text(&backup).trim_end())?;
        return Ok(Exit::Done);
    }
    for pod in pods {
        print_pod(&client, &cluster.namespace, &pod, (&uid, args.follow), format).await?;
    }
    Ok(Exit::Done)
}

async fn pods(client: &Client, namespace: &str) -> Result<Vec<String>, Failure> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let selector = ListParams::default().labels(&format!("app.kubernetes.io/name={APP}"));
    let pods =
        api.list(&selector).await.map_err(|error| Failure::api("list the extension's pods", &error))?;
    Ok(pods.items.iter().map(ResourceExt::name_any).collect())
}

async fn print_pod(
    client: &Client,
    namespace: &str,
    pod: &str,
    (uid, follow): (&str, bool),
    format: Format,
) -> Result<(), Failure> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = LogParams { follow, ..LogParams::default() };
    let stream = api
        .log_stream(pod, &params)
        .await
        .map_err(|error| Failure::api(format!("read the log of {pod}"), &error))?;
    let mut lines = stream.lines();
    while let Some(line) = lines.try_next().await.map_err(Failure::failed)? {
        if line.contains(uid) {
            // The extension writes its log as JSON lines: they are for programs as they are.
            let shown = if format == Format::Table { readable(&line) } else { None };
            match output::try_line(&shown.unwrap_or(line)) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                written => written.map_err(Failure::failed)?,
            }
        }
    }
    Ok(())
}

/// A JSON log line as a person reads it.
fn readable(line: &str) -> Option<String> {
    let record: Value = serde_json::from_str(line).ok()?;
    // To the second: `2026-01-01T00:00:00`.
    let time = record.get("timestamp")?.as_str()?.get(..19)?;
    let level = record.get("level")?.as_str()?;
    let fields = record.get("fields")?.as_object()?;
    let message = fields.get("message").and_then(Value::as_str).unwrap_or_default();
    let rest: Vec<String> = fields
        .iter()
        // These are the same in every line, because the lines of one backup are shown.
        .filter(|(key, _)| !["message", "uid", "kind", "object", "backup"].contains(&key.as_str()))
        .map(|(key, value)| match value {
            Value::String(text) => format!("{key}={text}"),
            value => format!("{key}={value}"),
        })
        .collect();
    Some(format!("{time} {level:<5} {message} {}", rest.join(" ")).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_json_line_becomes_one_sentence_with_fields() {
        let line = r#"{"timestamp":"2026-01-01T00:00:00.123456Z","level":"INFO","fields":{"message":"committed","uid":"u","objects":3},"target":"x"}"#;

        let text = readable(line).unwrap();

        assert_eq!(text, "2026-01-01T00:00:00 INFO  committed objects=3");
        assert_eq!(readable("plain text"), None);
    }
}
