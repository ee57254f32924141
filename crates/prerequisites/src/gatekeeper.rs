//! Constraints of Gatekeeper: which of them refused a pod, and how a namespace is left out of exactly those.

use crate::Constraint;
use crate::refused::Refuser;

/// Commands that one fix shows.
const SHOWN: usize = 5;

/// The constraints that refused with these words of the API server, each once; none where somebody else did.
/// `admission webhook "validation.gatekeeper.sh" denied the request: [owner] every pod needs an owner`, and so on, one line for
/// each violation.
pub fn refusing_constraints(reason: &str) -> Vec<&str> {
    let said = reason
        .split_once("admission webhook \"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .filter(|(webhook, _)| webhook.ends_with("gatekeeper.sh"))
        .and_then(|(_, rest)| rest.split_once("denied the request: "));
    let mut names = Vec::new();
    for line in said.map(|(_, said)| said).into_iter().flat_map(str::lines) {
        let name = line.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
        names.extend(name.filter(|name| is_word(name)));
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// Who refused, and the way out for `namespace`: a command for each constraint that could be read.
pub(crate) fn refuser(reason: &str, namespace: &str, read: &[Constraint]) -> Option<Refuser> {
    let named = refusing_constraints(reason);
    if named.is_empty() {
        return None;
    }
    let of_name = |name: &str| read.iter().filter(|one| one.name == name).collect::<Vec<_>>();
    // What a rule says can look like another line of the kind; where constraints were read, they decide.
    let is_any_read = named.iter().any(|name| !of_name(name).is_empty());
    let mut names = Vec::new();
    let mut commands = Vec::new();
    for name in &named {
        for constraint in of_name(name) {
            names.push(constraint.object());
            commands.extend(exclusion(constraint, namespace));
        }
        if !is_any_read {
            names.push(format!("Gatekeeper's constraint {name}"));
        }
    }
    let more = commands.len().saturating_sub(SHOWN);
    commands.truncate(SHOWN);
    let how = match (commands.is_empty(), more) {
        (true, _) => "spec.match.excludedNamespaces; kubectl get constraints shows it".to_owned(),
        (false, 0) => commands.join(" ; "),
        (false, more) => format!("{} ; and {more} more in the same way", commands.join(" ; ")),
    };
    let (one_or_more, listed) = match named.as_slice() {
        [name] => ("constraint", (*name).to_owned()),
        _ => ("constraints", named.join(", ")),
    };
    let remedy = format!(
        "Exclude the namespace {namespace} from Gatekeeper's {one_or_more} {listed}: {how}. Azure Policy writes its constraints anew: there by the parameter excludedNamespaces of the assignment"
    );
    Some(Refuser { names, remedy })
}

/// The command that adds `namespace` to those that a constraint leaves out; none where something in it has no place in a shell.
fn exclusion(constraint: &Constraint, namespace: &str) -> Option<String> {
    let excluded: Vec<&str> = constraint.excluded.iter().map(String::as_str).chain([namespace]).collect();
    let is_harmless = excluded.iter().all(|one| is_word(one)) && is_word(&constraint.resource);
    is_harmless.then(|| {
        format!(
            "kubectl patch {} --type=merge -p '{{\"spec\":{{\"match\":{{\"excludedNamespaces\":[\"{}\"]}}}}}}'",
            constraint.object(),
            excluded.join("\",\"")
        )
    })
}

/// A name as Kubernetes allows it, also with the wildcard and the colon that Gatekeeper allows.
fn is_word(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.*:".contains(&byte);
    (1..=253).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "admission webhook \"validation.gatekeeper.sh\" denied the request: ";

    fn constraint(name: &str, excluded: &[&str]) -> Constraint {
        Constraint {
            resource: "needsowner".to_owned(),
            name: name.to_owned(),
            excluded: excluded.iter().map(|&one| one.to_owned()).collect(),
        }
    }

    #[test]
    fn every_constraint_that_refused_is_found_once_and_words_of_others_are_not() {
        let several =
            format!("{SAID}[owner] no owner\n[owner] no team\n[images.all] not [listed]\nsee [more]");
        let cases: [(&str, &[&str]); 6] = [
            (&several, &["owner", "images.all"]),
            (&format!("{SAID}no such word"), &[]),
            (&format!("{SAID}[half"), &[]),
            (&format!("{SAID}[Two Words] no"), &[]),
            ("admission webhook \"validate.kyverno.svc\" denied the request: [owner] no", &[]),
            ("admission webhook \"", &[]),
        ];

        for (reason, names) in cases {
            assert_eq!(refusing_constraints(reason), names, "{reason}");
        }
    }

    #[test]
    fn a_constraint_that_was_read_comes_with_the_command_that_keeps_what_it_leaves_out_already() {
        let read = [constraint("owner", &["kube-*"]), constraint("other", &[])];

        let found = refuser(&format!("{SAID}[owner] no\n[looks-like-one] no"), "n", &read).unwrap();

        assert_eq!(found.names, ["needsowner.constraints.gatekeeper.sh/owner"]);
        let command = r#"kubectl patch needsowner.constraints.gatekeeper.sh/owner --type=merge -p '{"spec":{"match":{"excludedNamespaces":["kube-*","n"]}}}'"#;
        assert!(found.remedy.contains(command), "{}", found.remedy);
    }

    #[test]
    fn several_constraints_have_several_commands() {
        let read = [constraint("a", &[]), constraint("b", &[])];

        let found = refuser(&format!("{SAID}[a] no\n[b] no"), "n", &read).unwrap();

        assert_eq!(found.names.len(), 2);
        assert!(found.remedy.contains("constraints a, b"), "{}", found.remedy);
        assert_eq!(found.remedy.matches("kubectl patch").count(), 2, "{}", found.remedy);
    }

    #[test]
    fn what_nobody_may_read_is_named_without_a_command_and_nothing_odd_gets_into_one() {
        let odd = constraint("owner", &["x'; rm -rf /"]);

        let unread = refuser(&format!("{SAID}[owner] no"), "n", &[]).unwrap();
        let odd = refuser(&format!("{SAID}[owner] no"), "n", &[odd]).unwrap();

        assert_eq!(unread.names, ["Gatekeeper's constraint owner"]);
        for found in [unread, odd] {
            assert!(!found.remedy.contains("kubectl patch"), "{}", found.remedy);
            assert!(found.remedy.contains("spec.match.excludedNamespaces"), "{}", found.remedy);
        }
    }
}
