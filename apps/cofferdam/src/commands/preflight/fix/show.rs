//! How changes are shown: before they are made, as they end, and all together.

use prerequisites::Change;
use serde::Serialize;

/// Lines of a dry run or of an act that are shown to people; programs get all.
const SHOWN: usize = 20;

/// How a change ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It was shown, and that was all that was asked for.
    Planned,
    /// It was made.
    Done,
    /// It was so already.
    AlreadySo,
    /// A person said no.
    Declined,
    /// Whoever runs this lacks the right.
    NotAllowed,
    /// It was tried, and failed.
    Failed,
    /// It was under way when somebody interrupted.
    Interrupted,
    /// Somebody had interrupted before it began.
    NotTried,
}

/// A change, and how it ended.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What was planned.
    #[serde(flatten)]
    pub change: Change,
    /// How it ended.
    pub state: State,
    /// What the API server said that it would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rehearsed: Vec<String>,
    /// What was done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub done: Vec<String>,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl State {
    /// For people, and for the audit.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Done => "done",
            Self::AlreadySo => "already so",
            Self::Declined => "declined",
            Self::NotAllowed => "not allowed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotTried => "not tried",
        }
    }
}

impl Row {
    pub fn of(change: Change, state: State) -> Self {
        Self { change, state, rehearsed: Vec::new(), done: Vec::new(), reason: None }
    }

    pub fn ended(self, state: State) -> Self {
        Self { state, ..self }
    }

    pub fn because(self, reason: String) -> Self {
        Self { reason: Some(reason), ..self }
    }

    pub fn did(self, done: Vec<String>) -> Self {
        Self { done, ..self }
    }

    /// Whether it is the same change of the same object, whatever was seen of it meanwhile.
    pub fn is_same(&self, change: &Change) -> bool {
        self.change.check == change.check
            && self.change.object == change.object
            && self.change.after == change.after
    }
}

/// A change before it is made.
pub fn change(change: &Change) -> String {
    let mut lines = vec![format!("{:<5} {}", change.check, change.object)];
    let mut line = |what: &str, text: &str| lines.push(format!("      {:<8}{text}", format!("{what}:")));
    line("before", &change.before);
    line("after", &change.after);
    change.rights.iter().for_each(|right| line("takes", right));
    change.remark.iter().for_each(|remark| line("note", remark));
    lines.join("\n")
}

/// What the API server would do.
pub fn rehearsed(row: &Row) -> Option<String> {
    (!row.rehearsed.is_empty()).then(|| listed("dry run", &row.rehearsed))
}

/// How it ended.
pub fn ended(row: &Row) -> String {
    let reason = row.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let line = format!("    {}{reason}", row.state.word());
    if row.done.is_empty() { line } else { format!("{line}\n{}", listed("did", &row.done)) }
}

fn listed(what: &str, all: &[String]) -> String {
    let mut lines: Vec<String> = all.iter().take(SHOWN).map(|line| format!("      {what}: {line}")).collect();
    if all.len() > SHOWN {
        lines.push(format!("      {what}: and {} more", all.len() - SHOWN));
    }
    lines.join("\n")
}

/// All changes, for the end of the table.
pub fn text(rows: &[Row]) -> String {
    let mut lines = vec!["\n\nFIXES".to_owned()];
    for row in rows {
        let reason = row.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let (id, word, object) = (row.change.check, row.state.word(), &row.change.object);
        lines.push(format!("{id:<5} {word:<12} {object}{reason}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use prerequisites::Action;

    fn row() -> Row {
        let change = Change {
            check: "P18",
            object: "volumesnapshotclass/c".into(),
            before: "it has the label".into(),
            after: "it does not".into(),
            rights: vec!["patch volumesnapshotclasses".into()],
            remark: None,
            obstacle: None,
            action: Action::UnlabelSnapshotClass { name: "c".into() },
        };
        Row::of(change, State::Done)
    }

    #[test]
    fn a_change_is_shown_with_object_before_after_and_the_rights_that_it_takes() {
        let shown = change(&row().change);

        assert_eq!(
            shown,
            "P18   volumesnapshotclass/c\n      before: it has the label\n      after:  it does not\n      takes:  patch volumesnapshotclasses"
        );
    }

    #[test]
    fn thousands_of_lines_are_twenty_and_a_number_for_people_and_all_for_programs() {
        let row = row().did((0..1_000).map(|n| format!("pods/a/{n}")).collect());

        let shown = ended(&row);
        let document = serde_json::to_value(&row).unwrap();

        assert_eq!(shown.lines().count(), 22, "{shown}");
        assert!(shown.ends_with("and 980 more"), "{shown}");
        assert_eq!(document["done"].as_array().unwrap().len(), 1_000);
        assert_eq!(
            (&document["state"], &document["action"]["kind"]),
            (&"done".into(), &"unlabelSnapshotClass".into())
        );
    }

    #[test]
    fn a_change_counts_as_tried_also_when_something_else_was_seen_of_it() {
        let mut again = row().change;
        again.before = "it has the label, and more".into();
        let mut other = row().change;
        other.object = "volumesnapshotclass/d".into();

        assert!(row().is_same(&again));
        assert!(!row().is_same(&other));
    }
}
