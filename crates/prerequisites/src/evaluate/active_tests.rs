//! What the checks say of probes that ran inside of the cluster.

use super::tests::healthy;
use crate::*;

fn endpoint(kind: EndpointKind, host: &str, needed: bool) -> Endpoint {
    let path = "/".to_owned();
    Endpoint { kind, host: host.to_owned(), port: 443, tls: true, path, authorities: None, needed }
}

fn reached(kind: EndpointKind, host: &str, failed: Option<(Stage, Trouble)>) -> Reached {
    let sight = Sight { addresses: vec!["20.1.2.3".parse().unwrap()], failed, ..Sight::default() };
    Reached { endpoint: endpoint(kind, host, kind != EndpointKind::Registry), sight }
}

fn judged(facts: &Facts, profile: Profile, id: &str) -> Judged {
    judge(facts, profile, Purpose::Preflight).into_iter().find(|one| one.check.id == id).unwrap()
}

fn of_egress(reached: Vec<Reached>, profile: Profile, id: &str) -> Judged {
    judged(&Facts { egress: Observed::Seen(Some(reached)), ..healthy() }, profile, id)
}

const BLOCKED: Outcome = Outcome::Failed { severity: Severity::Block };

#[test]
fn exactly_the_endpoint_that_is_dropped_is_named_with_its_address_and_what_mends_it() {
    let dropped = Some((Stage::Tcp, Trouble::TimedOut));
    let all = vec![
        reached(EndpointKind::Vault, "vault.example", None),
        reached(EndpointKind::Store, "store.example", dropped),
        reached(EndpointKind::ApiServer, "kubernetes.default.svc", None),
    ];

    let found = of_egress(all, Profile::Cofferdam, "P16");

    assert_eq!(found.finding.outcome, BLOCKED);
    assert!(found.finding.evidence.starts_with("object store store.example:443: TCP timed out"));
    assert!(!found.finding.evidence.contains("vault"), "{}", found.finding.evidence);
    assert_eq!(found.evidence.address.as_deref(), Some("store.example:443"));
    assert!(found.finding.fix.unwrap().contains("Allow TCP to store.example:443"));
}

#[test]
fn each_trouble_has_words_and_a_fix_of_its_own() {
    let cases = [
        (Stage::Dns, Trouble::NameNotKnown, "DNS the name is not known", "DNS answers"),
        (
            Stage::Dns,
            Trouble::NoNameService("no answer".into()),
            "name service gives no answer",
            "DNS answers",
        ),
        (Stage::Tcp, Trouble::Refused, "TCP refused", "Nobody listens"),
        (Stage::Tls, Trouble::Reset, "TLS reset", "Allow TCP"),
        (Stage::Proxy, Trouble::ProxyRefused(403), "the proxy does not let it pass (403)", "at the proxy"),
        (Stage::Proxy, Trouble::ProxyRefused(407), "the proxy demands a sign-in", "at the proxy"),
        (Stage::Tls, Trouble::Intercepted { issuer: "CN=Inspector".into() }, "CN=Inspector", "inspection"),
        (Stage::Proxy, Trouble::Intercepted { issuer: "CN=Ours".into() }, "proxy", "--proxy-ca"),
        (Stage::Tls, Trouble::OtherName { names: "other.example".into() }, "other.example", "Somebody else"),
        (Stage::Tls, Trouble::NotValidNow, "not valid now", "clocks"),
        (Stage::Http, Trouble::Portal("302 to http://login".into()), "302 to http://login", "portal"),
        (Stage::Http, Trouble::Http(503), "it answers 503", "not as it should"),
    ];

    for (stage, trouble, words, mended) in cases {
        let all = vec![reached(EndpointKind::Vault, "vault.example", Some((stage, trouble)))];
        let found = of_egress(all, Profile::Cofferdam, "P16");
        assert_eq!(found.finding.outcome, BLOCKED, "{words}");
        assert!(found.finding.evidence.contains(words), "{words}: {}", found.finding.evidence);
        let fix = found.finding.fix.unwrap();
        assert!(fix.contains(mended), "{mended}: {fix}");
    }
}

#[test]
fn a_registry_that_nobody_needs_now_is_told_and_stops_nothing() {
    let gone = Some((Stage::Dns, Trouble::NameNotKnown));
    let all = vec![
        reached(EndpointKind::Vault, "vault.example", None),
        reached(EndpointKind::Registry, "registry.example", gone),
    ];

    let found = of_egress(all, Profile::Cofferdam, "P16");

    assert_eq!((&found.finding.outcome, found.informs), (&Outcome::Passed, true));
    assert!(found.finding.evidence.contains("image registry registry.example:443: DNS"));
}

#[test]
fn under_the_rules_of_aks_each_host_rule_counts_and_one_without_a_name_is_not_called_reached() {
    let store = || reached(EndpointKind::Store, "store.example", None);
    let closed = reached(EndpointKind::HostRule, "mcr.microsoft.com", Some((Stage::Tcp, Trouble::TimedOut)));
    let open = reached(EndpointKind::HostRule, "mcr.microsoft.com", None);

    let failed = of_egress(vec![store(), closed], Profile::Aks, "P16");
    let seen = of_egress(vec![store(), open], Profile::Aks, "P16").finding.outcome;
    let ours = of_egress(vec![store()], Profile::Cofferdam, "P16").finding.outcome;

    assert_eq!(failed.finding.outcome, BLOCKED);
    assert!(failed.finding.evidence.contains("host rule mcr.microsoft.com:443: TCP timed out"));
    let Outcome::NotObservable { why } = seen else { panic!("{seen:?}") };
    assert!(why.contains("host rule mcr.microsoft.com:443"), "what was reached is told: {why}");
    assert!(why.contains("*.prod.warm.ingest.monitor.core.windows.net"), "{why}");
    assert!(!why.contains("*.microsoft.com"), "it has a name: {why}");
    assert_eq!(ours, Outcome::Passed);
}

#[test]
fn without_a_probe_or_an_image_for_it_egress_is_not_observed() {
    let registry =
        Registry { image: "i".into(), pulled: Err("ImagePullBackOff: no".into()), everywhere: false };
    let unpulled = Facts { registry: Observed::Seen(registry), ..healthy() };
    let refused = Facts { egress: Observed::NotObservable("forbidden".into()), ..healthy() };

    let seen = |facts: &Facts, id: &str| judged(facts, Profile::Cofferdam, id).finding.outcome;

    assert_eq!(seen(&unpulled, "P15"), BLOCKED);
    for id in ["P16", "C3"] {
        assert_eq!(seen(&unpulled, id), Outcome::Skipped { because: "P15".into() }, "{id}");
    }
    assert_eq!(seen(&refused, "P16"), Outcome::NotObservable { why: "forbidden".into() });
    assert!(matches!(seen(&healthy(), "P16"), Outcome::NotObservable { why } if why.contains("--active")));
    let nothing = Facts { egress: Observed::Seen(Some(Vec::new())), ..healthy() };
    assert!(matches!(seen(&nothing, "P16"), Outcome::NotObservable { .. }), "nothing was reached");
}

#[test]
fn a_private_answer_for_the_control_plane_is_a_captured_zone() {
    let host = "westeurope.dp.kubernetesconfiguration.azure.com";
    let answered = |addresses: &[&str], failed| {
        let mut one = reached(EndpointKind::ControlPlane, host, failed);
        one.sight.addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        of_egress(vec![one], Profile::Aks, "P42").finding.outcome
    };
    let warned = Outcome::Failed { severity: Severity::Warn };

    assert_eq!(answered(&["20.1.2.3"], None), Outcome::Passed);
    assert_eq!(answered(&["10.1.2.3"], None), warned);
    assert_eq!(answered(&[], Some((Stage::Dns, Trouble::NameNotKnown))), warned);
    let silent = Some((Stage::Dns, Trouble::NoNameService("no answer".into())));
    assert!(matches!(answered(&[], silent), Outcome::NotObservable { .. }));
    let no_region = of_egress(Vec::new(), Profile::Aks, "P42").finding.outcome;
    assert!(matches!(no_region, Outcome::NotObservable { why } if why.contains("no concrete name")));
}

fn deep(failed: Option<(Step, &str)>, left: &[&str]) -> DeepCheck {
    DeepCheck {
        driver: "disk".into(),
        class: "fast".into(),
        snapshot_class: "cuts".into(),
        took: vec![(Step::Write, 2_150), (Step::Snapshot, 840)],
        failed: failed.map(|(step, why)| (step, why.to_owned())),
        left: left.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[test]
fn a_deep_check_reports_its_times_what_failed_and_what_stayed() {
    let of = |all: Vec<DeepCheck>| {
        judged(&Facts { deep: Observed::Seen(Some(all)), ..healthy() }, Profile::Cofferdam, "C3")
    };

    let fine = of(vec![deep(None, &[])]);
    let failed = of(vec![deep(Some((Step::Snapshot, "not ready within 120 s")), &[])]);
    let stayed = of(vec![deep(None, &["persistentvolume/pvc-1"])]);

    assert_eq!(fine.finding.outcome, Outcome::Passed);
    assert_eq!(fine.finding.evidence, "disk: write 2.1 s, snapshot 0.8 s");
    assert_eq!(fine.evidence.numbers["write"], 2_150);
    assert_eq!(failed.finding.outcome, BLOCKED);
    assert!(failed.finding.evidence.contains("snapshot: not ready within 120 s"));
    assert_eq!(stayed.finding.outcome, Outcome::Failed { severity: Severity::Warn });
    assert!(stayed.finding.evidence.contains("persistentvolume/pvc-1"));
    assert!(matches!(of(Vec::new()).finding.outcome, Outcome::NotApplicable { .. }));
    let not_asked = judged(&healthy(), Profile::Cofferdam, "C3").finding.outcome;
    assert!(matches!(not_asked, Outcome::NotApplicable { .. }));
}

#[test]
fn where_the_name_service_is_silent_it_alone_is_named() {
    let silent = || Some((Stage::Dns, Trouble::NoNameService("10.96.0.10 says nothing".into())));
    let all = vec![
        reached(EndpointKind::Dns, "kubernetes.default.svc", silent()),
        reached(EndpointKind::Vault, "vault.example", silent()),
        reached(EndpointKind::Store, "store.example", Some((Stage::Tcp, Trouble::Refused))),
    ];

    let found = of_egress(all, Profile::Cofferdam, "P16");

    let said = &found.finding.evidence;
    assert!(
        said.starts_with("DNS kubernetes.default.svc:443: DNS the name service gives no answer"),
        "{said}"
    );
    assert!(!said.contains("vault") && said.contains("store.example:443: TCP refused"), "{said}");
}

#[test]
fn a_cluster_whose_store_is_not_known_yet_is_not_called_well() {
    let inside = vec![
        reached(EndpointKind::Dns, "kubernetes.default.svc", None),
        reached(EndpointKind::ApiServer, "kubernetes.default.svc", None),
    ];

    let found = of_egress(inside, Profile::Cofferdam, "P16").finding.outcome;

    assert!(matches!(&found, Outcome::NotObservable { why } if why.contains("--set")), "{found:?}");
}

#[test]
fn a_network_policy_is_judged_by_what_a_pod_of_the_extensions_labels_reaches() {
    let policy = NetworkPolicies { restricting: vec!["ns/closed".into()], lets_some_out: false };
    let with = |failed, installed: bool| {
        let mut facts = healthy();
        if !installed {
            facts.extension = Observed::Seen(None);
        }
        facts.network_policies = Observed::Seen(policy.clone());
        let all = vec![
            reached(EndpointKind::ApiServer, "kubernetes.default.svc", failed),
            reached(EndpointKind::Store, "store.example", None),
        ];
        facts.egress = Observed::Seen(Some(all));
        let of = |id: &str| judged(&facts, Profile::Cofferdam, id);
        (of("P43"), of("P16").finding.outcome)
    };
    let dropped = || Some((Stage::Tcp, Trouble::TimedOut));

    let (shut, behind) = with(dropped(), true);
    let (open, beside) = with(None, true);
    // Before an installation the probe runs where other policies hold.
    let (elsewhere, _) = with(None, false);

    assert_eq!((&shut.finding.outcome, behind), (&BLOCKED, Outcome::Skipped { because: "P43".into() }));
    assert!(shut.finding.evidence.contains("ns/closed") && shut.finding.evidence.contains("TCP timed out"));
    assert!(shut.finding.fix.unwrap().starts_with("cofferdam preflight egress --format networkpolicy"));
    assert_eq!((&open.finding.outcome, open.informs, beside), (&Outcome::Passed, true, Outcome::Passed));
    assert_eq!(elsewhere.finding.outcome, BLOCKED);
}

#[test]
fn where_taints_keep_every_pod_away_no_probe_is_waited_for() {
    let mut facts = healthy();
    facts.extension = Observed::Seen(None);
    let Observed::Seen(nodes) = &mut facts.nodes else { unreachable!() };
    nodes.all.iter_mut().for_each(|node| node.not_tolerated = vec!["gpu:NoSchedule".into()]);

    for id in ["P16", "C3"] {
        let found = judged(&facts, Profile::Cofferdam, id).finding.outcome;
        assert_eq!(found, Outcome::Skipped { because: "P29".into() }, "{id}");
    }
}

#[test]
fn a_registry_that_nodes_trust_and_pods_do_not_stops_nothing_once_a_node_has_fetched_the_image() {
    let judged_with = |failed, pulled: Result<String, String>| {
        let mut registry = reached(EndpointKind::Registry, "registry.corp", Some(failed));
        registry.endpoint.needed = true;
        let mut facts = healthy();
        facts.registry = Observed::Seen(Registry { image: "i".into(), pulled, everywhere: false });
        let all = vec![reached(EndpointKind::Vault, "vault.example", None), registry];
        facts.egress = Observed::Seen(Some(all));
        let found = judged(&facts, Profile::Cofferdam, "P16");
        (found.finding.outcome, found.informs)
    };
    let strange = || (Stage::Tls, Trouble::Intercepted { issuer: "CN=Ours".into() });
    let dropped = (Stage::Tcp, Trouble::TimedOut);

    assert_eq!(judged_with(strange(), Ok("a probe's pod ran".into())), (Outcome::Passed, true));
    assert_eq!(
        judged_with(dropped, Ok("a probe's pod ran".into())).0,
        BLOCKED,
        "other nodes could not fetch it"
    );
}

#[test]
fn a_name_service_that_is_silent_is_to_be_reached_and_one_that_fails_for_a_name_is_to_be_corrected() {
    let fails_with = |kind, host: &str, why: &str| {
        let all = vec![reached(kind, host, Some((Stage::Dns, Trouble::NoNameService(why.into()))))];
        of_egress(all, Profile::Cofferdam, "P16").finding.fix.unwrap()
    };

    let silent = fails_with(EndpointKind::Dns, "kubernetes.default.svc", "10.96.0.10 says nothing");
    let failing = fails_with(EndpointKind::Store, "store.example", "10.96.0.10 answers SERVFAIL");

    assert!(silent.contains("UDP and TCP 53"), "{silent}");
    assert!(failing.contains("what the cluster's DNS answers for store.example"), "{failing}");
}
