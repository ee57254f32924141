//! What commands print: tables for people, JSON and YAML for programs.

use crate::exit::Failure;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use engine::FileOutcome;
use jiff::{Timestamp, Unit};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns.
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// Values with tabs between them, one thing a line, for shells.
    Tsv,
    /// JUnit's XML, for continuous integration; `preflight` only.
    Junit,
    /// A page of its own; `preflight` only.
    Html,
}

/// Prints `value` as JSON or YAML, or what `table` makes of it.
pub fn print<T: Serialize>(
    format: Format,
    value: &T,
    table: impl FnOnce(&T) -> String,
) -> Result<(), Failure> {
    let text = match format {
        Format::Table => table(value),
        Format::Json => serde_json::to_string_pretty(value).map_err(Failure::failed)?,
        Format::Yaml => to_yaml(value)?,
        Format::Tsv => tsv(&serde_json::to_value(value).map_err(Failure::failed)?),
        Format::Junit | Format::Html => {
            return Err(Failure::usage("only preflight prints junit and html")
                .next("Use `-o json` for programs, or leave `-o` out."));
        }
    };
    line(text.trim_end())
}

/// Prints a line. A reader that has gone (`… | head`) has what it wanted.
pub fn line(text: &str) -> Result<(), Failure> {
    match try_line(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("could not write the output: {error}"))
                .next("Check the disk or the program that reads it."))
        }
        _ => Ok(()),
    }
}

/// Tells the person something beside the result, as `eprintln!` does, but without panic when nobody reads it.
#[macro_export]
macro_rules! note {
    ($($part:tt)*) => { $crate::output::tell_beside(format_args!($($part)*)) };
}

/// What `note!` does.
pub fn tell_beside(text: fmt::Arguments<'_>) {
    let text = harmless(&text.to_string());
    if !text.is_empty() {
        // There is nowhere left to complain.
        drop(writeln!(std::io::stderr().lock(), "{text}"));
    }
}

/// Prints a line of a stream that ends when its reader goes.
pub fn try_line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", harmless(text))?;
    out.flush()
}

/// A text without what a terminal would obey: names come from whoever may write them, and must not erase the line that
/// tells of them, nor turn it round. In JSON what is written instead means the same.
fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '\n' | '\t' => shown.push(one),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                shown.push_str(&format!("\\u{:04x}", u32::from(one)));
            }
            _ if one.is_control() => shown.push_str(&format!("\\u{:04x}", u32::from(one))),
            _ => shown.push(one),
        }
    }
    shown
}

/// Says what was done: a sentence for people, its facts for programs.
pub fn tell(format: Format, text: &str, facts: serde_json::Value) -> Result<(), Failure> {
    print(format, &facts, |_| text.to_owned())
}

/// A value as YAML. It goes through JSON first, so that both show the same.
pub fn to_yaml<T: Serialize>(value: &T) -> Result<String, Failure> {
    let json = serde_json::to_value(value).map_err(Failure::failed)?;
    serde_saphyr::to_string(&json).map_err(Failure::failed)
}

/// Aligned columns without lines, as the cluster's own tools print them.
pub fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    any_table(&head, rows.into_iter().map(Vec::from).collect())
}

/// The same for any number of columns.
pub fn any_table(head: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    let empty = rows.is_empty();
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if empty {
        return "nothing found".to_owned();
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Values for shells: a list is one line for each member, an object or a list inside has tabs between its values.
pub fn tsv(value: &Value) -> String {
    let row = |value: &Value| match value {
        Value::Object(members) => members.values().map(plain).collect::<Vec<_>>().join("\t"),
        Value::Array(members) => members.iter().map(plain).collect::<Vec<_>>().join("\t"),
        other => plain(other),
    };
    match value {
        Value::Array(members) => members.iter().map(row).collect::<Vec<_>>().join("\n"),
        other => row(other),
    }
}

/// A value on one line without tabs.
fn plain(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    text.replace(['\t', '\n', '\r'], " ")
}

/// A table of whatever came out of a query.
pub fn generic_table(value: &Value) -> String {
    match value {
        Value::Array(members) if members.is_empty() => any_table(&[], Vec::new()),
        Value::Array(members) if members.iter().all(Value::is_object) => {
            let mut head: Vec<&str> = Vec::new();
            for key in members.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
                if !head.contains(&key.as_str()) {
                    head.push(key);
                }
            }
            // The members come in the order of their names; what a thing is called comes first.
            head.sort_by_key(|key| *key != "name");
            let rows = members.iter().map(|member| head.iter().map(|key| cell(member.get(key))).collect());
            any_table(&head, rows.collect())
        }
        Value::Array(members) => members.iter().map(plain).collect::<Vec<_>>().join("\n"),
        Value::Object(members) => {
            let rows = members.iter().map(|(key, value)| vec![key.clone(), cell(Some(value))]);
            any_table(&["name", "value"], rows.collect())
        }
        other => plain(other),
    }
}

/// A value in a table; a dash for nothing.
pub fn cell(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(members)) if members.iter().all(|member| !member.is_object()) => {
            let texts = members.iter().map(plain).collect::<Vec<_>>().join(", ");
            scalar_or_dash(Some(&texts))
        }
        Some(value) => scalar_or_dash(Some(&plain(value))),
        None => scalar_or_dash(None),
    }
}

/// A text, or a dash.
pub fn scalar_or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// `12s`, `5m`, `3h`, `8d`: how long ago.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else { return "?".to_owned() };
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7199 => format!("{}m", seconds / 60),
        7200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long something took, or `-`.
pub fn duration(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let (Some(from), Some(to)) = (from, to) else { return "-".to_owned() };
    match from.until((Unit::Hour, to)) {
        Ok(span) => format!("{span:#}"),
        Err(_) => "-".to_owned(),
    }
}

/// A file that was not saved or restored whole, and why.
pub fn file_problem((path, outcome): &(PathBuf, FileOutcome)) -> String {
    format!("{}: {outcome}", path.display())
}

/// The first `shown` of `names`, and how many more there are.
pub fn first<T: AsRef<str>>(names: &[T], shown: usize) -> String {
    let listed: Vec<&str> = names.iter().take(shown).map(AsRef::as_ref).collect();
    let more = names.len().saturating_sub(shown);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", listed.join(", "))
}

/// `1.5 MiB`: a size.
pub fn bytes(size: u64) -> String {
    indicatif::BinaryBytes(size).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shells_get_one_thing_a_line_and_no_stray_tabs() {
        let table = [
            (json!("id"), "id"),
            (json!(["a", "b"]), "a\nb"),
            (json!([["a", 1], ["b", null]]), "a\t1\nb\t"),
            (json!({"x": true, "name": "n\tm", "list": [1, 2]}), "[1,2]\tn m\ttrue"),
            (json!(null), ""),
            (json!([]), ""),
        ];

        for (value, expected) in table {
            assert_eq!(tsv(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        assert_eq!(
            harmless("a\tb\nc \u{1b}[2J\u{7}\u{202e}x\u{9b}"),
            "a\tb\nc \\u001b[2J\\u0007\\u202ex\\u009b"
        );
        let json = serde_json::to_string(&json!({"name": "\u{85}\u{202e}"})).unwrap();
        let read: Value = serde_json::from_str(&harmless(&json)).unwrap();
        assert_eq!(read, json!({"name": "\u{85}\u{202e}"}), "programs read the same");
    }

    #[test]
    fn anything_has_a_table() {
        let rows = json!([{"name": "a", "n": 1}, {"name": "b", "x": null}]);

        assert_eq!(generic_table(&rows), "NAME  N  X\na     1  -\nb     -  -");
        assert_eq!(generic_table(&json!("id")), "id");
        assert_eq!(generic_table(&json!([])), "nothing found");
    }

    #[test]
    fn columns_align_and_nothing_is_said_to_be_nothing() {
        let rows = [["a".to_owned(), "1".to_owned()], ["long-name".to_owned(), "2".to_owned()]];

        let text = table(["name", "count"], rows);

        assert_eq!(text, "NAME       COUNT\na          1\nlong-name  2");
        assert_eq!(table(["name"], []), "nothing found");
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        assert_eq!(first(&["a", "b"], 2), "a, b");
        assert_eq!(first(&["a", "b", "c", "d"], 2), "a, b and 2 more");
    }

    #[test]
    fn a_file_is_named_with_the_reason_alone() {
        let failed = (PathBuf::from("a/b"), FileOutcome::Failed("permission denied".to_owned()));

        assert_eq!(file_problem(&failed), "a/b: permission denied");
    }

    #[test]
    fn ages_use_one_unit() {
        let now: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();

        let ages =
            ["2026-01-09T23:59:30Z", "2026-01-09T23:00:00Z", "2026-01-09T12:00:00Z", "2026-01-01T00:00:00Z"]
                .map(|then| age(Some(then.parse().unwrap()), now));

        assert_eq!(ages, ["30s", "60m", "12h", "9d"]);
    }
}
