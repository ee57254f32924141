//! A plan as a person reads it: by namespace, then kind, one line per object. Objects of one kind that are left
//! for the same reason share a line; the rows of the plan name each of them.

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
            for line in lines(rows) {
                text.push_str(&format!("    {line}\n"));
            }
        }
    }
    text.push_str(&format!(
        "{} rows checked by the server, {} not checkable\n",
        plan.checked, plan.not_checkable
    ));
    text
}

/// Bytes of a plan that a status holds: it is one object among many in the cluster's database.
const ROOM: usize = 16 * 1024;

/// The lines that a status has room for. How many are left out, the last line says.
pub fn short(tree: &str) -> String {
    if tree.len() <= ROOM {
        return tree.to_owned();
    }
    let mut kept = String::new();
    let mut left = 0_usize;
    for line in tree.lines() {
        if left > 0 || kept.len() + line.len() >= ROOM {
            left += 1;
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept.push_str(&format!("{left} more lines are in the result file\n"));
    kept
}

/// More objects than this, left for one reason, are counted instead of named.
const NAMED: usize = 3;

fn lines(rows: &[&Row]) -> Vec<String> {
    let mut left: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        if let Action::Leave { why } = &row.action {
            left.entry(why).or_default().push(row);
        }
    }
    let folded = |row: &Row| match &row.action {
        Action::Leave { why } => left.get(why.as_str()).is_some_and(|rows| rows.len() > NAMED),
        _ => false,
    };
    let single = rows.iter().filter(|row| !folded(row)).map(|row| line(row));
    let many = left.iter().filter(|(_, rows)| rows.len() > NAMED);
    let many =
        many.map(|(why, rows)| format!("{} {:<15} {} objects: {why}", mark("leave"), "leave", rows.len()));
    single.chain(many).collect()
}

/// One character for what happens.
fn mark(word: &str) -> char {
    match word {
        "create" => '+',
        "patch" | "replace" => '~',
        "blocked" | "dataNotRestored" => '!',
        "unchanged" => '=',
        _ => '.',
    }
}

fn line(row: &Row) -> String {
    let word = row.action.word();
    let mut line = format!("{} {word:<15} {}", mark(word), row.place.name);
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
    for note in &row.notes {
        line.push_str(&format!("\n        {}", note.message));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use replay::Stage;
    use replay::item::{Place, ResourceType};
    use std::sync::Arc;

    fn row(name: &str, action: Action) -> Row {
        let kind = ResourceType {
            group: "rbac.authorization.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "ClusterRole".to_owned(),
            resource: "clusterroles".to_owned(),
            namespaced: false,
        };
        Row {
            place: Place { kind: Arc::new(kind), namespace: None, name: name.into() },
            original_namespace: None,
            stage: Stage::Accounts,
            action,
            checked: Checked::NothingToCheck,
            with_data: false,
            notes: Vec::new(),
        }
    }

    #[test]
    fn many_objects_that_are_left_for_one_reason_share_a_line() {
        let leave = |why: &str| Action::Leave { why: why.to_owned() };
        let mut rows: Vec<Row> = (0..60)
            .map(|number| row(&format!("system:{number}"), leave("The API server makes them.")))
            .collect();
        rows.push(row("other", leave("It is left to its controller.")));
        rows.push(row("mine", Action::Create));
        let rows: Vec<&Row> = rows.iter().collect();

        let lines = lines(&rows);

        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines.iter().any(|line| line.starts_with("+ create") && line.contains("mine")));
        assert!(lines.iter().any(|line| line.contains("other: It is left to its controller.")));
        assert!(lines.iter().any(|line| line.contains("60 objects: The API server makes them.")));
    }

    #[test]
    fn a_status_has_room_for_a_plan_and_says_what_it_has_no_room_for() {
        let lines: String = (0..2_000).map(|number| format!("    + create object-{number}\n")).collect();

        let kept = short(&lines);
        let (shown, left) = (kept.lines().count() - 1, kept.lines().last().unwrap());

        assert_eq!(short("a plan\n"), "a plan\n");
        assert!(kept.len() < ROOM + 100 && lines.starts_with(&kept[..kept.len() - left.len() - 1]));
        assert_eq!(left, format!("{} more lines are in the result file", 2_000 - shown));
    }
}
