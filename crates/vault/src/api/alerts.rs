//! Alerts: listed, shown, and how far people are with them. Source: `Microsoft.AlertsManagement/alerts`.

mod act;
mod shown;
mod wanted;

pub use shown::shown;

use super::{At, Needs, Operation, operations::row};
use http::Method;

/// The right to see an alert.
pub const READ: Needs = Needs::Action("Microsoft.AlertsManagement/alerts/read");
const CHANGE_STATE: Needs = Needs::Action("Microsoft.AlertsManagement/alerts/changestate/action");

/// The calls. A scope is a subscription, a group, a vault, or what is below a vault.
pub const OPERATIONS: &[Operation] = &[
    row(
        "Alerts_GetAll",
        &Method::GET,
        "/{scope}/providers/Microsoft.AlertsManagement/alerts",
        Needs::AnyRole,
        At::Scope,
        |call| Box::pin(act::list(call)),
    ),
    row(
        "Alerts_GetById",
        &Method::GET,
        "/{scope}/providers/Microsoft.AlertsManagement/alerts/{alert}",
        READ,
        At::Scope,
        |call| Box::pin(act::get(call)),
    ),
    row(
        "Alerts_ChangeState",
        &Method::POST,
        "/{scope}/providers/Microsoft.AlertsManagement/alerts/{alert}/changestate",
        CHANGE_STATE,
        At::Scope,
        |call| Box::pin(act::change_state(call)),
    ),
    row(
        "Alerts_GetHistory",
        &Method::GET,
        "/{scope}/providers/Microsoft.AlertsManagement/alerts/{alert}/history",
        READ,
        At::Scope,
        |call| Box::pin(act::history(call)),
    ),
];

/// What a list takes besides the `api-version`, and what each one may be.
pub const LIST_PARAMETERS: [(&str, &str); 11] = [
    ("targetResource", "Id of the vault, or of the backup instance or policy that it is about."),
    ("targetResourceType", "Type of the vault."),
    ("targetResourceGroup", "Name of the vault's group."),
    ("monitorService", "Azure Backup; there are no others."),
    ("monitorCondition", "Fired or Resolved."),
    ("severity", "Sev0 to Sev4."),
    ("alertState", "New, Acknowledged or Closed."),
    ("alertRule", "Name of the alert, such as Backup Failure."),
    ("timeRange", "1h, 1d, 7d or 30d: those that fired since."),
    ("customTimeRange", "START/END, two times: those that fired between."),
    ("pageCount", "Alerts of one page, 1 to 1000."),
];
