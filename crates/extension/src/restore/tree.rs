//! A plan as a person reads it: by namespace, then kind, one line per object.

use replay::{Action, Checked, Plan, Row};
use std::collections::BTreeMap;

/// The readable form of a plan.
pub fn tree(plan: &Plan) -> String {
    let mut namespaces: BTreeMap<&str, BTreeMap<String, Vec<&Row>>> = BTreeMap::new();
    for row in &plan.rows {
        let namespace = row.place.namespace.as_deref().unwrap_or_default();
        namespaces
            .entry(namespace)
            .or_default()
            .entry(row.place.kind.group_resource())
            .or_default()
            .push(row);
    }
    let mut text = format!(
        "restore of recovery point {} taken {} of cluster {}\n",
        plan.recovery_point, plan.taken, plan.source_cluster
    );
    for (namespace, kinds) in &namespaces {
        let from = plan.namespace_mappings.iter().find(|(_, to)| to == namespace);
        match (namespace.is_empty(), from) {
            (true, _) => text.push_str("cluster\n"),
            (false, Some((from, _))) => text.push_str(&format!("namespace {namespace} (from {from})\n")),
            (false, None) => text.push_str(&format!("namespace {namespace}\n")),
        }
        for (kind, rows) in kinds {
            text.push_str(&format!("  {kind}\n"));
            for row in rows {
                text.push_str(&format!("    {}\n", line(row)));
            }
        }
    }
    text.push_str(&format!(
        "{} rows checked by the server, {} not checkable\n",
        plan.checked, plan.not_checkable
    ));
    text
}

fn line(row: &Row) -> String {
    let mut line = format!("{:<15} {}", row.action.word(), row.place.name);
    if row.with_data {
        line.push_str(" with its data");
    }
    if !row.action.fields().is_empty() {
        line.push_str(&format!(" [{}]", row.action.fields().join(", ")));
    }
    match &row.action {
        Action::Leave { why } => line.push_str(&format!(": {why}")),
        Action::Blocked(problem) => line.push_str(&format!(": {} ({})", problem.message, problem.code)),
        _ => {}
    }
    match &row.checked {
        Checked::ByServer => line.push_str("  (checked by the server)"),
        Checked::NotCheckable { reason } => line.push_str(&format!("  (not checkable: {reason})")),
        Checked::NothingToCheck => {}
    }
    line
}
