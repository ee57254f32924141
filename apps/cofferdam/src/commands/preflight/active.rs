//! Probes that make something in the cluster: asked for, agreed to, run, removed.

use super::{
    installed::{Locations, locations},
    reach::{Installation, Part, Whose, probed},
};
use crate::{
    ask::{self, Interrupts},
    exit::Failure,
    note,
};
use clap::Args;
use extension::{locations::LocationRecord, manifests::AUTHORITIES};
use indicatif::ProgressBar;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use prerequisites::{DeepCheck, Endpoint, Facts, Nodes, Observed, Profile, Registry};
use probes::{
    Account, Subject,
    active::{
        Answer, Hindered, Life, NAMESPACE, Place, RunId, Tried, begin, candidates, deep, egress, end, sweep,
    },
};
use std::{sync::Arc, time::Duration};
use telemetry::SystemClock;

/// How long the API server may take to hand out a certificate.
const PATIENCE: Duration = Duration::from_secs(3);
/// Where each cluster keeps the certificate of its API server for everybody.
const CLUSTER_AUTHORITIES: &str = "kube-root-ca.crt";
const KEY: &str = "ca.crt";
const NO_IMAGE: &str = "the probe's image could not be pulled (P15)";

/// Probes that make something.
#[derive(Debug, Clone, Default, Args)]
pub struct ActiveArgs {
    /// Look at the way out from inside of the cluster too: a Job of some seconds
    #[arg(
        long,
        group = "makes",
        conflicts_with = "fix",
        help_heading = "Probes that make something in the cluster"
    )]
    active: bool,
    /// Try every CSI driver too: a small volume is made, snapshot, restored, compared and removed
    #[arg(
        long,
        group = "makes",
        conflicts_with = "fix",
        help_heading = "Probes that make something in the cluster"
    )]
    deep: bool,
}

impl ActiveArgs {
    /// Whether any of them was asked for.
    pub fn is_wanted(&self) -> bool {
        self.active || self.deep
    }

    /// Asks on a terminal, and elsewhere for `--yes`.
    pub async fn consent(&self, namespace: &str, yes: bool) -> Result<(), Failure> {
        if !self.is_wanted() || yes {
            return Ok(());
        }
        let plan = self.plan(namespace);
        if !ask::somebody() {
            return Err(Failure::usage(format!("nobody has agreed to this:\n{plan}"))
                .next("Run it again with `--yes`, or without `--active` and `--deep`."));
        }
        match ask::ask(&format!("{plan}\nGo on? [y/N]"), &mut Interrupts::listen()?).await? {
            ask::Answer::Yes => Ok(()),
            ask::Answer::No | ask::Answer::Stop => Err(Failure::cancelled()),
        }
    }

    /// What will be made.
    fn plan(&self, namespace: &str) -> String {
        let mut lines = Vec::new();
        if self.active {
            lines.push(format!(
                "  Jobs of at most 90 s in {namespace} as the extension where it is installed, else in {NAMESPACE}; they have no rights and read nothing"
            ));
        }
        if self.deep {
            lines.push(format!(
                "  in {NAMESPACE}, for each CSI driver that makes snapshots: two claims of 1Gi, one snapshot, two Jobs of at most 120 s"
            ));
        }
        lines.push(format!("  a Lease in {NAMESPACE}, by which other runs see that this one lives"));
        lines.push(format!(
            "  all of it is removed in the end, and what a run that was killed left behind: by the last run the namespace {NAMESPACE} too"
        ));
        lines.join("\n")
    }
}

/// What probes need to know.
pub struct Asked<'a> {
    pub args: &'a ActiveArgs,
    pub subject: &'a Subject,
    /// The location that the settings describe.
    pub location: Option<&'a LocationRecord>,
    pub profile: Profile,
    /// The proxy's own authorities, as the settings say.
    pub proxy_authorities: Option<&'a str>,
    /// The vault's, where the settings name one: before an installation they lie nowhere in the cluster.
    pub vault_authorities: Option<&'a str>,
    /// The API server by the name that it has outside, which the pods of the cluster do not use.
    pub api_server: Option<Endpoint>,
    pub bar: &'a ProgressBar,
}

impl Asked<'_> {
    fn has_pull_secret(&self) -> bool {
        self.subject.pod.as_ref().is_some_and(|pod| pod.pointer("/spec/imagePullSecrets").is_some())
    }
}

/// An image that a pod in this place did not get.
fn unpulled(place: &Place, why: String) -> Observed<Registry> {
    Observed::Seen(Registry { image: place.image.clone(), pulled: Err(why), everywhere: false })
}

/// Runs the probes and puts what they saw beside what is known. Interrupted, it still removes what it made.
pub async fn look(client: &Observed<Client>, asked: Asked<'_>, facts: &mut Facts) -> Result<(), Failure> {
    let args = asked.args;
    let client = match client {
        Observed::Seen(client) => client,
        Observed::NotObservable(why) => {
            unseen(facts, args, &format!("the cluster could not be reached: {why}"));
            return Ok(());
        }
    };
    if facts.registry.seen().is_some_and(|registry| registry.pulled.is_err()) {
        unseen(facts, args, NO_IMAGE);
        return Ok(());
    }
    if let Some(why) = facts.nodes.seen().and_then(nowhere) {
        unseen(facts, args, why);
        return Ok(());
    }
    let Some(pod) = &asked.subject.pod else {
        unseen(facts, args, "the extension's pod is not known, so nothing like it could be run");
        return Ok(());
    };
    let installed = matches!(asked.subject.needed.account, Account::Extension(_));
    let run = RunId::fresh();
    let own = Place::own(pod, &run);
    let place = match installed {
        true => Place::of_extension(pod, &run),
        false => Place::of_planned(pod, asked.proxy_authorities, &run),
    };
    let (Some(place), Some(own)) = (place, own) else {
        unseen(facts, args, "the extension's pod names no image");
        return Ok(());
    };
    // Held until everything is gone: as long as it is renewed, nobody else removes it.
    let mut life = None;
    let stopped = tokio::select! {
        ended = alive(client, &asked, (&place, &own), &run, &mut life, facts) => {
            if let Err(why) = ended {
                unseen(facts, args, &why.0);
            }
            false
        }
        _ = tokio::signal::ctrl_c() => true,
    };
    asked.bar.set_message("removing probes");
    if let Err(why) = end(client, &asked.subject.namespace, &run).await {
        asked.bar.suspend(|| note!("warning: {why}"));
    }
    drop(life);
    if stopped { Err(Failure::cancelled()) } else { Ok(()) }
}

/// Shows that this run lives, removes what belongs to none that does, and runs the probes.
async fn alive(
    client: &Client,
    asked: &Asked<'_>,
    (place, own): (&Place, &Place),
    run: &RunId,
    life: &mut Option<Life>,
    facts: &mut Facts,
) -> Result<(), Hindered> {
    asked.bar.set_message("making the namespace of probes");
    let life = life.insert(begin(client, run, Arc::new(SystemClock)).await?);
    asked.bar.set_message("looking for other runs of probes, and removing what dead ones left");
    let swept = sweep(client, &asked.subject.namespace, run).await?;
    if !swept.is_empty() {
        asked
            .bar
            .suspend(|| note!("an earlier probe had left behind, and it is removed: {}", swept.join(", ")));
    }
    tokio::select! {
        () = probes(client, asked, place, own, facts) => Ok(()),
        why = life.lost() => Err(why),
    }
}

/// Why a probe's pod would wait for a node until its deadline.
fn nowhere(nodes: &Nodes) -> Option<&'static str> {
    if nodes.open().next().is_none() {
        return Some("no Linux node is ready and takes pods, the probe's neither (P28)");
    }
    nodes.all_tainted().then_some("the taints of every node keep the probe's pod away (P29)")
}

/// That nobody saw what was asked for. What was seen before stays seen.
fn unseen(facts: &mut Facts, args: &ActiveArgs, why: &str) {
    if args.active && !matches!(facts.egress, Observed::Seen(Some(_))) {
        facts.egress = Observed::NotObservable(why.to_owned());
    }
    if args.deep && !matches!(facts.deep, Observed::Seen(Some(_))) {
        facts.deep = Observed::NotObservable(why.to_owned());
    }
}

async fn probes(client: &Client, asked: &Asked<'_>, place: &Place, own: &Place, facts: &mut Facts) {
    if asked.args.active {
        asked.bar.set_message("looking at the way out from inside of the cluster");
        way_out(client, asked, place, facts).await;
    }
    if asked.args.deep {
        facts.deep = match facts.registry.seen().is_some_and(|registry| registry.pulled.is_err()) {
            true => Observed::NotObservable(NO_IMAGE.to_owned()),
            false => tried(client, asked, own, facts).await,
        };
    }
}

async fn way_out(client: &Client, asked: &Asked<'_>, place: &Place, facts: &mut Facts) {
    let fetches = !facts.registry.seen().is_some_and(|registry| registry.everywhere);
    let region = facts.arm.seen().and_then(|arm| arm.cluster.seen()).map(|it| it.location.clone());
    let region = region.map(|region| region.replace(' ', "").to_lowercase());
    let of_vault = match asked.vault_authorities {
        Some(given) => Some(given.to_owned()),
        None => authorities(client, &asked.subject.namespace, AUTHORITIES).await,
    };
    let pods = asked.subject.pod.iter();
    let installed = tokio::time::timeout(PATIENCE, locations(client, &asked.subject.namespace)).await;
    // P6 says why they cannot be read.
    let installed = installed.map_or_else(|_| Locations::default(), Result::unwrap_or_default);
    let known = Installation {
        parts: pods.map(|pod| Part { whose: Whose::Extension, pod: pod.clone(), image: true }).collect(),
        locations: installed.with(asked.location).records,
        of_vault,
        of_cluster: authorities(client, "kube-system", CLUSTER_AUTHORITIES).await,
        region: region.filter(|_| asked.profile == Profile::Aks),
        fetches,
        told: asked.api_server.iter().cloned().collect(),
    };
    match egress(client, place, &probed(&known, asked.profile)).await {
        Ok(Answer::Seen(reached)) => {
            facts.egress = Observed::Seen(Some(reached));
            // Where nobody had used the image before, its node has fetched it now.
            if facts.registry.seen().is_none() {
                let pulled = Ok("a probe's pod ran".to_owned());
                facts.registry =
                    Observed::Seen(Registry { image: place.image.clone(), pulled, everywhere: false });
            }
        }
        Ok(Answer::NoImage(why)) => {
            facts.egress = Observed::NotObservable(NO_IMAGE.to_owned());
            facts.registry = unpulled(place, why);
        }
        Err(why) => facts.egress = Observed::NotObservable(why.0),
    }
}

/// Drivers one after the other: they share the storage that is measured.
async fn tried(
    client: &Client,
    asked: &Asked<'_>,
    own: &Place,
    facts: &mut Facts,
) -> Observed<Option<Vec<DeepCheck>>> {
    let candidates = match candidates(client).await {
        Ok(candidates) => candidates,
        Err(why) => return Observed::NotObservable(why.0),
    };
    let mut all = Vec::new();
    for candidate in &candidates {
        let shown = |step: &str| asked.bar.set_message(format!("{}: {step}", candidate.driver));
        match deep(client, own, candidate, &shown).await {
            Ok(Tried::Done(check)) => all.push(check),
            // A pull secret of the extension's namespace is not there.
            Ok(Tried::NoImage(why)) if asked.has_pull_secret() => {
                return Observed::NotObservable(format!(
                    "the image cannot be pulled in {NAMESPACE}, where there is no pull secret: {why}"
                ));
            }
            Ok(Tried::NoImage(why)) => {
                facts.registry = unpulled(own, why);
                return Observed::NotObservable(NO_IMAGE.to_owned());
            }
            Err(why) => return Observed::NotObservable(why.0),
        }
    }
    Observed::Seen(Some(all))
}

/// The certificates in a ConfigMap, if they can be read.
async fn authorities(client: &Client, namespace: &str, name: &str) -> Option<String> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = tokio::time::timeout(PATIENCE, api.get_opt(name)).await.ok()?.ok()??;
    found.data?.get(KEY).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_made_without_consent_and_the_plan_says_what_will_be() {
        let of = |active, deep| ActiveArgs { active, deep };

        // Tests have no terminal.
        let refused = of(true, true).consent("backups", false).await.unwrap_err();

        assert_eq!(refused.exit.code(), 2);
        assert!(refused.message().contains("in backups as the extension"), "{}", refused.message());
        assert!(refused.message().contains("one snapshot"), "{}", refused.message());
        assert!(refused.message().contains("a Lease in cofferdam-preflight"), "{}", refused.message());
        assert!(of(false, false).consent("backups", false).await.is_ok());
        assert!(of(true, true).consent("backups", true).await.is_ok());
        assert!(!of(true, false).plan("backups").contains("snapshot,"));
    }
}
