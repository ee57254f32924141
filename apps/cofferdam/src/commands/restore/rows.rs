//! The outcomes of a restore, filtered and in pages.

use crate::output;
use clap::Args;
use serde_json::Value;

/// Which outcomes are shown.
#[derive(Debug, Clone, Args)]
pub struct Filter {
    /// Only objects that ended so: created, updated, skipped, unchanged, failed or left
    #[arg(long, value_delimiter = ',', value_parser = ["created", "updated", "skipped", "unchanged", "failed", "left"], value_name = "ENDINGS")]
    ending: Vec<String>,
    /// Only objects of these kinds, as `Deployment` or `deployments.apps`
    #[arg(long, value_delimiter = ',', value_name = "KINDS")]
    kind: Vec<String>,
    /// Only objects in these target namespaces
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    in_namespace: Vec<String>,
    /// How many objects a page has
    #[arg(long, default_value = "200", value_name = "NUMBER")]
    page_size: usize,
    /// Which page, from 1; with -o json and -o yaml everything is printed unless this is given
    #[arg(long, value_name = "NUMBER")]
    page: Option<usize>,
}

impl Default for Filter {
    fn default() -> Self {
        Self { ending: Vec::new(), kind: Vec::new(), in_namespace: Vec::new(), page_size: 200, page: None }
    }
}

/// A page of outcomes.
#[derive(Debug)]
pub struct Page {
    /// The outcomes.
    pub rows: Vec<Value>,
    number: usize,
    pages: usize,
    total: usize,
    size: usize,
}

impl Filter {
    /// Whether the person asked for something other than everything.
    pub fn is_set(&self) -> bool {
        !self.ending.is_empty()
            || !self.kind.is_empty()
            || !self.in_namespace.is_empty()
            || self.page.is_some()
    }

    fn selects(&self, row: &Value) -> bool {
        let is = |wanted: &[String], keys: &[&str]| {
            wanted.is_empty()
                || keys.iter().any(|key| {
                    let text = row.get(key).and_then(Value::as_str);
                    text.is_some_and(|text| wanted.iter().any(|one| one.eq_ignore_ascii_case(text)))
                })
        };
        row.get("ending").is_some()
            && is(&self.ending, &["ending"])
            && is(&self.kind, &["kind", "resource"])
            && is(&self.in_namespace, &["namespace"])
    }

    /// The page that was asked for.
    pub fn page(&self, rows: Vec<Value>) -> Page {
        let rows: Vec<Value> = rows.into_iter().filter(|row| self.selects(row)).collect();
        let (size, number, total) = (self.page_size.max(1), self.page.unwrap_or(1).max(1), rows.len());
        Page {
            rows: rows.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect(),
            number,
            pages: total.div_ceil(size),
            total,
            size,
        }
    }

    /// Everything that the filter selects, unless a page was asked for.
    pub fn for_programs(&self, rows: Vec<Value>) -> Vec<Value> {
        match self.page {
            Some(_) => self.page(rows).rows,
            None => rows.into_iter().filter(|row| self.selects(row)).collect(),
        }
    }
}

/// The readable form that the extension put into the result of a plan.
pub fn tree(rows: &[Value]) -> Option<String> {
    let text = rows.iter().find_map(|row| row.get("tree").and_then(Value::as_str))?;
    Some(text.trim_end().to_owned())
}

/// A page as a table, and how to see the next one.
pub fn table(page: &Page, name: &str) -> String {
    let lines = page.rows.iter().map(|row| {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        [text("ending"), text("action"), text("resource"), text("namespace"), text("name"), reason(row)]
    });
    let mut table = output::table(["ended", "action", "resource", "namespace", "name", "reason"], lines);
    if page.pages > 1 {
        let first = (page.number - 1).saturating_mul(page.size) + 1;
        let last = first + page.rows.len().saturating_sub(1);
        table.push_str(&format!("\n{first} to {last} of {} objects", page.total));
        if page.number < page.pages {
            let next = page.number + 1;
            table.push_str(&format!(
                "; more: cofferdam restore show {name} --page {next} with the same filters"
            ));
        }
    }
    table.push('\n');
    table
}

/// Why it ended so, in one line.
fn reason(row: &Value) -> String {
    let text = |pointer: &str| row.pointer(pointer).and_then(Value::as_str);
    if let (Some(message), Some(code)) = (text("/problem/message"), text("/problem/code")) {
        return format!("{message} ({code})");
    }
    if let Some(reason) = text("/reason") {
        return reason.to_owned();
    }
    let fields = row.get("fields").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    fields.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows() -> Vec<Value> {
        let row = |number: u32, ending: &str, kind: &str| {
            json!({
                "kind": kind, "resource": format!("{}s", kind.to_lowercase()), "namespace": "shop",
                "name": format!("n{number}"), "ending": ending, "action": "create",
            })
        };
        let mut rows = vec![json!({"tree": "a tree\n"})];
        rows.extend((0..5).map(|number| row(number, "created", "ConfigMap")));
        rows.push(row(5, "failed", "Secret"));
        rows
    }

    #[test]
    fn outcomes_are_filtered_by_ending_kind_and_namespace() {
        let by = |ending: &str, kind: &str, namespace: &str| {
            let list = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
            let filter = Filter {
                ending: list(ending),
                kind: list(kind),
                in_namespace: list(namespace),
                ..Filter::default()
            };
            filter.page(rows()).rows.len()
        };

        let found =
            [by("", "", ""), by("failed", "", ""), by("", "configmaps", ""), by("", "ConfigMap", "x")];

        assert_eq!(found, [6, 1, 5, 0]);
    }

    #[test]
    fn a_page_says_where_it_stands_and_how_the_next_one_is_seen() {
        let filter = Filter { page_size: 4, page: Some(1), ..Filter::default() };

        let first = table(&filter.page(rows()), "r1");
        let last = table(&Filter { page: Some(2), ..filter }.page(rows()), "r1");

        assert!(first.contains("1 to 4 of 6 objects; more: cofferdam restore show r1 --page 2"), "{first}");
        assert!(last.contains("5 to 6 of 6 objects\n"), "{last}");
    }

    #[test]
    fn programs_get_every_outcome_unless_they_ask_for_a_page() {
        let filter = Filter { page_size: 4, ..Filter::default() };

        let all = filter.for_programs(rows());

        assert_eq!(all.len(), 6, "the tree is not an outcome");
    }
}
