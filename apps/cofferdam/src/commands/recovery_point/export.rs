//! `cofferdam recovery-point export`: the objects of a recovery point as manifests, one file per stage.

use super::{From, empty_directory};
use crate::{
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    output::{self, Format},
    selection::{SelectionArgs, mapping},
};
use clap::Args;
use futures::StreamExt;
use protection::{Problem, Severity};
use replay::{Export, Exported, NotExported, RecoveryPointSource, Stage};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

/// Objects of each reason that the table names; beyond it they are counted.
const NAMED: usize = 10;

const CHECK_DISK: &str = "Check the disk, then repeat with another directory.";

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Id of the recovery point, or its beginning
    id: String,
    /// Directory to write to; created when absent, and empty
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Write a namespace under another name, as original:target; may be repeated
    #[arg(long = "map", value_parser = mapping, value_name = "FROM:TO")]
    mappings: Vec<(String, String)>,
    #[command(flatten)]
    from: From,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    directory: PathBuf,
    files: Vec<Written>,
    /// Objects without manifest, by the reason.
    left_out: BTreeMap<String, Vec<String>>,
    notes: Vec<Problem>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    file: String,
    what: &'static str,
    objects: u64,
    #[serde(skip)]
    to: BufWriter<File>,
}

pub async fn run(args: ExportArgs, cluster: &ClusterArgs, format: Format) -> Outcome {
    let selection = args.selection.parse(&cluster.namespace)?;
    let point = args.from.point(cluster, &args.id).await?;
    let source = RecoveryPointSource::new(point.reader.clone(), point.point.snapshot_file().tree);
    let mappings = args.mappings.into_iter().collect();
    let export = Export::new(&source, &selection, &mappings)
        .await
        .map_err(|error| Failure::problem(&error.problem()))?;
    empty_directory(&args.to)?;
    let mut summary = Summary { directory: args.to, ..Summary::default() };
    let mut objects = std::pin::pin!(export.objects());
    while let Some(object) = objects.next().await {
        summary.take(object)?;
    }
    summary.finish()?;
    output::print(format, &summary, Summary::table)?;
    let warned = summary.notes.iter().any(|note| note.severity != Severity::Information);
    Ok(if warned { Exit::Warnings } else { Exit::Done })
}

impl Summary {
    fn take(&mut self, object: Exported) -> Result<(), Failure> {
        let place = object.place.to_string();
        match object.manifest {
            Ok(manifest) => {
                self.notes.extend(object.notes.into_iter().map(|note| note.about(place.clone())));
                self.write(object.stage, &manifest)
            }
            Err(NotExported::LeftOut(why)) => {
                self.left_out.entry(why).or_default().push(place);
                Ok(())
            }
            Err(NotExported::Unreadable(error)) if error.damaged => {
                let problem = replay::ReplayError::from(error).problem();
                self.notes.push(problem.about(place));
                Ok(())
            }
            Err(NotExported::Unreadable(error)) => Err(Failure::failed(error)),
        }
    }

    fn write(&mut self, stage: Stage, manifest: &serde_json::Value) -> Result<(), Failure> {
        let text = yaml(manifest)?;
        let directory = &self.directory;
        let what = stage.title();
        let fail = |error: std::io::Error| {
            Failure::failed(format!("could not write to {}: {error}", directory.display())).next(CHECK_DISK)
        };
        let position = match self.files.iter().position(|one| one.what == what) {
            Some(position) => position,
            None => {
                let file = format!("{:02}-{}.yaml", self.files.len() + 1, what.replace(' ', "-"));
                let mut options = OpenOptions::new();
                let to = options.write(true).create_new(true).mode(0o600).open(directory.join(&file));
                let to = BufWriter::new(to.map_err(fail)?);
                self.files.push(Written { file, what, objects: 0, to });
                self.files.len() - 1
            }
        };
        if let Some(written) = self.files.get_mut(position) {
            written.objects += 1;
            written.to.write_all(text.as_bytes()).map_err(fail)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        for written in &mut self.files {
            let done = written.to.flush().and_then(|()| written.to.get_ref().sync_all());
            done.map_err(|error| {
                Failure::failed(format!("could not write {}: {error}", written.file)).next(CHECK_DISK)
            })?;
        }
        Ok(())
    }

    fn table(&self) -> String {
        let rows =
            self.files.iter().map(|one| [one.file.clone(), one.objects.to_string(), one.what.to_owned()]);
        let mut text = output::table(["file", "objects", "what"], rows);
        for (why, objects) in &self.left_out {
            let (count, names) = (objects.len(), output::first(objects, NAMED));
            text.push_str(&format!("\nleft out: {count} {}. {why}\n  {names}", plural(count)));
            if count > NAMED {
                text.push_str(" (all with -o json)");
            }
        }
        for note in &self.notes {
            let about = note.target.as_deref().unwrap_or_default();
            text.push_str(&format!("\n{about}: {}", note.message));
        }
        text.push_str(&format!(
            "\n\nApply them in this order, for they need one another:\n  for file in {}/*.yaml; do kubectl apply \
             --server-side -f \"$file\"; done",
            self.directory.display()
        ));
        text
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "object" } else { "objects" }
}

/// One document. Every text is quoted, so that no reader takes it for a number, a date or a truth value.
fn yaml(manifest: &serde_json::Value) -> Result<String, Failure> {
    let quoted = serde_saphyr::ser_options! { quote_all: true };
    let text = serde_saphyr::to_string_with_options(manifest, quoted).map_err(Failure::failed)?;
    Ok(format!("---\n{}\n", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let manifest = json!({"data": {
            "yes": "on", "1": "1e3", "time": "12:30:45", "lines": "a\n  b\n\n", "null": "~", "octal": "0o17",
            "tab": "\ta: b # c", "control": "\u{7}\u{85}\u{2028}", "quote": "'\"\\", "empty": "", "dash": "---",
        }, "spec": {"replicas": 3, "ratio": 0.5, "on": true, "none": null, "list": [], "map": {}}});

        let text = yaml(&manifest).unwrap();

        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), manifest, "{text}");
        assert!(text.contains("\"yes\": 'on'") && text.contains("'12:30:45'"), "{text}");
    }

    #[test]
    fn what_is_left_out_is_named_and_long_lists_are_counted() {
        let names = |count: usize| (0..count).map(|at| format!("pods/shop/p{at}")).collect::<Vec<_>>();
        let left_out =
            [("It is made anew.".to_owned(), names(12)), ("It is the cluster's.".to_owned(), names(1))];
        let summary = Summary { left_out: left_out.into(), ..Summary::default() };

        let text = summary.table();

        assert!(text.contains("left out: 1 object. It is the cluster's.\n  pods/shop/p0\n"), "{text}");
        assert!(text.contains("pods/shop/p9 and 2 more"), "{text}");
    }
}
