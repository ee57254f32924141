//! Compares the tables of `docs/command-line.md` with the program: every command stands there, and every command that stands
//! there exists.

use super::Arguments;
use clap::{Command, CommandFactory};
use std::collections::BTreeSet;

/// Every line of words that can be run, such as `job list`.
fn commands(of: &Command, words: &str, all: &mut BTreeSet<String>) {
    if !of.is_subcommand_required_set() && !words.is_empty() {
        all.insert(words.to_owned());
    }
    for below in of.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        commands(below, format!("{words} {}", below.get_name()).trim(), all);
    }
}

/// What the rows of the tables with the heads `Noun` and `Verbs` say. Verbs behind one of several words share all but its
/// last word: `role list`, and `rolebinding create`, `show`.
fn documented(page: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        is_inside = line.starts_with("| Noun | Verbs |") || (is_inside && line.starts_with('|'));
        let mut cells = line.split('|').skip(1);
        let (Some(noun), Some(verbs)) = (cells.next(), cells.next()) else { continue };
        let Some(noun) = quoted(noun).next().filter(|_| is_inside) else { continue };
        if quoted(verbs).next().is_none() {
            all.push(noun.to_owned());
        }
        for group in verbs.split(';') {
            let mut shared = "";
            for verb in quoted(group) {
                shared = verb.rsplit_once(' ').map_or(shared, |(before, _)| before);
                let last = verb.rsplit(' ').next().unwrap_or_default();
                all.push(format!("{noun} {shared} {last}").replace("  ", " "));
            }
        }
    }
    all
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_page_of_the_command_line_names_every_command_and_no_other() {
    let mut program = BTreeSet::new();
    commands(&Arguments::command(), "", &mut program);

    let page = documented(include_str!("../../../../docs/command-line.md"));

    let named: BTreeSet<String> = page.iter().cloned().collect();
    let missing: Vec<&String> = program.difference(&named).collect();
    let unknown: Vec<&String> = named.difference(&program).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not in the page: {missing:?}; not there: {unknown:?}");
    // `list` and `show` of recovery points go both ways.
    let twice = page.len() - named.len();
    assert_eq!(twice, 2, "{page:?}");
}

#[test]
fn verbs_share_the_words_before_the_last_one() {
    let page = "| Noun | Verbs | In `az` |\n|---|---|---|\n| `t` | `role list`; `b make`, `show`; `x` | `aks` |\n| `one` | | |\n\n\
        | Other | `no` |\n";

    assert_eq!(documented(page), ["t role list", "t b make", "t b show", "t x", "one"]);
}
