//! Grants what is missing. Each grant is looked for first, so that a run that was interrupted is simply repeated.

use super::{
    effective::{self, Effective},
    observe, row,
    row::Row,
    subject::{Subject, Which, without_identity},
};
use crate::{
    ask::{self, Answer, Interrupts},
    commands::{instance::create::let_in, role},
    exit::{Exit, Failure, Outcome},
    managed::Session,
    note,
};
use identity::required::{Grant, Need};

pub async fn run(session: &Session, which: &Which, yes: bool) -> Outcome {
    let subject = which.subject(session).await?;
    let rows = observe::rows(session, &subject).await?;
    if let Some(nobody) = rows.iter().find_map(Row::without_identity) {
        row::show(session, &subject.vault, &rows)?;
        return Err(without_identity(nobody));
    }
    let wanted: Vec<&Need> = rows.iter().filter(|row| row.is_grantable()).filter_map(Row::missing).collect();
    let left = rows.iter().any(|row| row.missing().is_some() && !row.may_grant);
    if wanted.is_empty() && left {
        row::show(session, &subject.vault, &rows)?;
        row::hand_over(session, &subject, &rows)?;
        return Err(Failure::precondition(
            "you may grant none of the roles that are missing; nothing was changed",
        )
        .next("Hand the commands to whoever may: `cofferdam roles plan` prints them."));
    }
    if !wanted.is_empty() && !agreed(session, &subject, &rows, yes).await? {
        return Err(Failure::precondition("nothing was changed")
            .next("Run it again with `--yes` to grant what is missing."));
    }
    let mut refused = None;
    for need in &wanted {
        let (id, role, whose) = (need.row.id, need.grant().role(), need.row.whose.noun());
        match grant(session, &subject, need).await {
            Ok(()) => note!("+ {id}: {role} of the {whose} on {}", need.scope),
            // The others are granted all the same.
            Err(failure) => {
                note!("! {id}: {}", failure.message());
                refused.get_or_insert(failure);
            }
        }
    }
    if let Some(failure) = refused {
        return Err(failure.next("Then run this again: what was granted is not granted twice."));
    }
    finish(session, which, &subject).await
}

/// Shows what will be granted, and asks where somebody can answer.
async fn agreed(session: &Session, subject: &Subject, rows: &[Row], yes: bool) -> Result<bool, Failure> {
    if yes {
        return Ok(true);
    }
    row::show(session, &subject.vault, rows)?;
    if !ask::somebody() {
        return Ok(false);
    }
    let question = "grant what is missing and may be granted? [y/N]";
    Ok(ask::ask(question, &mut Interrupts::listen()?).await? == Answer::Yes)
}

async fn grant(session: &Session, subject: &Subject, need: &Need) -> Result<(), Failure> {
    match (need.grant(), &need.principal) {
        (Grant::TrustedAccess(_), _) => {
            let_in(session, &need.scope, &subject.vault).await?;
        }
        (Grant::Role(role), Some(principal)) => {
            role::grant(session, principal, "ServicePrincipal", role, &need.scope).await?;
        }
        (Grant::Role(_), None) => return Err(without_identity(need.row.whose)),
    }
    Ok(())
}

/// Looks again, and waits until the vault sees what is there now.
async fn finish(session: &Session, which: &Which, before: &Subject) -> Outcome {
    let seen = which.subject(session).await?;
    let rows = observe::rows(session, &seen).await?;
    let effective = effective::wait(session, before, &rows).await;
    row::show(session, &seen.vault, &rows)?;
    row::hand_over(session, &seen, &rows)?;
    let is_whole = rows.iter().filter(|row| row.is_identity()).all(|row| row.state.is_met());
    match effective {
        Effective::Yes if is_whole => {
            note!("all roles are there, and the vault sees them");
            Ok(Exit::Done)
        }
        Effective::Yes => {
            note!("some roles are still missing; run this again once they were granted");
            Ok(Exit::Warnings)
        }
        Effective::Otherwise(reason) => {
            note!(
                "the vault misses none of the roles, and its validation fails for another reason: {reason}"
            );
            Ok(Exit::Warnings)
        }
        Effective::NotYet(ids) => {
            note!("the vault does not see {} yet; run this again in a few minutes", ids.join(", "));
            Ok(Exit::Warnings)
        }
        Effective::NotAsked(reason) => {
            note!("whether the vault sees the roles was not observed: {reason}");
            Ok(Exit::Warnings)
        }
    }
}
