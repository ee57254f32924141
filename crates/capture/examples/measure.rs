//! Measures how fast a cluster's objects are captured, beside a bare LIST of the same objects with the same page
//! size and as many connections. Each round runs in a process of its own, so that peak memory is its own.
//!
//! `measure compare [rounds]`: captures and bare LISTs in turn, then the ratio.
//! `measure capture <directory>`, `measure list <file>`: one round, as a line of JSON.
//! The cluster is that of `COFFERDAM_TEST_KUBECONFIG`, else of `KUBECONFIG`.

use anyhow::{Context, bail};
use capture::{Budget, PointIdentity, Silent, assemble, capture};
use engine::{InitOptions, Job, Repo, RepositorySecret, SnapshotDraft, Writer};
use http::Request;
use http_body_util::BodyExt;
use kube::client::Body;
use protection::point::{BackupIdentity, ListRecord};
use protection::{BackupUid, RecoveryPointId, Selection};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use storage::LocalStore;
use telemetry::SystemClock;

/// One round.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Round {
    what: String,
    objects: u64,
    bytes: u64,
    /// Seconds from the first list to the last, without fixed cost.
    seconds: f64,
    /// Seconds before: connecting, opening the repository.
    before: f64,
    /// Seconds after: manifest, last packs, index, snapshot.
    after: f64,
    /// Peak resident memory in MiB.
    peak: f64,
    /// Seconds of processor time.
    processor: f64,
}

impl Round {
    fn rate(&self) -> f64 {
        self.objects as f64 / (self.seconds + if self.what == "capture" { self.after } else { 0.0 })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["compare"] => compare(3),
        ["compare", rounds] => compare(rounds.parse()?),
        ["capture", directory] => print(&one_capture(Path::new(directory)).await?),
        ["list", lists] => print(&one_list(Path::new(lists)).await?),
        _ => bail!("usage: measure compare [rounds] | capture <directory> | list <file>"),
    }
}

fn print(round: &Round) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(round)?);
    Ok(())
}

fn compare(rounds: u32) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let lists = dir.path().join("lists.json");
    let mut results: Vec<Round> = Vec::new();
    for number in 0..rounds {
        let repository = dir.path().join(format!("repository-{number}"));
        for arguments in [["capture", text(&repository)?], ["list", text(&lists)?]] {
            let output = Command::new(std::env::current_exe()?).args(arguments).output()?;
            if !output.status.success() {
                bail!("{}", String::from_utf8_lossy(&output.stderr));
            }
            let round: Round = serde_json::from_slice(&output.stdout)?;
            println!(
                "{:8} {:>7} objects {:>7.1} MiB  {:>6.2} s (before {:.2} s, after {:.2} s)  {:>6.0} objects/s  peak {:>4.0} MiB  processor {:.2} s",
                round.what,
                round.objects,
                round.bytes as f64 / 1_048_576.0,
                round.seconds,
                round.before,
                round.after,
                round.rate(),
                round.peak,
                round.processor
            );
            results.push(round);
            let kept = repository.join("lists.json");
            if kept.exists() {
                std::fs::copy(kept, &lists)?;
            }
        }
        std::fs::remove_dir_all(repository)?;
    }
    let median = |what: &str| {
        let mut rates: Vec<f64> =
            results.iter().filter(|round| round.what == what).map(Round::rate).collect();
        rates.sort_by(f64::total_cmp);
        rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let (captured, listed) = (median("capture"), median("list"));
    let peak =
        results.iter().filter(|round| round.what == "capture").map(|round| round.peak).fold(0.0, f64::max);
    println!(
        "median: capture {captured:.0} objects/s, bare LIST {listed:.0} objects/s, ratio {:.2}, peak {peak:.0} MiB",
        captured / listed
    );
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the temporary directory's name is not UTF-8")
}

async fn client() -> anyhow::Result<kube::Client> {
    let path = std::env::var("COFFERDAM_TEST_KUBECONFIG").or_else(|_| std::env::var("KUBECONFIG"));
    let kubeconfig = kube::config::Kubeconfig::read_from(path.context("set COFFERDAM_TEST_KUBECONFIG")?)?;
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}

async fn one_capture(directory: &Path) -> anyhow::Result<Round> {
    let begin = Instant::now();
    let client = client().await?;
    std::fs::create_dir_all(directory)?;
    let clock = Arc::new(SystemClock);
    let store = Arc::new(LocalStore::open(directory).await?);
    let now = telemetry::Clock::now(clock.as_ref());
    let repo = Repo::init(store, &RepositorySecret::new("measured"), InitOptions::new(now)).await?;
    let job = Job { budget: engine::Budget::with_memory(96 << 20), ..Job::new(clock) };
    let writer = Writer::start(&repo, job).await?;
    let selection = Selection::everything("dataprotection-microsoft");
    let before = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let captured = capture(&client, &selection, &writer, &Budget::default(), Arc::new(Silent)).await?;
    let seconds = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let (objects, bytes, started) = (captured.objects(), captured.bytes, captured.started);
    std::fs::write(directory.join("lists.json"), serde_json::to_vec(&captured.lists)?)?;
    let identity = PointIdentity {
        recovery_point: RecoveryPointId::new("measured"),
        backup: BackupIdentity { name: "measured".to_owned(), uid: BackupUid::new("measured") },
        instance: "default".to_owned(),
        selection: serde_json::Value::Null,
    };
    let point = assemble(&writer, identity, captured, Vec::new(), Vec::new(), Vec::new()).await?;
    writer.commit(SnapshotDraft::new(point.root, started)).await?;
    let after = begin.elapsed().as_secs_f64();
    Ok(Round {
        what: "capture".to_owned(),
        objects,
        bytes,
        seconds,
        before,
        after,
        peak: peak()?,
        processor: processor()?,
    })
}

/// Lists what a capture has listed, page by page, and drops the answers.
async fn one_list(lists: &Path) -> anyhow::Result<Round> {
    let begin = Instant::now();
    let lists: Vec<ListRecord> = serde_json::from_slice(&std::fs::read(lists)?)?;
    let objects = lists.iter().map(|list| list.captured).sum();
    let client = client().await?;
    client.apiserver_version().await?;
    let before = begin.elapsed().as_secs_f64();

    let begin = Instant::now();
    let budget = Budget::default();
    let waiting = Arc::new(Mutex::new(lists));
    let mut workers = Vec::new();
    for _ in 0..budget.connections {
        let (client, waiting) = (client.clone(), waiting.clone());
        workers.push(tokio::spawn(async move {
            let mut bytes = 0;
            loop {
                let next = waiting.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.pop();
                let Some(list) = next else { return anyhow::Ok(bytes) };
                bytes += pages(&client, &list, budget.largest_page).await?;
            }
        }));
    }
    let mut bytes = 0;
    for worker in workers {
        bytes += worker.await??;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Round {
        what: "list".to_owned(),
        objects,
        bytes,
        seconds,
        before,
        after: 0.0,
        peak: peak()?,
        processor: processor()?,
    })
}

async fn pages(client: &kube::Client, list: &ListRecord, limit: u32) -> anyhow::Result<u64> {
    let path = match list.group.as_str() {
        "" => format!("/api/{}/{}", list.version, list.resource),
        group => format!("/apis/{group}/{}/{}", list.version, list.resource),
    };
    let (mut bytes, mut next) = (0, String::new());
    loop {
        let mut query = url::form_urlencoded::Serializer::new(format!("{path}?"));
        query.append_pair("limit", &limit.to_string());
        if !next.is_empty() {
            query.append_pair("continue", &next);
        }
        let uri = query.finish().replacen("?&", "?", 1);
        let request = Request::get(uri).header("accept", "application/json").body(Body::empty())?;
        let response = client.send(request).await?;
        if !response.status().is_success() {
            bail!("{path}: {}", response.status());
        }
        let mut body = response.into_body();
        // The token stands in the first or in the last bytes: keep both.
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            bytes += data.len() as u64;
            if head.len() < 4096 {
                head.extend_from_slice(&data);
            }
            tail.extend_from_slice(data.get(data.len().saturating_sub(4096)..).unwrap_or_default());
            let surplus = tail.len().saturating_sub(4096);
            tail.drain(..surplus);
        }
        next = token(&head).or_else(|| token(&tail)).unwrap_or_default();
        if next.is_empty() {
            return Ok(bytes);
        }
    }
}

fn token(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once(r#""continue":""#)?;
    let (token, _) = rest.split_once('"')?;
    (!token.is_empty()).then(|| token.to_owned())
}

fn peak() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

fn processor() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit_once(')').context("no fields")?.1.split_whitespace().collect();
    let ticks: u64 =
        fields.get(11).context("utime")?.parse::<u64>()? + fields.get(12).context("stime")?.parse::<u64>()?;
    Ok(ticks as f64 / 100.0)
}
