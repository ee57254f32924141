//! The rules as a chain of their own, in the format of `iptables-save`. It accepts and drops nothing else: whoever runs the
//! firewall jumps to it, and decides what becomes of the rest.

use super::{Plan, remark};
use prerequisites::egress::Speech;

const CHAIN: &str = "COFFERDAM-EGRESS";
/// A remark of a rule has at most 255 bytes.
const LONGEST: usize = 200;

/// The chain, and what it cannot say.
pub(super) fn chain(plan: &Plan) -> (String, Vec<String>) {
    let (mut lines, mut left_out) = (Vec::new(), Vec::new());
    let source = plan.source.as_deref().filter(|source| !source.contains(':'));
    let from = source.map(|source| format!(" -s {source}")).unwrap_or_default();
    for rule in &plan.rules {
        left_out.extend(plan.left_out(rule));
        for (name, address) in plan.reached(rule) {
            if address.is_ipv6() {
                left_out.push(format!("{} at {address}: it belongs into ip6tables", remark(rule, name)));
                continue;
            }
            let told = quoted(&remark(rule, name));
            for port in &rule.ports {
                let protocols: &[&str] = if port.speech == Speech::Dns { &["udp", "tcp"] } else { &["tcp"] };
                for protocol in protocols {
                    let number = port.number;
                    lines.push(format!(
                        "-A {CHAIN}{from} -d {address}/32 -p {protocol} -m {protocol} --dport {number} -m comment --comment {told} -j ACCEPT"
                    ));
                }
            }
        }
    }
    lines.dedup();
    let told: Vec<String> =
        left_out.iter().map(|what| format!("# not here: {}\n", what.replace('\n', " "))).collect();
    let text = format!(
        "# What this installation of Cofferdam reaches; names were resolved when this was written: write it anew when\n\
         # they move. Load: iptables-restore --noflush FILE. Use: iptables -I FORWARD -s PODS -j {CHAIN}\n\
         {}*filter\n:{CHAIN} - [0:0]\n{}\nCOMMIT",
        told.concat(),
        lines.join("\n")
    );
    (text, left_out)
}

/// In quotes, without what would end them.
fn quoted(text: &str) -> String {
    let plain: String = text
        .chars()
        .filter(|c| c.is_ascii() && !c.is_ascii_control() && !['"', '\\'].contains(c))
        .take(LONGEST)
        .collect();
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn each_address_is_a_rule_and_what_has_none_is_told() {
        let (text, left_out) = chain(&plan());

        assert!(text.contains("\n-A COFFERDAM-EGRESS -s 10.240.0.0/16 -d 192.0.2.1/32 -p tcp -m tcp --dport 8443 -m comment --comment \"vault: v.example\" -j ACCEPT\n"), "{text}");
        assert!(text.contains("-d 10.0.0.9/32 -p tcp -m tcp --dport 9000"), "{text}");
        assert!(text.ends_with("\nCOMMIT"), "{text}");
        for told in [
            "2001:db8::1: it belongs into ip6tables",
            "*.azmk8s.io: no concrete name",
            "ocsp.digicert.com: it has no address",
        ] {
            assert!(left_out.iter().any(|one| one.contains(told)), "{told}: {left_out:?}");
            assert!(
                text.lines().any(|line| line.starts_with("# not here: ") && line.contains(told)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_remark_cannot_end_its_quotes_or_begin_a_rule() {
        assert_eq!(quoted("a\" -j DROP\n-A INPUT\\"), "\"a -j DROP-A INPUT\"");
        assert_eq!(quoted(&"x".repeat(500)).len(), 202);
    }
}
