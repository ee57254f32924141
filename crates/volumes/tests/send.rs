//! Every public future can be moved between the threads of the extension's runtime. Checked by the compiler.

use kube::Client;
use protection::RecoveryPointId;
use std::{collections::BTreeSet, time::Duration};
use volumes::*;

fn send<T: Send>(_: T) {}

#[allow(dead_code, clippy::too_many_arguments)]
fn public_futures_are_send(
    client: &'static Client,
    tag: &'static labels::BackupTag,
    id: &'static RecoveryPointId,
    plan: &'static CutPlan,
    options: &'static CutOptions,
    mover: &'static files::Mover,
    copy: &'static files::CopyRequest,
    copying: &'static files::CopyOptions,
    fill: &'static restore::FillRequest,
    target: &'static restore::Target,
    filling: &'static restore::FillOptions,
    command: &'static hooks::Command,
    anchored: &'static mut [Anchored],
) {
    let time = Duration::from_secs(1);
    send(observe_storage(client));
    send(observe_neighbours(client, "label"));
    send(cut(client, tag, plan, options));
    send(anchor(client, tag, vec![], 1));
    send(await_ready(client, id, anchored, time, &options.cancel));
    send(detach(client, id, time));
    send(observe_leftovers(client, Some(id)));
    send(remove_point(client, id, &[], time));
    send(remove_stale_classes(client, "instance", plan_names()));
    send(restore::observe_target(client));
    send(restore::reach_all(client, std::slice::from_ref(fill), target, &restore::Probe::Never));
    send(restore::fill(client, fill, target, filling));
    send(restore::fill_all(client, vec![], target, filling));
    send(restore::observe_temporary(client));
    send(restore::abort(client, "uid"));
    send(hooks::observe_pods(client, "ns"));
    send(hooks::run(client, command));
    send(hooks::wait_for_container(client, command, time));
    send(files::copy_files(client, mover, copy, copying));
    send(files::restore_files(client, mover, fill, copying));
    send(files::remove_movers(client, "ns", id));
}

fn plan_names() -> &'static BTreeSet<String> {
    static NAMES: BTreeSet<String> = BTreeSet::new();
    &NAMES
}
