//! Findings as one page that needs nothing else.

use super::{
    junit::escaped,
    show::{Row, View},
};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ccc;padding:.4rem;text-align:left;vertical-align:top}\
.BLOCKS{color:#a00;font-weight:bold}.warns{color:#850}.ok{color:#060}code{background:#eee;padding:0 .2rem;overflow-wrap:anywhere}";

/// The page.
pub fn page(view: &View) -> String {
    let mut rows = String::new();
    let mut scope = None;
    for row in &view.checks {
        if scope.replace(row.scope) != Some(row.scope) {
            rows.push_str(&format!("<tr><th colspan=\"4\">{}</th></tr>\n", row.scope.name()));
        }
        rows.push_str(&line(row));
    }
    let notes: Vec<String> = view
        .notes
        .iter()
        .map(|note| format!("<p class=\"warns\">Warning: {}</p>\n", escaped(note)))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>cofferdam preflight</title><style>{STYLE}</style></head>\n<body><h1>Prerequisites</h1><p>{}</p>\n{}<table><tr><th>Check</th><th>Result</th><th>What must hold</th><th>Seen</th></tr>\n{rows}</table></body></html>",
        escaped(&view.summary),
        notes.concat()
    )
}

fn line(row: &Row) -> String {
    let word = row.word();
    let class = word.replace(['/', ' '], "-");
    let fixes: Vec<String> =
        row.fix.iter().map(|fix| format!("<br><b>Fix:</b> <code>{}</code>", escaped(fix))).collect();
    format!(
        "<tr><td>{}</td><td class=\"{class}\">{word}</td><td>{}<br><small>{}</small></td><td>{}{}</td></tr>\n",
        row.id,
        escaped(&row.title),
        escaped(&row.reason),
        escaped(&row.evidence),
        fixes.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::super::show::tests::view;
    use super::*;

    #[test]
    fn the_page_holds_every_check_and_nothing_that_others_wrote_is_markup() {
        let mut view = view();
        view.notes = vec!["<b> is told".to_owned()];
        let shown = page(&view);

        assert_eq!(shown.matches("<tr><td>").count(), view.checks.len());
        assert!(shown.contains("<td class=\"BLOCKS\">BLOCKS</td>"), "{shown}");
        assert!(shown.contains("Warning: &lt;b&gt; is told"), "{shown}");
        assert!(shown.contains("nobody &lt;looked&gt;") && !shown.contains("<looked>"), "{shown}");
    }
}
