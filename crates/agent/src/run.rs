//! The agent's loop: asks the vault what should be there, takes one step after the other, tells what is there.

use crate::{
    act::{Actor, Done},
    decide::{REMOVAL_POLL, Step, Trouble, decide},
    egress::Egress,
    error::{ActError, Failure},
    facts,
    fault::FaultPoints,
    health,
    inventory::Inventory,
    link::VaultLink,
    record::{Record, Release, Work},
    registry::Registry,
    report::{self, Live},
};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use packages::{
    Trust,
    wire::{ClusterFacts, Desired, DesiredExtension, Level, Report, Wanted},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use telemetry::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long the vault may take to answer that nothing has changed.
const POLL: Duration = Duration::from_secs(50);
/// How often something is reported when nothing happens.
const REPORT: SignedDuration = SignedDuration::from_secs(60);
/// How old what is known of the cluster may be.
const FACTS: SignedDuration = SignedDuration::from_mins(10);
/// The pauses between attempts: the first, and the longest.
const PAUSE: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(2), SignedDuration::from_mins(2));

/// What an agent is started with.
#[derive(Debug)]
pub struct Config {
    /// Its own namespace.
    pub namespace: String,
    /// Whose packages it installs.
    pub trust: Trust,
}

/// The agent.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    actor: Actor,
    inventory: Option<Inventory>,
    live: BTreeMap<String, Live>,
    cluster: Option<(Timestamp, ClusterFacts)>,
}

/// What a turn led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Turn {
    /// Whether something is different from before.
    pub changed: bool,
    /// When the next turn is due, unless something happens before.
    pub next: Option<Timestamp>,
}

impl Agent {
    /// An agent that has done nothing yet.
    pub fn new(client: Client, config: Config, registry: Arc<dyn Registry>, clock: Arc<dyn Clock>) -> Self {
        let actor = Actor {
            client,
            registry,
            trust: config.trust.clone(),
            clock,
            points: FaultPoints::default(),
            egress: None,
            cluster_uid: String::new(),
            vault: packages::wire::VaultPlace::default(),
        };
        Self { config, actor, inventory: None, live: BTreeMap::new(), cluster: None }
    }

    /// Hands this way out on to the packages that ask for it.
    pub fn with_egress(mut self, egress: Option<Egress>) -> Self {
        self.actor.egress = egress;
        self
    }

    /// Ends where a test says.
    pub fn with_faults(mut self, points: FaultPoints) -> Self {
        self.actor.points = points;
        self
    }

    /// Works until `shutdown`. Errors that could pass are reported and tried again.
    pub async fn run(mut self, link: &dyn VaultLink, shutdown: &CancellationToken) -> Result<(), ActError> {
        let (tell, heard) = watch::channel(None);
        tokio::select! {
            () = shutdown.cancelled() => Ok(()),
            () = listen(link, &tell) => Ok(()),
            ended = self.work(link, heard) => ended,
        }
    }

    async fn work(
        &mut self,
        link: &dyn VaultLink,
        mut heard: watch::Receiver<Option<Desired>>,
    ) -> Result<(), ActError> {
        let mut reported = Timestamp::MIN;
        loop {
            let desired = heard.borrow_and_update().clone();
            let turn = match self.turn(desired.as_ref()).await {
                Ok(turn) => turn,
                Err(ended @ ActError::Ended(_)) => return Err(ended),
                Err(error) => {
                    tracing::warn!(%error, "could not work, trying again");
                    Turn { changed: false, next: Some(later(self.now(), PAUSE.1 / 8)) }
                }
            };
            let now = self.now();
            if turn.changed || now.duration_since(reported) >= REPORT {
                let report = self.report(desired.as_ref()).await;
                match link.report(&report).await {
                    Ok(()) => reported = now,
                    Err(error) => {
                        tracing::info!(%error, "could not report");
                        // The next regular report says it all again.
                        reported = later(now, SignedDuration::from_secs(-45));
                    }
                }
            }
            let due = later(reported, REPORT).min(turn.next.unwrap_or(Timestamp::MAX));
            let pause = due.duration_since(self.now()).max(SignedDuration::ZERO);
            let pause = Duration::try_from(pause).unwrap_or_default();
            tokio::select! {
                changed = heard.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One step for each extension.
    pub async fn turn(&mut self, desired: Option<&Desired>) -> Result<Turn, ActError> {
        if self.inventory.is_none() {
            self.inventory = Some(Inventory::load(&self.actor.client, &self.config.namespace).await?);
        }
        self.know_the_cluster().await;
        if let Some(desired) = desired {
            self.actor.vault = desired.vault.clone();
        }
        let wanted: BTreeMap<&str, &DesiredExtension> = desired
            .iter()
            .flat_map(|desired| &desired.extensions)
            .map(|one| (one.name.as_str(), one))
            .collect();
        let mut names: Vec<String> = wanted.keys().map(|name| (*name).to_owned()).collect();
        let known = self.inventory.as_ref().map(Inventory::records);
        names.extend(known.into_iter().flat_map(BTreeMap::keys).cloned());
        names.sort();
        names.dedup();
        let mut turn = Turn::default();
        for name in names {
            let step = self.step(&name, wanted.get(name.as_str()).copied()).await;
            let step = match step {
                Err(ActError::Stale) => {
                    self.inventory = None;
                    return Ok(Turn { changed: turn.changed, next: Some(self.now()) });
                }
                other => other?,
            };
            turn.changed |= step.changed;
            turn.next = match (turn.next, step.next) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        Ok(turn)
    }

    async fn know_the_cluster(&mut self) {
        let now = self.now();
        let old = self
            .cluster
            .as_ref()
            .is_none_or(|(seen, facts)| facts.uid.is_empty() || now.duration_since(*seen) >= FACTS);
        if old {
            let facts = facts::observe(&self.actor.client).await;
            self.actor.cluster_uid.clone_from(&facts.uid);
            self.cluster = Some((now, facts));
        }
    }

    /// What the vault is told.
    pub async fn report(&mut self, desired: Option<&Desired>) -> Report {
        self.know_the_cluster().await;
        let empty = BTreeMap::new();
        let records = self.inventory.as_ref().map_or(&empty, Inventory::records);
        let wanted = desired.map(|desired| desired.extensions.as_slice()).unwrap_or_default();
        Report {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: self.cluster.as_ref().map(|(_, facts)| facts.clone()).unwrap_or_default(),
            extensions: report::extensions(wanted, records, &self.live, self.now()),
        }
    }

    async fn step(&mut self, name: &str, desired: Option<&DesiredExtension>) -> Result<Turn, ActError> {
        let record = self.inventory.as_ref().and_then(|known| known.get(name)).cloned().unwrap_or_default();
        let now = self.now();
        let trouble = self.live.get(name).and_then(|live| live.trouble.clone());
        let waits = trouble.as_ref().is_some_and(|trouble| now < trouble.next);
        let looked_at = match &record.work {
            Some(Work::Wait { release, .. }) => Some(release),
            Some(_) => None,
            // What should be there and is installed is looked at as often as something is reported.
            None => record.installed.as_ref().filter(|release| is_wanted(desired, release)),
        };
        let health = match looked_at {
            Some(release) if !waits => match health::look(&self.actor.client, release).await {
                Ok(health) => Some(health),
                Err(error) if record.work.is_none() => {
                    // What is installed is looked at again at the next report; nothing waits for it.
                    tracing::debug!(extension = name, %error, "could not look at what is installed");
                    None
                }
                Err(error) => return Ok(self.troubled(name, error)),
            },
            _ => None,
        };
        let noticed = health.as_ref().map(|health| health.statuses(Level::Warning));
        let mut changed = false;
        if let Some(noticed) = noticed {
            let live = self.live.entry(name.to_owned()).or_default();
            changed = live.noticed != noticed;
            live.noticed = noticed;
        }
        let egress = self.actor.egress.as_ref().map(Egress::digest);
        let step = decide(desired, &record, egress.as_deref(), health.as_ref(), trouble.as_ref(), now);
        if let Step::Rest(until) = step {
            return Ok(Turn { changed, next: until });
        }
        tracing::info!(extension = name, step = step_name(&step), "next step");
        let turn = self.act(name, desired, &record, step).await?;
        Ok(Turn { changed: changed || turn.changed, ..turn })
    }

    async fn act(
        &mut self,
        name: &str,
        desired: Option<&DesiredExtension>,
        record: &Record,
        step: Step,
    ) -> Result<Turn, ActError> {
        let actor = self.actor.clone();
        let done = match (&step, desired) {
            (Step::Begin, Some(desired)) => actor.begin(desired, record).await,
            (Step::Apply, _) => actor.apply(name, record).await,
            (Step::Finish, _) => actor.finish(name, record).await,
            (Step::Repair, _) => Ok(actor.repair(record)),
            (Step::GiveUp(failure), _) => Ok(actor.give_up(record, failure.clone())),
            (Step::Return, _) => actor.go_back(name, record).await,
            (Step::BeginRemoval, Some(desired)) => Ok(actor.begin_removal(record, desired.generation)),
            (Step::Remove, _) => actor.remove(name, record).await,
            (Step::Refuse(failure), Some(desired)) => {
                Ok(actor.refuse(record, desired.generation, &desired.kind, failure.clone()))
            }
            _ => return Ok(Turn::default()),
        };
        let done = match done {
            Err(ActError::Permanent(failure)) => match self.for_good(&step, desired, record, failure) {
                Ok(done) => done,
                Err(error) => return Ok(self.troubled(name, error)),
            },
            Err(error @ ActError::Temporary { .. }) => return Ok(self.troubled(name, error)),
            other => other?,
        };
        let now = self.now();
        let (record, noticed) = match done {
            Done::NotYet(waiting) => {
                self.live.insert(name.to_owned(), Live { waiting, ..Live::default() });
                return Ok(Turn { changed: false, next: Some(later(now, REMOVAL_POLL)) });
            }
            Done::Record(record) => (record, Vec::new()),
            Done::Noticed(record, noticed) => (record, noticed),
        };
        self.actor.points.pass(&format!("record {}/before", step_name(&step)))?;
        if let Some(inventory) = &mut self.inventory {
            match inventory.put(name, record.map(|record| *record)).await {
                Ok(()) => {}
                Err(error @ ActError::Temporary { .. }) => return Ok(self.troubled(name, error)),
                Err(ActError::Permanent(failure)) => {
                    let error = ActError::Temporary {
                        code: crate::error::code::STATE_LARGE,
                        message: failure.error.message,
                    };
                    return Ok(self.troubled(name, error));
                }
                Err(error) => return Err(error),
            }
        }
        self.actor.points.pass(&format!("record {}/after", step_name(&step)))?;
        self.live.insert(name.to_owned(), Live { noticed, ..Live::default() });
        Ok(Turn { changed: true, next: Some(now) })
    }

    /// What a failure for good leads to. A way back or a removal has no other way out than to be tried again.
    fn for_good(
        &self,
        step: &Step,
        desired: Option<&DesiredExtension>,
        record: &Record,
        failure: Failure,
    ) -> Result<Done, ActError> {
        match (step, desired) {
            (Step::Begin, Some(desired)) => {
                Ok(self.actor.refuse(record, desired.generation, &desired.kind, failure))
            }
            (Step::Apply, _) => Ok(self.actor.give_up(record, failure)),
            _ => Err(ActError::Temporary { code: crate::error::code::APPLY, message: failure.error.message }),
        }
    }

    /// Notes an error that could pass, and when to try again: later each time.
    fn troubled(&mut self, name: &str, error: ActError) -> Turn {
        let now = self.now();
        let (code, message) = match error {
            ActError::Temporary { code, message } => (code, message),
            other => (crate::error::code::API_SERVER, other.to_string()),
        };
        tracing::warn!(extension = name, code, message, "trying again later");
        let live = self.live.entry(name.to_owned()).or_default();
        let since = live.trouble.as_ref().map_or(now, |trouble| trouble.since);
        // Waiting as long again as it has lasted doubles the pause each time.
        let pause = now.duration_since(since).max(PAUSE.0).min(PAUSE.1);
        let next = later(now, pause);
        let changed = live.trouble.as_ref().is_none_or(|trouble| trouble.message != message);
        live.trouble = Some(Trouble { code, message, since, next });
        Turn { changed, next: Some(next) }
    }

    fn now(&self) -> Timestamp {
        self.actor.clock.now()
    }
}

/// Hears what should be there, and hands it on.
async fn listen(link: &dyn VaultLink, tell: &watch::Sender<Option<Desired>>) {
    let mut pause = Duration::from_secs(1);
    loop {
        let after = tell.borrow().as_ref().map(|desired: &Desired| desired.revision.clone());
        match link.desired(after.as_deref(), POLL).await {
            Ok(answer) => {
                pause = Duration::from_secs(1);
                if let Some(desired) = answer {
                    tell.send_replace(Some(valid(desired)));
                }
            }
            Err(error) => {
                tracing::info!(%error, seconds = pause.as_secs(), "the vault does not answer");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(60));
            }
        }
    }
}

/// Only extensions whose names can be keys and whose namespaces are none of the cluster's own.
fn valid(mut desired: Desired) -> Desired {
    desired.extensions.retain(|one| {
        // Without a namespace it goes where its package puts it.
        let placed = one.namespace.is_empty() || is_namespace(&one.namespace);
        let fits = is_name(&one.name) && (one.wanted == Wanted::Absent || placed);
        if !fits {
            tracing::warn!(
                name = one.name,
                namespace = one.namespace,
                "an extension with an impossible name is left out"
            );
        }
        fits
    });
    desired
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_';
    (1..=253).contains(&text.len()) && text.bytes().all(fits) && !text.starts_with('.')
}

/// Whether an extension may live there.
pub(crate) fn is_namespace(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with("kube-") && text != "default"
}

fn is_wanted(desired: Option<&DesiredExtension>, release: &Release) -> bool {
    desired.is_some_and(|one| one.wanted == Wanted::Present && one.generation == release.generation)
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Begin => "begin",
        Step::Apply => "apply",
        Step::Finish => "finish",
        Step::Repair => "repair",
        Step::GiveUp(_) => "give up",
        Step::Return => "return",
        Step::BeginRemoval => "begin removal",
        Step::Remove => "remove",
        Step::Refuse(_) => "refuse",
        Step::Rest(_) => "rest",
    }
}

fn later(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}
