//! Whether somebody can assign roles when resources go, and with them their identities and what these were assigned.

use super::decide::administrators;
use crate::{
    app::App,
    store::{Change, StoreError},
};
use arm::ResourceId;

/// Whose are the assignments by which someone can assign roles in the subscription of what goes.
#[derive(Debug)]
pub enum Administrators {
    /// None of what goes.
    Elsewhere,
    /// Of what goes, and others; the change keeps one when the others go at the same moment.
    Both(Change),
    /// Of what goes alone: nobody could assign roles any more.
    Below,
}

/// Whose they are, when everything at and below some ids of one subscription goes at once.
pub async fn administrators_below(app: &App, going: &[ResourceId]) -> Result<Administrators, StoreError> {
    let wrong = |error: arm::IdError| StoreError::Damaged(error.to_string());
    let Some(first) = going.first() else { return Ok(Administrators::Elsewhere) };
    let subscription = ResourceId::subscription(first.subscription_id()).map_err(wrong)?;
    let roles = administrators(&app.roles);
    let (mut below, mut elsewhere) = (false, false);
    for record in app.store.assignments_in(&subscription).await? {
        if record.assignment.scope == subscription && roles.contains(&record.assignment.role) {
            let principal = app.store.principal(&record.assignment.principal).await?;
            let resource = principal.and_then(|principal| principal.resource);
            let is_below = resource.is_some_and(|resource| going.iter().any(|gone| gone.covers(&resource)));
            below |= is_below;
            elsewhere |= !is_below;
        }
    }
    Ok(match (below, elsewhere) {
        (false, _) => Administrators::Elsewhere,
        (true, true) => Administrators::Both(Change::KeepAssigned(subscription, roles)),
        (true, false) => Administrators::Below,
    })
}
