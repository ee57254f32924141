//! One line of the plan, for people and for programs.

use super::subject::Subject;
use crate::{
    exit::Failure,
    managed::{Kind, Session},
    output,
};
use arm::ResourceId;
use identity::required::{Need, PersonRole, Whose, ours, with_az};
use serde_json::{Value, json};

/// Whether something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// At the scope itself.
    There,
    /// Above it: by which role, where.
    Inherited(String),
    /// It is not.
    Missing,
    /// Nobody could have it yet.
    NoIdentity,
    /// Nobody could look: why.
    NotSeen(String),
}

/// What a line is about.
#[derive(Debug, Clone)]
pub enum About {
    /// An identity's role.
    Identity(Need),
    /// A role of whoever runs this.
    You(&'static PersonRole),
}

/// A line.
#[derive(Debug, Clone)]
pub struct Row {
    pub about: About,
    pub scope: ResourceId,
    pub state: State,
    /// Whoever runs this may grant it.
    pub may_grant: bool,
    /// Who else may, as far as that can be seen.
    pub grantors: Vec<String>,
}

impl State {
    pub fn is_met(&self) -> bool {
        matches!(self, Self::There | Self::Inherited(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Inherited(_) => "inherited",
            Self::Missing => "missing",
            Self::NoIdentity => "no identity yet",
            Self::NotSeen(_) => "not seen",
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Inherited(text) | Self::NotSeen(text) => Some(text),
            Self::There | Self::Missing | Self::NoIdentity => None,
        }
    }
}

impl Row {
    pub fn id(&self) -> &'static str {
        match &self.about {
            About::Identity(need) => need.row.id,
            About::You(row) => row.id,
        }
    }

    /// The need that can be met now.
    pub fn missing(&self) -> Option<&Need> {
        match (&self.about, &self.state) {
            (About::Identity(need), State::Missing) => Some(need),
            _ => None,
        }
    }

    /// The need that is met.
    pub fn met(&self) -> Option<&Need> {
        match &self.about {
            About::Identity(need) if self.state.is_met() => Some(need),
            _ => None,
        }
    }

    /// Whose identity is missing altogether.
    pub fn without_identity(&self) -> Option<Whose> {
        match (&self.about, &self.state) {
            (About::Identity(need), State::NoIdentity) => Some(need.row.whose),
            _ => None,
        }
    }

    pub fn is_identity(&self) -> bool {
        matches!(self.about, About::Identity(_))
    }

    pub fn is_grantable(&self) -> bool {
        self.may_grant && self.missing().is_some()
    }

    /// For programs, and for the table.
    pub fn json(&self, vault: &ResourceId) -> Value {
        let (identity, principal, role, why) = match &self.about {
            About::Identity(need) => {
                (need.row.whose.noun(), need.principal.as_deref(), need.grant().role(), need.row.why)
            }
            About::You(row) => ("you", None, row.role, row.why),
        };
        let missing = self.missing();
        json!({
            "id": self.id(),
            "identity": identity,
            "principalId": principal,
            "role": role,
            "scope": self.scope.as_str(),
            "state": self.state.word(),
            "detail": self.state.detail(),
            "why": why,
            "mayGrant": self.may_grant,
            "grantors": self.grantors,
            "command": missing.and_then(|need| ours(need, vault)),
            "azCommand": missing.and_then(|need| with_az(need, vault)),
            "name": self.scope.name(),
        })
    }
}

/// Prints the plan.
pub fn show(session: &Session, vault: &ResourceId, rows: &[Row]) -> Result<(), Failure> {
    let shown: Vec<Value> = rows.iter().map(|row| row.json(vault)).collect();
    session.view.many(&Kind::NEED, &shown)
}

/// What somebody else has to do: the exact commands, to be copied and handed on.
pub fn hand_over(session: &Session, subject: &Subject, rows: &[Row]) -> Result<(), Failure> {
    if session.view.is_for_programs() {
        return Ok(());
    }
    output::line(&handed_over(&subject.vault, rows))
}

fn handed_over(vault: &ResourceId, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        match (&row.about, &row.state) {
            (About::Identity(_), State::NotSeen(reason)) | (About::You(_), State::NotSeen(reason)) => {
                text.push_str(&format!("\n{} was not seen: {reason}\n", row.id()));
            }
            (About::You(person), State::Missing) => {
                let instead = match person.instead {
                    [] => String::new(),
                    roles => format!(" (or {} together)", roles.join(" and ")),
                };
                let (id, role, scope) = (person.id, person.role, &row.scope);
                text.push_str(&format!("\n{id}: you lack {role}{instead} on {scope}. {}\n", person.why));
                text.push_str(&who(row));
            }
            (About::Identity(need), State::NoIdentity) => {
                let noun = need.row.whose.noun();
                text.push_str(&format!("\n{}: the {noun} has no identity yet. {}\n", row.id(), need.row.why));
            }
            _ => {}
        }
    }
    let others: Vec<&Row> = rows.iter().filter(|row| row.missing().is_some() && !row.may_grant).collect();
    if !others.is_empty() {
        text.push_str(
            "\nYou may not grant these. Hand the lines to whoever may; either kind does the same.\n",
        );
    }
    for row in others {
        let Some(need) = row.missing() else { continue };
        text.push_str(&format!("\n# {}: {} {}\n", row.id(), need.missing(), need.row.why));
        text.push_str(&who(row).lines().map(|line| format!("# {line}\n")).collect::<String>());
        for command in [ours(need, vault), with_az(need, vault)].into_iter().flatten() {
            text.push_str(&format!("{command}\n"));
        }
    }
    text.trim_end().to_owned()
}

fn who(row: &Row) -> String {
    let roles = "an Owner or User Access Administrator";
    match row.grantors.as_slice() {
        [] => format!("Who can grant it: {roles} of {}\n", row.scope),
        some => format!("Who can grant it: {roles} of {}: {}\n", row.scope, some.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::required::{PERSON_ROLES, Places, Principals, Purpose, needs};

    fn row(number: usize, state: State, may_grant: bool) -> Row {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let principals = Principals { vault: Some("v".into()), ..Principals::default() };
        let purpose = Purpose::Backup { vault_tier: false };
        let need = needs(purpose, &Places::of(cluster.parse().unwrap()), &principals).remove(number);
        let scope = need.scope.clone();
        Row { about: About::Identity(need), scope, state, may_grant, grantors: vec!["o (Owner)".into()] }
    }

    #[test]
    fn an_owner_is_handed_exactly_what_the_caller_may_not_grant() {
        let vault: ResourceId =
            "/subscriptions/s/resourceGroups/b/providers/Microsoft.DataProtection/backupVaults/v"
                .parse()
                .unwrap();
        let you = Row { about: About::You(&PERSON_ROLES[0]), ..row(0, State::Missing, false) };
        let rows = [row(0, State::Missing, false), row(1, State::Missing, true), you];

        let text = handed_over(&vault, &rows);

        let commands: Vec<&str> =
            text.lines().filter(|line| line.starts_with("cofferdam ") || line.starts_with("az ")).collect();
        assert_eq!(commands.len(), 2, "{text}");
        assert!(commands.iter().all(|line| line.contains("--role Reader")), "{text}");
        assert!(
            text.contains("U1: you lack Owner (or Contributor and User Access Administrator together)"),
            "{text}"
        );
        assert_eq!(text.matches("o (Owner)").count(), 2, "{text}");
        assert_eq!(handed_over(&vault, &[row(0, State::There, false)]), "");
    }
}
