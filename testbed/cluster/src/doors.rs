//! Which ways into a cluster are shut, and who may sign in: decisions about the options of `up`. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::SocketAddrV4;

/// The chain of the packet filter that new connections from outside pass.
pub const CHAIN: &str = "DOORS";
/// The chain that new connections to the outside pass.
pub const WAY_OUT: &str = "WAYOUT";
/// The audience of ID tokens, as a client of the issuer.
pub const AUDIENCE: &str = "testbed";
/// What belongs to a connection that was let through.
const KNOWN: &str = "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN";
/// Names from an ID token carry this before them.
const PREFIX: &str = "oidc:";

/// What is shut. Nothing is, by default: the API server answers to everyone who has a certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Doors {
    /// The API server listens on an address that exists in the cluster's own network namespace alone.
    pub api_only_inside: bool,
    /// No connection is let in from outside, to whatever port.
    pub no_inbound: bool,
    /// Address ranges that may connect to the API server; everybody when empty.
    pub allow_from: Vec<String>,
    /// The only place outside to which a connection may be opened; every one when absent.
    pub egress_only: Option<SocketAddrV4>,
    /// Certificates of administrators are not accepted.
    pub no_client_certificates: bool,
    /// People sign in with ID tokens of this issuer and in no other way.
    pub issuer: Option<OidcIssuer>,
    /// Every request is written to the audit log.
    pub audit: bool,
}

/// An OpenID Connect issuer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcIssuer {
    /// Its URL.
    pub url: String,
    /// What signs its server's certificate, as PEM.
    pub authority: String,
}

impl Doors {
    /// Whether the machine's shell has to enter the cluster's network to speak to its API server.
    pub fn shut_to_the_shell(&self) -> bool {
        self.api_only_inside || self.no_inbound || !self.allow_from.is_empty()
    }

    /// Whether certificates of administrators are refused once the cluster is made.
    pub fn refuse_certificates(&self) -> bool {
        self.no_client_certificates || self.issuer.is_some()
    }

    /// Arguments of `iptables`, call by call. Packets pass before anything that Kubernetes decides about them.
    pub fn filter(&self) -> Vec<Vec<String>> {
        let words = |rule: String| rule.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let rules = self.ways_in().into_iter().chain(self.ways_out());
        rules.map(|rule| words(format!("-w -t mangle {rule}"))).collect()
    }

    fn ways_out(&self) -> Vec<String> {
        let Some(only) = self.egress_only else { return Vec::new() };
        let (address, port) = (only.ip(), only.port());
        vec![
            format!("-N {WAY_OUT}"),
            format!("-A POSTROUTING -o eth0 -j {WAY_OUT}"),
            format!("-A {WAY_OUT} {KNOWN}"),
            format!("-A {WAY_OUT} -d {address} -p tcp --dport {port} -j RETURN"),
            // What a network says to all leads nowhere, and would blur the count of what does.
            format!("-A {WAY_OUT} -d 224.0.0.0/4 -j DROP"),
            format!("-A {WAY_OUT} -j DROP"),
        ]
    }

    fn ways_in(&self) -> Vec<String> {
        if !self.no_inbound && self.allow_from.is_empty() {
            return Vec::new();
        }
        let mut rules = vec![
            format!("-N {CHAIN}"),
            format!("-A PREROUTING -i eth0 -j {CHAIN}"),
            format!("-A {CHAIN} {KNOWN}"),
        ];
        if self.no_inbound {
            // What a switch says to all is no way in, and would blur the count of what is.
            rules.push(format!("-A {CHAIN} -d 224.0.0.0/4 -j DROP"));
            rules.push(format!("-A {CHAIN} -j DROP"));
        } else {
            for range in &self.allow_from {
                rules.push(format!("-A {CHAIN} -p tcp --dport 6443 -s {range} -j RETURN"));
            }
            rules.push(format!("-A {CHAIN} -p tcp --dport 6443 -j DROP"));
        }
        rules
    }

    /// The API server's `AuthenticationConfiguration`, where people sign in with an issuer.
    pub fn authentication(&self) -> Option<Value> {
        let issuer = self.issuer.as_ref()?;
        Some(json!({
            "apiVersion": "apiserver.config.k8s.io/v1beta1",
            "kind": "AuthenticationConfiguration",
            "jwt": [{
                "issuer": {
                    "url": issuer.url,
                    "audiences": [AUDIENCE],
                    "certificateAuthority": issuer.authority,
                },
                "claimMappings": {
                    "username": {"claim": "sub", "prefix": PREFIX},
                    "groups": {"claim": "groups", "prefix": PREFIX},
                },
            }],
        }))
    }

    /// The API server's audit policy, where there is one: who asked for what, and no contents.
    pub fn audit_policy(&self) -> Option<Value> {
        self.audit.then(|| {
            json!({
                "apiVersion": "audit.k8s.io/v1",
                "kind": "Policy",
                "omitStages": ["RequestReceived"],
                "rules": [{"level": "Metadata"}],
            })
        })
    }

    /// Who administers a cluster that refuses certificates: people whose ID token names the group
    /// `administrators`, or else a ServiceAccount.
    pub fn administrator(&self) -> Vec<Value> {
        let (subject, account) = match self.issuer {
            Some(_) => {
                let group = format!("{PREFIX}administrators");
                (json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}), None)
            }
            None => {
                let metadata = json!({"name": ADMINISTRATOR, "namespace": "kube-system"});
                let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
                let subject =
                    json!({"kind": "ServiceAccount", "name": ADMINISTRATOR, "namespace": "kube-system"});
                (subject, Some(account))
            }
        };
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": ADMINISTRATOR},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin",
            },
            "subjects": [subject],
        });
        account.into_iter().chain([binding]).collect()
    }
}

/// The ServiceAccount of the administrator, and the binding of whoever administers.
pub const ADMINISTRATOR: &str = "testbed-administrator";

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(doors: &Doors) -> Vec<String> {
        doors.filter().into_iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn an_open_cluster_has_no_filter() {
        assert_eq!(lines(&Doors::default()), Vec::<String>::new());
        assert!(!Doors::default().shut_to_the_shell());
    }

    #[test]
    fn answers_pass_before_anything_is_dropped() {
        let shut = Doors { no_inbound: true, ..Doors::default() };

        let rules = lines(&shut);

        let position = |what: &str| rules.iter().position(|rule| rule.contains(what)).unwrap();
        assert!(position("ESTABLISHED -j RETURN") < position("-j DROP"));
        assert!(rules.last().unwrap().ends_with("-A DOORS -j DROP"), "{rules:?}");
    }

    #[test]
    fn a_list_of_addresses_is_about_the_api_server_alone_and_ends_with_a_drop() {
        let listed = Doors { allow_from: vec!["192.0.2.0/24".to_owned()], ..Doors::default() };

        let rules = lines(&listed);

        assert!(rules[3].ends_with("--dport 6443 -s 192.0.2.0/24 -j RETURN"), "{rules:?}");
        assert!(rules[4].ends_with("-p tcp --dport 6443 -j DROP"), "{rules:?}");
    }

    #[test]
    fn out_leads_only_what_was_let_in_and_the_one_place_that_is_named() {
        let only = Doors { egress_only: Some("192.0.2.1:3129".parse().unwrap()), ..Doors::default() };

        let rules = lines(&only);

        assert!(rules[2].ends_with("ESTABLISHED -j RETURN"), "{rules:?}");
        assert!(rules[3].ends_with("-d 192.0.2.1 -p tcp --dport 3129 -j RETURN"), "{rules:?}");
        assert!(rules.last().unwrap().ends_with("-A WAYOUT -j DROP"), "{rules:?}");
        assert!(!only.shut_to_the_shell());
    }

    #[test]
    fn an_issuer_is_the_only_sign_in_and_its_group_administers() {
        let issuer = OidcIssuer { url: "https://issuer.example".to_owned(), authority: "PEM".to_owned() };

        let doors = Doors { issuer: Some(issuer), ..Doors::default() };

        assert!(doors.refuse_certificates());
        let config = doors.authentication().unwrap();
        assert_eq!(config["jwt"][0]["issuer"]["url"], "https://issuer.example");
        let [binding] = &doors.administrator()[..] else { panic!("one object") };
        assert_eq!(binding["subjects"][0]["name"], "oidc:administrators");
    }
}
