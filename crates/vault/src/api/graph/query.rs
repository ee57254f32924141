//! The form of the queries: a table, one type, known columns, and conditions that are lists of words or times.
//!
//! `resources | where type =~ 'microsoft.dataprotection/backupvaults' | where name in~ ('a','b')`

use arm::ArmError;
use jiff::Timestamp;

const TABLES: [&str; 3] = ["resources", "RecoveryServicesResources", "alertsmanagementresources"];
/// The longest query, in bytes.
pub const LONGEST: usize = 16_384;

/// A query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The type, in lower case.
    pub kind: String,
    /// All of these must hold.
    pub conditions: Vec<Condition>,
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is one of these, in any case.
    OneOf(String, Vec<String>),
    /// It is later.
    After(String, Timestamp),
    /// It is earlier.
    Before(String, Timestamp),
}

/// The columns that queries make for themselves; what they are made of is known.
const EXTENDED: [&str; 5] = ["vaultName", "protectionState", "datasourceId", "status", "operation"];

/// Reads a query.
pub fn read(text: &str) -> Result<Query, ArmError> {
    if text.len() > LONGEST {
        return Err(refused(&format!("it is longer than {LONGEST} bytes")));
    }
    let mut stages = stages(text).into_iter();
    let table = stages.next().unwrap_or_default();
    if !TABLES.iter().any(|known| table.eq_ignore_ascii_case(known)) {
        let known = TABLES.join(", ");
        return Err(refused(&format!("the table '{table}' is not known; known are {known}")));
    }
    let mut query = Query { kind: String::new(), conditions: Vec::new() };
    for stage in stages {
        let (word, rest) = stage.split_once(char::is_whitespace).unwrap_or((stage.as_str(), ""));
        match word.to_ascii_lowercase().as_str() {
            "where" => condition(rest.trim(), &mut query)?,
            "extend" => {
                let column = rest.split('=').next().unwrap_or_default().trim();
                if !EXTENDED.iter().any(|known| known.eq_ignore_ascii_case(column)) {
                    return Err(refused(&format!(
                        "the column '{column}' is not known; known are {}",
                        EXTENDED.join(", ")
                    )));
                }
            }
            _ => return Err(refused(&format!("'{word}' is not known; known are where and extend"))),
        }
    }
    if query.kind.is_empty() {
        return Err(refused("it names no type; write: where type =~ '…'"));
    }
    Ok(query)
}

/// The parts between bars, of which those in quotes and in parentheses are none.
fn stages(text: &str) -> Vec<String> {
    let (mut stages, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        match c {
            '|' if !quoted => stages.push(String::new()),
            c => {
                quoted ^= c == '\'';
                if let Some(last) = stages.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    stages.into_iter().map(|stage| stage.trim().to_owned()).collect()
}

fn condition(text: &str, query: &mut Query) -> Result<(), ArmError> {
    let unknown = || {
        let shown: String = text.chars().take(100).collect();
        refused(&format!(
            "the condition '{shown}' is not known; write KEY in~ ('a','b'), or KEY > datetime(…)"
        ))
    };
    let (column, rest) = text.split_once(char::is_whitespace).ok_or_else(unknown)?;
    let (operator, value) = rest.trim_start().split_once(char::is_whitespace).ok_or_else(unknown)?;
    let value = value.trim();
    match operator {
        "=~" | "==" => {
            let word = words(value).filter(|words| words.len() == 1).ok_or_else(unknown)?;
            if column.eq_ignore_ascii_case("type") {
                query.kind = word.into_iter().next().unwrap_or_default().to_lowercase();
            } else {
                query.conditions.push(Condition::OneOf(column.to_owned(), word));
            }
        }
        operator if operator.eq_ignore_ascii_case("in~") || operator.eq_ignore_ascii_case("in") => {
            let inside =
                value.strip_prefix('(').and_then(|value| value.strip_suffix(')')).ok_or_else(unknown)?;
            query.conditions.push(Condition::OneOf(column.to_owned(), words(inside).ok_or_else(unknown)?));
        }
        ">" | "<" => {
            let inside = value
                .strip_prefix("datetime(")
                .and_then(|value| value.strip_suffix(')'))
                .ok_or_else(unknown)?;
            let at: Timestamp = inside.trim().trim_matches('\'').parse().map_err(|_| unknown())?;
            let make = if operator == ">" { Condition::After } else { Condition::Before };
            query.conditions.push(make(column.to_owned(), at));
        }
        _ => return Err(unknown()),
    }
    Ok(())
}

/// Words in quotes, with commas between them.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    loop {
        let (word, behind) = rest.strip_prefix('\'')?.split_once('\'')?;
        words.push(word.to_owned());
        rest = behind.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() => return Some(words),
            None => return None,
        }
    }
}

fn refused(reason: &str) -> ArmError {
    let message = format!(
        "The query cannot be answered: {reason}. This vault answers the queries of the official backup clients, and is no \
         query engine."
    );
    ArmError::new(400, "InvalidQuery", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const JOBS: &str = "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupjobs'| extend vaultName = properties.vaultName| extend status = properties.status| extend operation = case( tolower(properties.operationCategory) startswith 'backup' and properties.isUserTriggered == 'true', strcat('OnDemand',properties.operationCategory), tolower(properties.operationCategory) startswith 'backup' and properties.isUserTriggered == 'false', strcat('Scheduled', properties.operationCategory), type =~ 'microsoft.dataprotection/backupVaults/backupJobs', properties.operationCategory, 'Invalid')| extend datasourceId = properties.dataSourceId | where properties.dataSourceType in~ ('Microsoft.ContainerService/managedClusters') | where status in~ ('Failed','Completed') | where properties.startTime > datetime(2026-01-01T00:00:00.0000000Z)";
    const INSTANCES: &str = "RecoveryServicesResources | where type =~ 'microsoft.dataprotection/backupvaults/backupinstances'| extend vaultName = split(split(id, '/Microsoft.DataProtection/backupVaults/')[1],'/')[0]| extend protectionState = properties.currentProtectionState| extend datasourceId = properties.dataSourceInfo.resourceID | where vaultName in~ ('v')";

    #[test]
    fn the_queries_that_clients_send_are_read() {
        let vaults = read(
            "resources | where type =~ 'microsoft.dataprotection/backupvaults' | where resourceGroup in~ ('g') | where name in~ ('a', 'b')",
        );
        let one_of = |column: &str, words: &[&str]| {
            Condition::OneOf(column.into(), words.iter().map(|word| (*word).to_owned()).collect())
        };

        let vaults = vaults.unwrap();
        assert_eq!(vaults.kind, "microsoft.dataprotection/backupvaults");
        assert_eq!(vaults.conditions, [one_of("resourceGroup", &["g"]), one_of("name", &["a", "b"])]);
        assert_eq!(read(INSTANCES).unwrap().conditions, [one_of("vaultName", &["v"])]);
        let jobs = read(JOBS).unwrap();
        assert_eq!(jobs.kind, "microsoft.dataprotection/backupvaults/backupjobs");
        assert_eq!(jobs.conditions[1], one_of("status", &["Failed", "Completed"]));
        assert!(
            matches!(&jobs.conditions[2], Condition::After(column, _) if column == "properties.startTime")
        );
    }

    #[test]
    fn other_queries_say_what_is_not_known() {
        for (text, told) in [
            ("", "the table ''"),
            ("secrets | where type =~ 'x'", "the table 'secrets'"),
            ("resources", "names no type"),
            ("resources | where type =~ 'x' | project id", "'project'"),
            ("resources | where type =~ 'x' | extend password = 1", "the column 'password'"),
            ("resources | where type =~ 'x' | where name contains 'a'", "the condition 'name contains"),
            ("resources | where type =~ 'x' | where name in~ ('a' 'b')", "the condition"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.code == "InvalidQuery" && error.message.contains(told), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(text in "(resources|\\PC{0,20})( \\| (where|extend) [a-z =~'(),>|]{0,30}){0,4}") {
            drop(read(&text));
        }
    }
}
