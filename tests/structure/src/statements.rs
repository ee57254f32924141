//! The table of the founding document's statements: whether each row says where it lives and which test shows it.

use std::path::Path;

/// How many statements there are.
pub const STATEMENTS: usize = 45;

/// What is wrong with the table: a row that is missing, twice or out of order, without a place or a test, with a path that
/// is not there, or with a test that its file does not hold.
pub fn faults(page: &str, root: &Path) -> Vec<String> {
    let mut faults = Vec::new();
    let rows: Vec<Vec<&str>> = page.lines().filter_map(row).collect();
    let numbers: Vec<Option<usize>> =
        rows.iter().map(|cells| cells.first().and_then(|number| number.parse().ok())).collect();
    let expected: Vec<Option<usize>> = (1..=STATEMENTS).map(Some).collect();
    if numbers != expected {
        faults.push(format!("the rows are not 1 to {STATEMENTS}, each once and in order: {numbers:?}"));
    }
    for cells in &rows {
        let [number, statement, places, tests, far] = cells.as_slice() else {
            faults.push(format!("row {cells:?} has {} cells, not 5", cells.len()));
            continue;
        };
        for (name, cell) in [("statement", statement), ("proof", far)] {
            if cell.is_empty() {
                faults.push(format!("row {number} has no {name}"));
            }
        }
        let (places, tests) = (quoted(places), quoted(tests));
        if places.is_empty() {
            faults.push(format!("row {number} does not say where"));
        }
        if tests.is_empty() {
            faults.push(format!("row {number} names no test"));
        }
        for place in places.iter().filter(|place| !root.join(place).exists()) {
            faults.push(format!("row {number}: {place} does not exist"));
        }
        faults.extend(
            tests.iter().filter_map(|test| of_test(test, root)).map(|fault| format!("row {number}: {fault}")),
        );
    }
    faults
}

/// The cells of a row of the table: those that begin with a number.
fn row(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    cells.first()?.starts_with(|c: char| c.is_ascii_digit()).then_some(cells)
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// What is wrong with a test that is written as `file::function`.
fn of_test(test: &str, root: &Path) -> Option<String> {
    let Some((file, function)) = test.split_once("::") else {
        return Some(format!("{test} is not written as file::function"));
    };
    let Ok(text) = std::fs::read_to_string(root.join(file)) else {
        return Some(format!("{file} cannot be read"));
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .is_some_and(|rest| rest.strip_prefix(function).is_some_and(|rest| rest.starts_with('(')))
    };
    let at = lines.iter().position(|line| declared(line));
    let before = at.and_then(|at| lines.get(at.saturating_sub(4)..at)).unwrap_or_default();
    let is_test = before.iter().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    (!is_test).then(|| format!("{file} holds no test {function}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root;

    const HERE: &str = "tests/structure/src/statements.rs";

    fn page(change: impl Fn(usize) -> Option<String>) -> String {
        let rows = (1..=STATEMENTS).map(|number| {
            let test = format!("{HERE}::every_planted_fault_is_found");
            change(number)
                .unwrap_or_else(|| format!("| {number} | says | `{HERE}` | `{test}` | on clusters |\n"))
        });
        format!(
            "| # | Statement | Where | Test | Proved how far |\n|---|---|---|---|---|\n{}",
            rows.collect::<String>()
        )
    }

    #[test]
    fn every_planted_fault_is_found() {
        let at_seven = |text: &str| {
            let text = text.to_owned();
            page(move |number| (number == 7).then(|| text.clone()))
        };
        let good = format!("`{HERE}::every_planted_fault_is_found`");

        assert_eq!(faults(&page(|_| None), &root()), Vec::<String>::new());
        for (planted, said) in [
            (at_seven(""), "not 1 to 45"),
            (at_seven(&format!("| 8 | s | `{HERE}` | {good} | f |\n")), "not 1 to 45"),
            (format!("{}| 46 | s | `{HERE}` | {good} | f |\n", page(|_| None)), "not 1 to 45"),
            (at_seven(&format!("| 7 | s |  | {good} | f |\n")), "row 7 does not say where"),
            (at_seven(&format!("| 7 | s | `{HERE}` |  | f |\n")), "row 7 names no test"),
            (at_seven(&format!("| 7 | s | `{HERE}` | {good} |  |\n")), "row 7 has no proof"),
            (at_seven(&format!("| 7 | s | `{HERE}` | {good} |\n")), "4 cells"),
            (at_seven(&format!("| 7 | s | `no/such.rs` | {good} | f |\n")), "no/such.rs does not exist"),
            (at_seven(&format!("| 7 | s | `{HERE}` | `no/such.rs::x` | f |\n")), "no/such.rs cannot be read"),
            (
                at_seven(&format!("| 7 | s | `{HERE}` | `{HERE}::every_planted` | f |\n")),
                "holds no test every_planted",
            ),
            (at_seven(&format!("| 7 | s | `{HERE}` | `{HERE}::quoted` | f |\n")), "holds no test quoted"),
            (at_seven(&format!("| 7 | s | `{HERE}` | `x` | f |\n")), "not written as file::function"),
        ] {
            let found = faults(&planted, &root());
            assert_eq!(found.len(), 1, "{said}: {found:?}");
            assert!(found[0].contains(said), "{said}: {found:?}");
        }
    }
}
