//! What a lock is, and what it forbids.

use super::super::call::invalid_filter;
use arm::{ArmError, Fields, Filter, ResourceId, filter::Term};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const LONGEST_NAME: usize = 260;
const LONGEST_NOTES: usize = 512;

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Its name.
    pub name: String,
    /// What it holds for, with all that is below.
    pub scope: ResourceId,
    /// What it forbids.
    pub level: Level,
    /// Why, for people.
    pub notes: Option<String>,
}

impl Lock {
    /// Its id.
    pub fn id(&self) -> String {
        format!("{}/providers/{}/{}", self.scope, super::KIND, self.name)
    }

    /// One that forbids to delete, for the tests of others.
    #[cfg(test)]
    pub fn at(name: &str, scope: ResourceId) -> Self {
        Self { name: name.to_owned(), scope, level: Level::CanNotDelete, notes: None }
    }
}

/// What a lock forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// To delete.
    CanNotDelete,
    /// To delete and to write, and every other call that is not a mere read.
    ReadOnly,
}

/// What a call does to a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// Writes, or has something done.
    Write,
    /// Deletes.
    Delete,
}

impl Does {
    /// By its method; reads do nothing.
    pub fn of(method: &Method) -> Option<Self> {
        match *method {
            Method::GET | Method::HEAD | Method::OPTIONS => None,
            Method::DELETE => Some(Self::Delete),
            _ => Some(Self::Write),
        }
    }
}

/// Why a call is refused. What is below a scope goes with it, so a lock there keeps it from being deleted too.
pub fn refusal(locks: &[Lock], does: Does, scope: &ResourceId) -> Option<ArmError> {
    let holds = |lock: &&Lock| match does {
        Does::Write => lock.level == Level::ReadOnly && lock.scope.covers(scope),
        Does::Delete => lock.scope.covers(scope) || scope.covers(&lock.scope),
    };
    let held: Vec<&Lock> = locks.iter().filter(holds).collect();
    if held.is_empty() {
        return None;
    }
    let verb = if does == Does::Delete { "delete" } else { "write" };
    let scopes = held.iter().map(|lock| format!("'{}'", lock.scope)).collect::<Vec<_>>().join(", ");
    let names = held.iter().map(|lock| lock.name.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!(
        "The scope '{scope}' cannot perform {verb} operation because following scope(s) are locked: {scopes}. Please remove \
         the lock ({names}) and try again."
    );
    Some(ArmError::new(409, "ScopeLocked", message).about(scope.as_str()))
}

/// The lock that a PUT asks for.
pub fn wanted(name: &str, scope: ResourceId, body: &Value) -> Result<Lock, ArmError> {
    let fits = |c: char| !c.is_control() && !r#"<>%&:\?/"#.contains(c);
    if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(fits) {
        let message = format!(
            "The name '{name}' of the lock cannot be used: 1 to {LONGEST_NAME} characters are needed, none of <>%&:\\?/."
        );
        return Err(ArmError::new(400, "InvalidLockName", message).about("name"));
    }
    let properties = Fields::of(body)?.required_object("properties")?;
    let level = match properties.required_text("level")? {
        level if level.eq_ignore_ascii_case("CanNotDelete") => Level::CanNotDelete,
        level if level.eq_ignore_ascii_case("ReadOnly") => Level::ReadOnly,
        other => {
            return Err(
                properties.wrong("level", format!("is '{other}'; known are CanNotDelete and ReadOnly"))
            );
        }
    };
    let notes = properties.text("notes")?.map(str::to_owned);
    if notes.as_ref().is_some_and(|notes| notes.chars().count() > LONGEST_NOTES) {
        return Err(properties.wrong("notes", format!("is longer than {LONGEST_NOTES} characters")));
    }
    Ok(Lock { name: name.to_owned(), scope, level, notes })
}

/// Whether a list at a scope shows a lock. Without a filter it shows those above, at and below the scope.
pub fn listed(filter: &Filter, scope: &ResourceId, lock: &Lock) -> Result<bool, ArmError> {
    let above = lock.scope.covers(scope);
    let mut fits = above || scope.covers(&lock.scope);
    for term in filter.terms() {
        fits &= match term {
            Term::Named { name, .. } if name.eq_ignore_ascii_case("atScope") => above,
            Term::Equals { field: name, .. } | Term::Named { name, .. } => {
                return Err(invalid_filter(&format!("'{name}' is not known here; known is atScope()")));
            }
        };
    }
    Ok(fits)
}

/// As clients read it.
pub fn shown(id: &ResourceId, lock: &Lock) -> Value {
    let mut properties = json!({"level": lock.level});
    if let (Some(notes), Some(object)) = (&lock.notes, properties.as_object_mut()) {
        object.insert("notes".to_owned(), json!(notes));
    }
    json!({"id": id, "name": lock.name, "type": super::KIND, "properties": properties})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ResourceId {
        text.parse().unwrap()
    }

    fn lock(scope: &str, level: Level) -> Lock {
        Lock { name: "l".into(), scope: id(scope), level, notes: None }
    }

    #[test]
    fn a_lock_forbids_what_its_level_says_for_its_scope_and_below() {
        use Does::{Delete, Write};
        use Level::{CanNotDelete, ReadOnly};
        let (subscription, group, vault) = (
            "/subscriptions/s",
            "/subscriptions/s/resourceGroups/g",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.DataProtection/backupVaults/v",
        );
        let table = [
            (group, CanNotDelete, Write, vault, false),
            (group, CanNotDelete, Delete, vault, true),
            (group, ReadOnly, Write, vault, true),
            (group, ReadOnly, Delete, vault, true),
            (subscription, ReadOnly, Write, group, true),
            // What is below goes with what is deleted, but does not change with what is written.
            (vault, ReadOnly, Write, group, false),
            (vault, CanNotDelete, Delete, group, true),
            (vault, CanNotDelete, Delete, "/subscriptions/s/resourceGroups/other", false),
            (group, ReadOnly, Write, "/subscriptions/s/resourceGroups/g2", false),
        ];

        for (locked, level, does, on, refused) in table {
            let found = refusal(&[lock(locked, level)], does, &id(on));
            assert_eq!(found.is_some(), refused, "{level:?} at {locked}: {does:?} on {on}");
        }
    }

    #[test]
    fn a_refusal_names_every_lock_in_the_words_of_the_original() {
        let group = "/subscriptions/s/resourceGroups/g";
        let locks = [lock(group, Level::CanNotDelete), lock("/subscriptions/s", Level::ReadOnly)];

        let refused = refusal(&locks, Does::Delete, &id(group)).unwrap();

        assert_eq!((refused.status, refused.code.as_str()), (409, "ScopeLocked"));
        assert!(refused.message.contains(
            "cannot perform delete operation because following scope(s) are locked: '/subscriptions/s/resourceGroups/g', \
             '/subscriptions/s'"
        ));
    }

    #[test]
    fn what_is_no_lock_is_refused() {
        let body = |level: Value| json!({"properties": {"level": level}});
        let scope = || id("/subscriptions/s/resourceGroups/g");

        assert_eq!(wanted("l", scope(), &body(json!("readonly"))).unwrap().level, Level::ReadOnly);
        for level in [json!("NotSpecified"), json!(""), json!(1), Value::Null] {
            assert_eq!(wanted("l", scope(), &body(level.clone())).unwrap_err().status, 400, "{level}");
        }
        for name in ["", "a:b", "a%b", &"x".repeat(261)] {
            assert_eq!(
                wanted(name, scope(), &body(json!("ReadOnly"))).unwrap_err().code,
                "InvalidLockName",
                "{name}"
            );
        }
        let long = json!({"properties": {"level": "ReadOnly", "notes": "x".repeat(513)}});
        assert_eq!(wanted("l", scope(), &long).unwrap_err().status, 400);
    }
}
