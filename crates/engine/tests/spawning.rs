//! Every verb can be spawned as a task: services run them in the background.

use engine::prune::{self, PruneOptions, PrunePlan};
use engine::{
    Job, Node, Portion, Reader, Repo, RestoreOptions, TreeId, Zeros, check, check_data, forget, list, locks,
    remove_stale, restore, write_content,
};
use futures::StreamExt;
use std::path::Path;
use std::sync::Arc;
use telemetry::SystemClock;

fn spawnable<T: Send>(_: impl FnOnce() -> T) {}

/// Never called: it compiles or it does not.
#[allow(dead_code)]
fn verbs(
    repo: &Repo,
    reader: &Reader,
    node: &Node,
    tree: TreeId,
    job: &Job,
    plan: PrunePlan,
    file: std::fs::File,
) {
    let (options, forgotten) = (PruneOptions::default(), forget::ForgetPlan::default());
    spawnable(|| check(repo, job));
    spawnable(|| check_data(repo, Portion::All, job));
    spawnable(|| restore(reader, tree, Path::new("/"), RestoreOptions::default(), job));
    spawnable(|| write_content(reader, node, Arc::new(file), Zeros::Write, job));
    spawnable(|| forget::execute(repo, &forgotten, job));
    spawnable(|| prune::plan(repo, &options, job));
    spawnable(|| prune::execute(repo, plan, &options, job));
    spawnable(|| prune::prune(repo, &options, job));
    spawnable(|| locks(repo, jiff::Timestamp::UNIX_EPOCH));
    spawnable(|| remove_stale(repo, &SystemClock));
    spawnable(|| Reader::open(repo));
    spawnable(|| reader.tree(tree));
    spawnable(|| reader.lookup(tree, "path"));
    spawnable(|| reader.read(node, 0..1));
    spawnable(|| list(reader, tree).boxed());
    spawnable(|| reader.stream(node).boxed());
}
