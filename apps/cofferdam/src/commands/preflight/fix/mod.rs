//! `cofferdam preflight --fix`: does what the product can do itself. Each act is shown first, with what it changes and the
//! rights that it takes; it is done after a yes; then everything is looked at once more. A run that is interrupted is
//! simply repeated: what is so already is not done twice.

mod audit;
mod show;

pub use show::{Row, State, text};

use super::{PreflightArgs, Wanted, shown, subject};
use crate::{
    ask::{self, Answer, Interrupts},
    cluster::ClusterArgs,
    exit::{Exit, Failure, Outcome},
    note,
    output::Format,
};
use clap::Args;
use prerequisites::{Action, Change, Profile, mends};
use probes::mend::{Hands, Trouble, act, rehearse};
use std::time::Duration;
use subject::Seen;

/// What one act uncovers is mended in the next round: a role needs the identity that comes before it.
const ROUNDS: usize = 4;
/// How long an act may take that is one call.
const SOON: Duration = Duration::from_secs(60);
/// How long one may take that others carry out, who say first that they will and minutes later that they have; or that
/// goes through all objects.
const LATE: Duration = Duration::from_secs(600);

/// The arguments.
#[derive(Debug, Clone, Default, Args)]
pub struct FixArgs {
    /// Mend what the product can mend itself: each change is shown, and made after a yes
    #[arg(long, group = "makes", help_heading = "Mending")]
    pub fix: bool,
    /// Show what would be changed, and let the API server go through with it without keeping anything
    #[arg(long, requires = "fix", conflicts_with = "yes", help_heading = "Mending")]
    pub dry_run: bool,
}

pub async fn run(
    cluster: &ClusterArgs,
    wanted: &Wanted<'_>,
    args: &PreflightArgs,
    profile: Profile,
    format: Format,
) -> Outcome {
    let mut interrupts = Interrupts::listen()?;
    let look = || Box::pin(subject::survey(cluster, wanted, args, profile));
    let looked = interrupts.unless(look()).await;
    let mut seen = looked.ok_or_else(Failure::cancelled)??;
    let client = cluster.client().await.ok();
    let (arm, _) = args.arm.open().await?;
    let hands = Hands { cluster: client.as_ref(), arm: arm.seen().map(|arm| &arm.client) };
    let mut mending =
        Mending { hands, args: &args.fix, yes: args.yes, interrupts, rows: Vec::new(), interrupted: false };
    for _ in 0..ROUNDS {
        let due = mending.due(&seen, args, profile);
        if due.is_empty() {
            break;
        }
        mending.may_go_on(&due)?;
        let changed = mending.round(due).await?;
        if !changed || mending.interrupted {
            break;
        }
        note!("… looking again");
        match mending.interrupts.unless(look()).await {
            Some(again) => seen = again?,
            None => mending.interrupted = true,
        }
    }
    end(mending, seen, args, profile, format)
}

/// Prints what was done beside what is to be seen now, and says by the exit code how it went.
fn end(mending: Mending<'_>, seen: Seen, args: &PreflightArgs, profile: Profile, format: Format) -> Outcome {
    let Mending { rows, interrupted, .. } = mending;
    if rows.is_empty() {
        note!("there is nothing that the product can mend itself; what is left stands in the fixes below");
    }
    let failed = rows.iter().any(|row| row.state == State::Failed);
    let (view, ended) = shown(seen, args, profile);
    super::print(&view.with(rows, !interrupted), format)?;
    if interrupted {
        note!("interrupted; what is not done is done by the same command once more");
        return Ok(Exit::Cancelled);
    }
    Ok(if failed { Exit::Failed } else { ended })
}

struct Mending<'a> {
    hands: Hands<'a>,
    args: &'a FixArgs,
    yes: bool,
    interrupts: Interrupts,
    rows: Vec<Row>,
    interrupted: bool,
}

impl Mending<'_> {
    /// What can be mended and was not tried yet.
    fn due(&self, seen: &Seen, args: &PreflightArgs, profile: Profile) -> Vec<Change> {
        let mut due = mends(&seen.judged, &seen.facts, profile, &args.only);
        due.retain(|change| {
            let is_wanted = args.wants(change.check);
            let is_tried =
                self.rows.iter().any(|row| row.change.object == change.object && row.is_same(change));
            is_wanted && !is_tried
        });
        due
    }

    /// Without a terminal nobody can say yes: then nothing is done, and the plan is shown.
    fn may_go_on(&self, due: &[Change]) -> Result<(), Failure> {
        if self.yes || self.args.dry_run || ask::somebody() {
            return Ok(());
        }
        for change in due {
            note!("{}", show::change(change));
        }
        Err(Failure::precondition(format!(
            "nothing was changed: {} changes need a yes, and there is no terminal to ask on",
            due.len()
        ))
        .next(
            "Make them all: the same with `--yes`; or some: `--only ID --yes`; or look closer: `--dry-run`.",
        ))
    }

    /// Goes through what is due; whether anything may be different now.
    async fn round(&mut self, due: Vec<Change>) -> Result<bool, Failure> {
        let mut changed = false;
        let mut due = due.into_iter();
        while let Some(change) = due.next() {
            note!("{}", show::change(&change));
            let row = Box::pin(self.one(change)).await?;
            changed |=
                matches!(row.state, State::Done | State::AlreadySo | State::Failed | State::Interrupted);
            note!("{}", show::ended(&row));
            self.rows.push(row);
            if self.interrupted {
                let rest = due.by_ref().map(|change| Row::of(change, State::NotTried));
                self.rows.extend(rest);
            }
        }
        Ok(changed && !self.args.dry_run)
    }

    async fn one(&mut self, change: Change) -> Result<Row, Failure> {
        if let Some(obstacle) = change.obstacle.clone() {
            return Ok(Row::of(change, State::NotAllowed).because(obstacle));
        }
        let mut row = Row::of(change, State::Planned);
        match self.rehearsed(&row.change.action).await {
            None => return Ok(self.stopped(row, State::NotTried)),
            Some(Ok(lines)) => row.rehearsed = lines,
            Some(Err(why)) => return Ok(row.ended(State::Failed).because(why)),
        }
        if let Some(shown) = show::rehearsed(&row) {
            note!("{shown}");
        }
        if self.args.dry_run {
            return Ok(row);
        }
        if !self.yes {
            match ask::ask("    make this change? [y/N/q]", &mut self.interrupts).await? {
                Answer::Yes => {}
                Answer::No => return Ok(row.ended(State::Declined)),
                Answer::Stop => return Ok(self.stopped(row, State::NotTried)),
            }
        }
        audit::line(&row, "begins");
        let limit = limit(&row.change.action);
        let acted = tokio::time::timeout(limit, act(&self.hands, &row.change.action));
        let row = match self.interrupts.unless(acted).await {
            None => {
                let why = "interrupted while it was made: it may be made or not; run the same once more";
                self.stopped(row, State::Interrupted).because(why.to_owned())
            }
            Some(Err(_)) => {
                let why = format!(
                    "no answer within {} s: it may be made or not; run the same once more",
                    limit.as_secs()
                );
                row.ended(State::Failed).because(why)
            }
            Some(Ok(Ok(done))) if done.lines.is_empty() => row.ended(State::AlreadySo),
            Some(Ok(Ok(done))) => row.did(done.lines).ended(State::Done),
            Some(Ok(Err(trouble))) => {
                let why = why(&trouble);
                let did = if let Trouble::Partly(lines, _) = trouble { lines } else { Vec::new() };
                row.did(did).ended(State::Failed).because(why)
            }
        };
        audit::line(&row, row.state.word());
        Ok(row)
    }

    /// What the API server would do; nothing where somebody interrupts.
    async fn rehearsed(&mut self, action: &Action) -> Option<Result<Vec<String>, String>> {
        let limit = limit(action);
        let rehearsed = tokio::time::timeout(limit, rehearse(&self.hands, action));
        Some(match self.interrupts.unless(rehearsed).await? {
            Ok(Ok(done)) => Ok(done.map(|done| done.lines).unwrap_or_default()),
            Ok(Err(trouble)) => Err(format!("the dry run failed, so nothing was changed: {}", why(&trouble))),
            Err(_) => {
                Err(format!("the dry run had no answer within {} s; nothing was changed", limit.as_secs()))
            }
        })
    }

    fn stopped(&mut self, row: Row, state: State) -> Row {
        self.interrupted = true;
        row.ended(state)
    }
}

fn limit(action: &Action) -> Duration {
    match action {
        Action::RegisterProvider { .. }
        | Action::UseManagedIdentity { .. }
        | Action::EnableStorage { .. }
        | Action::LetVaultIn { .. }
        | Action::TrustVault { .. }
        | Action::RemoveMarks { .. } => LATE,
        Action::AssignRole { .. }
        | Action::CreateContainer { .. }
        | Action::CreateSnapshotClass { .. }
        | Action::UnlabelSnapshotClass { .. }
        | Action::AllowPods { .. }
        | Action::DeleteDefinitions { .. } => SOON,
    }
}

/// What went wrong and what to do, on one line.
fn why(trouble: &Trouble) -> String {
    let failure = match trouble {
        Trouble::Arm(error) => Failure::from(error.clone()),
        Trouble::Cluster(error) => Failure::api("do it", error),
        other => return other.to_string(),
    };
    prerequisites::printable(failure.to_string().trim_start_matches("error: ").trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_that_a_cluster_or_an_account_is_updated_for_has_minutes_and_one_call_has_one() {
        let (cluster, vault, account) = ("c".to_owned(), "v".to_owned(), "a".to_owned());
        let updates = [
            Action::EnableStorage { cluster: cluster.clone(), parts: vec!["snapshotController".into()] },
            Action::LetVaultIn { cluster, vault: vault.clone(), binding: None, had: Vec::new() },
            Action::TrustVault { account: account.clone(), vault, tenant: None, trusted: 0 },
        ];
        let call = Action::CreateContainer { account, container: "shop".into() };

        for update in updates {
            assert_eq!(limit(&update), LATE, "{update:?}");
        }
        assert_eq!(limit(&call), SOON);
    }
}
