//! The rules for people.

use super::Plan;
use prerequisites::egress::{Port, Speech};

/// Host, ports and purpose in columns; below a pattern, the names that it stands for.
pub(super) fn text(plan: &Plan) -> String {
    let widest = plan.rules.iter().map(|rule| rule.host.len()).max().unwrap_or_default().max(4);
    let mut lines = vec![format!("{:<widest$}  {:<18}  WHAT FOR", "HOST", "PORTS")];
    for rule in &plan.rules {
        let ports: Vec<String> = rule.ports.iter().map(port).collect();
        lines.push(format!("{:<widest$}  {:<18}  {}", rule.host, ports.join(","), rule.what.join(", ")));
        if rule.is_nameless() {
            lines.push("  no concrete name of this installation is known".to_owned());
        }
        lines.extend(rule.names.iter().map(|name| format!("  here: {name}")));
    }
    lines.extend(inside(plan));
    lines.join("\n")
}

/// What pods reach without leaving the cluster.
fn inside(plan: &Plan) -> Vec<String> {
    let inside = &plan.inside;
    let server = inside
        .api_server
        .iter()
        .map(|(address, port)| format!("{address}  tcp/{port}  API server, behind the service kubernetes"));
    let names = inside.dns.iter().map(|address| {
        format!("{address}  udp/53,tcp/53  DNS; the resolvers that it asks in turn are those of its nodes")
    });
    let all: Vec<String> = server.chain(names).collect();
    if all.is_empty() { all } else { [vec![String::new(), "INSIDE OF THE CLUSTER".to_owned()], all].concat() }
}

fn port(port: &Port) -> String {
    match port.speech {
        Speech::Https | Speech::Http => format!("tcp/{}", port.number),
        Speech::Dns => format!("udp/{0},tcp/{0}", port.number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn a_pattern_is_followed_by_its_names_or_says_that_none_is_known() {
        let mut plan = plan();
        plan.inside.api_server = vec![("10.0.0.1".parse().unwrap(), 6443)];
        plan.inside.dns = vec!["10.96.0.10".parse().unwrap()];

        let shown = text(&plan);

        assert!(shown.contains("v.example          tcp/8443            vault"), "{shown}");
        assert!(
            shown.contains("*.azurecr.io       tcp/443             AKS backup\n  here: acr1.azurecr.io"),
            "{shown}"
        );
        assert!(shown.contains("AKS backup\n  no concrete name of this installation is known"), "{shown}");
        assert!(shown.contains("tcp/80,tcp/443"), "{shown}");
        let inside = shown.split("\n\nINSIDE OF THE CLUSTER\n").nth(1).unwrap();
        assert!(inside.starts_with("10.0.0.1  tcp/6443  API server"), "{shown}");
        assert!(inside.contains("\n10.96.0.10  udp/53,tcp/53  DNS"), "{shown}");
    }
}
