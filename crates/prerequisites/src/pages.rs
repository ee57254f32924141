//! The catalogue as documents: one page per check and the table of all. A test compares them with `docs/`.

use crate::{By, Check, Names, Weight, catalogue, offers};
use std::fmt::Write;

/// The file name of a check's page below `docs/prerequisites`.
pub fn page_name(check: &Check) -> String {
    let (letter, number) = check.id.split_at(1);
    format!("{letter}{number:0>2}.md")
}

/// The page of a check.
pub fn page(check: &Check) -> String {
    let mut text = format!("# {}: {}\n\n", check.id, check.title.trim_end_matches('.'));
    add(&mut text, format_args!("{}\n", check.reason));
    add(&mut text, format_args!("| | |\n|---|---|"));
    add(&mut text, format_args!("| Scope | {} |", check.scope.name()));
    add(&mut text, format_args!("| Fails as | {} |", weight(check.cofferdam)));
    add(&mut text, format_args!("| Fails as, with `--profile aks` | {} |", weight(check.aks)));
    add(&mut text, format_args!("| Observed by | {} |", check.observed_by));
    add(&mut text, format_args!("| Depends on | {} |", links(check.depends_on)));
    if let Some(code) = check.code {
        add(&mut text, format_args!("| Error code | `{code}` |"));
    }
    for cause in check.causes {
        add(&mut text, format_args!("| Error code when {} | `{}` |", cause.when, cause.code));
    }
    add(&mut text, format_args!("| Tested by | {} |", tested(check)));
    add(&mut text, format_args!("\n## What mends it\n"));
    for fix in check.fixes {
        let filled = Names::default().fill(fix.text);
        let filled = if fix.by == By::Person { filled } else { format!("`{filled}`") };
        add(&mut text, format_args!("- {filled}"));
    }
    for offer in offers().iter().filter(|offer| offer.check == check.id) {
        add(
            &mut text,
            format_args!(
                "- `cofferdam preflight --fix --only {}` {}. Takes: {}.",
                check.id, offer.does, offer.rights
            ),
        );
    }
    add(&mut text, format_args!("\nCheck it alone: `cofferdam preflight --only {}`.", check.id));
    add(&mut text, format_args!("\nAll checks: [prerequisites](../prerequisites.md)."));
    text
}

/// The rows of the table of all checks, in the order of their ids.
pub fn table() -> String {
    let mut checks: Vec<&Check> = catalogue().to_vec();
    checks.sort_by_key(|check| page_name(check).replace('C', "Z"));
    let mut text = "| Check | What must hold | Cofferdam | AKS | Observed by | Depends on | Tested by |\n|---|---|---|---|---|---|---|\n".to_owned();
    for check in checks {
        add(
            &mut text,
            format_args!(
                "| [{}](prerequisites/{}) | {} | {} | {} | {} | {} | {} |",
                check.id,
                page_name(check),
                check.title,
                word(check.cofferdam),
                word(check.aks),
                check.observed_by,
                if check.depends_on.is_empty() { "–".to_owned() } else { check.depends_on.join(", ") },
                tested(check),
            ),
        );
    }
    let unproved = catalogue().iter().filter(|check| check.only_azure).count();
    add(&mut text, format_args!("\n{unproved} of {} checks are *not proved on AKS*.", catalogue().len()));
    text
}

/// The table of what `--fix` does.
pub fn mending() -> String {
    let mut text = "| Check | `--fix` | Takes |\n|---|---|---|\n".to_owned();
    for offer in offers() {
        let page = catalogue().iter().find(|check| check.id == offer.check).map(|check| page_name(check));
        let page = page.unwrap_or_default();
        add(
            &mut text,
            format_args!("| [{}](prerequisites/{page}) | {} | {} |", offer.check, offer.does, offer.rights),
        );
    }
    text
}

fn tested(check: &Check) -> String {
    match check.only_azure {
        true => format!("{}; *not proved on AKS*", check.tested_by),
        false => check.tested_by.to_owned(),
    }
}

fn links(ids: &[&str]) -> String {
    let one = |id: &&str| match catalogue().iter().find(|check| check.id == *id) {
        Some(check) => format!("[{id}]({})", page_name(check)),
        None => (*id).to_owned(),
    };
    if ids.is_empty() { "nothing".to_owned() } else { ids.iter().map(one).collect::<Vec<_>>().join(", ") }
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Blocks => "blocks",
        Weight::Warns => "warns",
        Weight::Informs => "informs",
        Weight::NotApplicable(_) => "not applicable",
    }
}

fn weight(weight: Weight) -> String {
    match weight {
        Weight::NotApplicable(why) => format!("not applicable: {why}"),
        other => word(other).to_owned(),
    }
}

/// Writing into a `String` cannot fail.
fn add(text: &mut String, line: std::fmt::Arguments<'_>) {
    if writeln!(text, "{line}").is_err() {
        text.push('\n');
    }
}
