//! One run with one database, from an empty vault to the last job.

use super::{
    Plan,
    agents::{Agents, Told},
    client::{Api, client},
    lateness::{jobs, of_slot},
    load::{Load, Make, closed, open},
    outcome::{Requests, Used, Vault},
    postgres,
    server::{Place, Server},
    usage::{Meter, Watched, load_average, postmaster},
    world::{self, Made},
};
use crate::environment::Environment;
use anyhow::{Context, Result};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use telemetry::{Clock, SystemClock};
use tokio::time::sleep;

/// Memory is looked at when connections have been quiet for so long.
const QUIET: Duration = Duration::from_secs(20);
/// After the last slot, until all jobs are over.
const DRAIN: Duration = Duration::from_secs(120);
/// Kinds of requests that clients send as fast as they can.
const LOADS: u32 = 4;
/// Jobs in a list that a person looks at.
const SHORT: &str = "$top=100";

/// Measures.
pub async fn measure(
    plan: &Plan,
    postgres: Option<&postgres::Server>,
    environment: &Environment,
) -> Result<Vault> {
    let database = if postgres.is_some() { "PostgreSQL" } else { "SQLite" };
    let say = |what: &str| eprintln!("{} {database}: {what}", SystemClock.now().strftime("%H:%M:%S"));
    let folder = tempfile::tempdir()?;
    let place = Place::new(folder.path(), postgres.map(|server| server.url("postgres")), plan.spread)?;
    let mut outcome = Vault {
        environment: environment.clone(),
        load: load_average(),
        note: plan.note.clone(),
        database: database.to_owned(),
        agents: plan.size.agents,
        instances: plan.size.instances,
        spread: plan.spread.as_secs(),
        ..Vault::default()
    };

    let first = place.start().await?;
    let api = Api::sign_in(&place).await?;
    let (vault, principal) = world::by_calls(&api).await?;
    drop(first);
    say("writing clusters and instances");
    let Made { vault, instances, agents } = world::in_bulk(&place, &vault, &principal, plan.size).await?;
    for _ in 0..plan.rounds {
        let server = place.start().await?;
        outcome.ready.add(server.ready_after.as_secs_f64() * 1_000.0);
    }

    let server = place.start().await?;
    sleep(QUIET / 4).await;
    outcome.alone = server.resident()?;
    say("connecting agents");
    let told = Told { vault: place.address(), ca: place.ca(), agents };
    let mut agents = Agents::start(folder.path(), &told)?;
    let patience = Duration::from_secs(300 + u64::try_from(plan.size.agents / 20)?);
    outcome.connecting = agents.connected(plan.size.agents, patience).await?.as_secs_f64();
    sleep(QUIET).await;
    outcome.connected = server.resident()?;
    say(&format!("{:.0} s until all were connected, {:.0} MiB", outcome.connecting, outcome.connected));

    let slot = next_minute(SystemClock.now().checked_add(world::notice(plan.size.instances))?)?;
    let policy = format!("{vault}/backupPolicies/policy1");
    api.call(Method::PUT, &policy, Some(world::policy(slot, 7))).await?;
    world::begin_schedules(&place, &instances).await?;
    let measuring = Measuring::new(plan, &place, &server, &agents, postgres, &api, &vault, slot)?;

    wait_for(slot).await;
    say("the slot begins; reads come at a rate");
    outcome.requests.push(measuring.reads_at_a_rate(&instances).await?);
    say("clients ask as fast as they can");
    let begun = SystemClock.now();
    outcome.requests.extend(measuring.as_fast_as_they_can(&instances).await?);
    let ended = SystemClock.now();
    outcome.peak = server.peak()?;
    outcome.broken = agents.standing().ended;
    let until = slot.checked_add(SignedDuration::try_from(plan.spread + DRAIN)?)?;
    settle(&agents, instances.len(), until).await;
    say(&format!("done: {:?}", agents.standing()));
    drop(agents);
    drop(server);

    let store = place.store().await?;
    let jobs = jobs(store.as_ref(), &vault.parse()?).await?;
    store.close().await;
    let spread = SignedDuration::try_from(plan.spread)?;
    outcome.steady = of_slot(&jobs, &instances, slot, spread, (slot, begun));
    outcome.loaded = of_slot(&jobs, &instances, slot, spread, (begun, ended));
    outcome.whole = of_slot(&jobs, &instances, slot, spread, (slot, slot.checked_add(spread)?));
    Ok(outcome)
}

/// What the loads need.
struct Measuring<'a> {
    plan: &'a Plan,
    clients: Vec<Client>,
    watched: Vec<Watched>,
    api: Api,
    vault: String,
    slot: Timestamp,
}

impl<'a> Measuring<'a> {
    #[allow(clippy::too_many_arguments, reason = "it is called once")]
    fn new(
        plan: &'a Plan,
        place: &Place,
        server: &Server,
        agents: &Agents,
        postgres: Option<&postgres::Server>,
        api: &Api,
        vault: &str,
        slot: Timestamp,
    ) -> Result<Self> {
        let mut watched = vec![
            Watched::one("generator", std::process::id()),
            Watched::one("vault", server.process()),
            Watched::one("agents", agents.process()),
        ];
        if let Some(database) = postgres {
            let process = postmaster(database.folder()).context("the process of PostgreSQL is not known")?;
            watched.push(Watched::family("database", process));
        }
        watched.push(Watched::machine("machine"));
        let clients = (0..plan.clients).map(|_| client(place)).collect::<Result<_>>()?;
        Ok(Self { plan, clients, watched, api: api.clone(), vault: vault.to_owned(), slot })
    }

    /// Nine of ten read an instance, one the newest jobs.
    async fn reads_at_a_rate(&self, instances: &[arm::ResourceId]) -> Result<Requests> {
        let (instance, jobs) = (self.get_instance(instances), self.list_jobs(&format!("?{SHORT}")));
        let make: Make = Arc::new(move |http, number| match number % 10 {
            9 => jobs(http, number),
            _ => instance(http, number),
        });
        let meter = Meter::start(&self.watched);
        // The rest of the time in which backups begin is for the other loads.
        let rest = self.plan.each.saturating_mul(LOADS + 1);
        let lasts = self.plan.spread.saturating_sub(rest).max(self.plan.each);
        let load = open(&self.clients, self.plan.rate, lasts, make).await?;
        let what = format!("reads: 9 of 10 GET instance, 1 of 10 list jobs with {SHORT}");
        Ok(Requests { clients: None, rate: Some(self.plan.rate), ..self.outcome(what, &load, meter.stop()) })
    }

    async fn as_fast_as_they_can(&self, instances: &[arm::ResourceId]) -> Result<Vec<Requests>> {
        let loads = [
            ("GET instance".to_owned(), self.get_instance(instances)),
            (format!("list jobs, {SHORT}"), self.list_jobs(&format!("?{SHORT}"))),
            ("list jobs, a page of 1,000".to_owned(), self.list_jobs("")),
            ("PUT policy".to_owned(), self.put_policy()),
        ];
        let mut all = Vec::new();
        for (what, make) in loads {
            let meter = Meter::start(&self.watched);
            let load = closed(&self.clients, self.plan.each, make).await;
            all.push(self.outcome(what, &load, meter.stop()));
        }
        Ok(all)
    }

    fn get_instance(&self, instances: &[arm::ResourceId]) -> Make {
        let (api, paths) = (self.api.clone(), instances.iter().map(ToString::to_string).collect::<Vec<_>>());
        Arc::new(move |http, number| {
            // A stride that has no divisor in common with the usual numbers: all come, and no two neighbours.
            let path = paths.get(number.wrapping_mul(7_919) % paths.len().max(1));
            api.request(http, Method::GET, path.map_or("/", String::as_str), None)
        })
    }

    fn list_jobs(&self, query: &str) -> Make {
        let (api, path) = (self.api.clone(), format!("{}/backupJobs{query}", self.vault));
        Arc::new(move |http, _| api.request(http, Method::GET, &path, None))
    }

    /// Each client has a policy of its own, and changes it each time.
    fn put_policy(&self) -> Make {
        let (api, vault, clients) = (self.api.clone(), self.vault.clone(), self.clients.len());
        let bodies: Vec<Value> = (7..=30).map(|days| world::policy(self.slot, days)).collect();
        Arc::new(move |http, number| {
            let (place, round) = (number % clients, number / clients);
            let path = format!("{vault}/backupPolicies/bench-{place:03}");
            api.request(http, Method::PUT, &path, bodies.get(round % bodies.len().max(1)))
        })
    }

    fn outcome(&self, what: String, load: &Load, used: Used) -> Requests {
        if let Some(why) = &load.why {
            eprintln!("{what}: {} failed, such as: {why}", load.failed);
        }
        Requests {
            what,
            clients: Some(self.clients.len()),
            rate: None,
            per_second: load.rate(),
            took: load.percentiles(),
            failed: load.failed,
            used,
        }
    }
}

fn next_minute(after: Timestamp) -> Result<Timestamp> {
    Ok(Timestamp::from_second((after.as_second() / 60 + 1) * 60)?)
}

async fn wait_for(at: Timestamp) {
    if let Ok(left) = Duration::try_from(at.duration_since(SystemClock.now())) {
        sleep(left).await;
    }
}

/// Waits until so many backups were made, but not beyond a time; then a little, until they are written down.
async fn settle(agents: &Agents, backups: usize, until: Timestamp) {
    while SystemClock.now() < until
        && usize::try_from(agents.standing().made).is_ok_and(|made| made < backups)
    {
        sleep(Duration::from_millis(500)).await;
    }
    sleep(Duration::from_secs(10)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_at_a_whole_minute() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(next_minute(at("2026-01-01T00:00:01Z")).unwrap(), at("2026-01-01T00:01:00Z"));
    }
}
