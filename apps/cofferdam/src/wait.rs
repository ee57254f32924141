//! Waits for an operation with a live line on terminals and one line per change elsewhere.

use crate::note;
use crate::{
    exit::{Exit, Failure, Outcome},
    operation::{Operation, problems_text},
    output::{self, Format},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use kube::{Api, ResourceExt};
use resources::Phase;
use std::{io::IsTerminal, time::Duration};

const POLL: Duration = Duration::from_millis(500);
/// An operation that nobody has picked up after this long makes the wait say so.
const UNSEEN: Duration = Duration::from_secs(15);

/// Waits until the operation ended, shows its problems, and returns the exit code of its phase.
pub async fn wait<K: Operation>(api: &Api<K>, name: &str, format: Format) -> Outcome {
    let object = until_final(api, name).await?;
    let phase = object.phase();
    match format {
        Format::Table => {
            note!("{}", problems_text(&object).trim_end());
            let took = output::duration(object.started(), object.ended());
            output::line(&format!("{} {name}: {phase} in {took}: {}", K::NOUN, object.progress()))?;
        }
        format => output::print(format, &object, |_| String::new())?,
    }
    Ok(Exit::of(phase))
}

/// The operation as it ended.
pub async fn until_final<K: Operation>(api: &Api<K>, name: &str) -> Result<K, Failure> {
    let bar = bar();
    let began = tokio::time::Instant::now();
    let mut warned = false;
    let mut shown = String::new();
    loop {
        match api.get_opt(name).await {
            Ok(None) => {
                bar.finish_and_clear();
                return Err(Failure::failed(format!("{} {name} was deleted while it ran", K::NOUN))
                    .next("Its data, if it was committed, stays: `cofferdam recovery-point list`."));
            }
            Ok(Some(object)) => {
                let line = line(&object);
                if line != shown {
                    say(&bar, &line);
                    shown = line;
                }
                if object.phase().is_final() {
                    bar.finish_and_clear();
                    return Ok(object);
                }
                if object.phase() == Phase::Accepted && began.elapsed() > UNSEEN && !warned {
                    bar.suspend(|| {
                        note!(
                            "the extension has not picked it up yet; is it running? `kubectl get pods -n {}`",
                            object.namespace().unwrap_or_default()
                        )
                    });
                    warned = true;
                }
            }
            // The API server may be away for a moment; the operation goes on without us.
            Err(error) if extension::api::is_temporary(&error) => {
                bar.set_message(format!("waiting for the API server: {}", extension::api::readable(&error)));
            }
            Err(error) => {
                bar.finish_and_clear();
                return Err(Failure::api(format!("read {} {name}", K::NOUN), &error));
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn line<K: Operation>(object: &K) -> String {
    let stage = object.stage();
    let stage = if stage.is_empty() { String::new() } else { format!(" ({stage})") };
    let waits = object.waits_for().map(|why| format!("; trying again: {why}")).unwrap_or_default();
    format!("{} {}{stage}: {}{waits}", object.name_any(), object.phase(), object.progress())
}

fn say(bar: &ProgressBar, line: &str) {
    if bar.is_hidden() {
        note!("{line}");
    } else {
        bar.set_message(line.to_owned());
    }
}

/// A live line, hidden where there is no terminal.
pub fn bar() -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
