//! `cofferdam preflight --fix` against the program as it is served: what is broken at the resource manager is shown, mended
//! after a yes, and seen as mended; without a yes, without the right or half-way through nothing is lost.

mod protected;
mod served;
mod terminal;

use management::versions;
use protected::{Found, World, text, told};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Output, Stdio},
};
use terminal::Terminal;

/// What can be mended of a resource manager for a cluster with a managed identity.
const ALL: [&str; 7] = ["P23", "P23", "P23", "P25", "P3", "P6", "P9"];

impl World {
    /// `preflight` with everything named and these arguments.
    fn words<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let named = [
            "preflight",
            "--arm",
            self.served.url.as_str(),
            "--cluster-id",
            &self.cluster,
            "--vault-id",
            &self.vault,
            "--snapshot-group-id",
            &self.snapshots,
            "--account-id",
            &self.account,
            "--container",
            "shop",
            "--profile",
            "aks",
        ];
        [&named[..], more].concat()
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(&self.words(more)).output().unwrap()
    }

    fn looked(&self) -> Found {
        Found::of(&self.run(&["-o", "json"]))
    }

    fn provider(&self) -> String {
        let subscription = self.vault.split('/').nth(2).unwrap();
        format!("/subscriptions/{subscription}/providers/Microsoft.KubernetesConfiguration")
    }

    /// Takes the roles, the binding, the container and the account's trust away.
    fn break_everything(&self) {
        for assignment in self.assignments() {
            self.role(&["delete", "--yes"], &assignment);
        }
        self.delete_binding();
        self.delete_container();
        self.close_the_account();
    }

    /// Only one address passes.
    fn close_the_account(&self) {
        let rules = json!({"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "192.0.2.1"}]});
        let body = json!({"properties": {"networkAcls": rules}});
        self.call("PATCH", &self.account, versions::STORAGE, Some(body));
    }
}

fn rows(found: &Found) -> Vec<(&str, &str)> {
    let rows = found.document["fixes"].as_array().unwrap();
    let mut rows: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["check"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
    rows.sort_unstable();
    rows
}

fn all_are(state: &'static str) -> Vec<(&'static str, &'static str)> {
    ALL.map(|id| (id, state)).to_vec()
}

fn audit(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = text.lines().filter_map(|line| line.strip_prefix("audit: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_broken_is_shown_then_mended_then_seen_as_mended_and_not_mended_twice() {
    let world = World::start();
    world.break_everything();
    let broken = world.looked();

    let refused = world.run(&["--fix"]);
    let rehearsed = Found::of(&world.run(&["--fix", "--dry-run", "-o", "json"]));
    let untouched = world.looked();
    let ran = world.run(&["--fix", "--yes", "-o", "json"]);
    let mended = Found::of(&ran);
    let again = Found::of(&world.run(&["--fix", "--yes", "-o", "json"]));
    let shown = world.json(&["storage", "account", "show", "-n", "backups1", "-g", "g"]);

    assert_eq!(broken.with("Failed"), ["P23", "P25", "P3", "P6", "P9"], "{:#}", broken.document);
    assert_eq!(broken.check("P3")["fixable"], true);
    assert_eq!(refused.status.code(), Some(5), "{}", told(&refused));
    for part in [
        "before: no binding for ",
        "takes:  Microsoft.Authorization/roleAssignments/write on ",
        "next: ",
        "--yes",
    ] {
        assert!(told(&refused).contains(part), "{part}: {}", told(&refused));
    }
    assert_eq!((rows(&rehearsed), rehearsed.code), (all_are("planned"), 5));
    assert_eq!(untouched.with("Failed"), broken.with("Failed"), "nothing was changed without a yes");
    assert_eq!(rows(&mended), all_are("done"), "{}", told(&ran));
    assert_eq!(mended.with("Failed"), [""; 0], "{:#}", mended.document);
    assert_eq!(
        (mended.code, &mended.document["lookedAgain"]),
        (3, &json!(true)),
        "what nobody saw is not done"
    );
    let states: Vec<Value> = audit(&ran).iter().map(|line| line["state"].clone()).collect();
    assert_eq!(states, ["begins", "done"].repeat(ALL.len()), "a line before and after each");
    assert!(audit(&ran).iter().all(|line| line["object"].is_string() && line["at"].is_string()));
    assert_eq!((rows(&again), again.code), (vec![], 3));
    let rules = &shown["properties"]["networkAcls"];
    assert_eq!((&rules["defaultAction"], &rules["bypass"]), (&json!("Deny"), &json!("None")), "{rules:#}");
    assert_eq!(rules["ipRules"][0]["value"], "192.0.2.1", "the other rules stay: {rules:#}");
    assert_eq!(rules["resourceAccessRules"][0]["resourceId"], world.vault.as_str());
}

#[test]
fn a_provider_is_registered_and_a_cluster_gets_an_identity_of_its_own_and_a_snapshot_controller() {
    let world = World::start();
    let group = world.vault.split("/providers/").next().unwrap();
    let old = format!("{group}/providers/Microsoft.ContainerService/managedClusters/old");
    let body = json!({"location": "local", "tags": {"kept": "yes"}, "identity": {"type": "None"},
        "properties": {"servicePrincipalProfile": {"clientId": "11111111-2222-3333-4444-555555555555"},
            "storageProfile": {"snapshotController": {"enabled": false}, "fileCSIDriver": {"enabled": false}}}});
    world.call("PUT", &old, versions::CLUSTERS, Some(body));
    world.call("POST", &format!("{}/unregister", world.provider()), versions::RESOURCES, None);
    let of_old = |more: &[&str]| {
        let url = world.served.url.as_str();
        let words = ["preflight", "--arm", url, "--cluster-id", &old, "--only", "P7,P12,P14", "-o", "json"];
        Found::of(&world.command(&[&words[..], more].concat()).output().unwrap())
    };

    let broken = of_old(&[]);
    let mended = of_old(&["--fix", "--yes"]);
    let again = of_old(&["--fix", "--yes"]);

    assert_eq!(broken.with("Failed"), ["P12", "P14", "P7"], "{:#}", broken.document);
    assert_eq!(rows(&mended), [("P12", "done"), ("P14", "done"), ("P7", "done")], "{:#}", mended.document);
    assert_eq!(mended.with("Passed"), ["P14", "P7"], "{:#}", mended.document);
    // Whether the controller runs is seen in the cluster, which nobody can look into here.
    assert_eq!((mended.with("NotObservable"), mended.code), (vec!["P12"], 3), "{:#}", mended.document);
    assert_eq!((rows(&again), again.code), (vec![], 3));
    let old = world.json(&["cluster", "show", "-n", "old", "-g", "g"]);
    assert_eq!(old["tags"], json!({"kept": "yes"}), "what a PUT leaves out is lost");
    let storage = &old["properties"]["storageProfile"];
    assert_eq!(storage["snapshotController"]["enabled"], true, "{storage:#}");
    assert_eq!(storage["fileCSIDriver"]["enabled"], false, "{storage:#}");
}

#[test]
fn a_binding_that_is_gone_is_made_once_under_the_name_that_other_commands_give_it() {
    let world = World::start();
    world.delete_binding();

    let mended = Found::of(&world.run(&["--fix", "--yes", "--only", "P3", "-o", "json"]));
    let listed = world.json(&["trusted-access", "rolebinding", "list", "-c", "shop", "-g", "g"]);

    assert_eq!(rows(&mended), [("P3", "done")], "{:#}", mended.document);
    let bindings = listed.as_array().unwrap();
    assert_eq!(bindings.len(), 1, "{listed:#}");
    assert!(bindings[0]["name"].as_str().unwrap().starts_with("tarb-"), "{listed:#}");
    let source = bindings[0]["properties"]["sourceResourceId"].as_str().unwrap();
    assert!(source.eq_ignore_ascii_case(&world.vault), "{listed:#}");
}

#[test]
fn whoever_may_not_make_a_change_is_told_so_and_it_is_not_tried() {
    let world = World::start();
    world.break_everything();
    let made =
        world.done(&["vault", "add-principal", "reader", "-o", "json", "--data", text(&world.served.data)]);
    let reader: Value = serde_json::from_str(&made).unwrap();
    let scope = world.vault.split("/resourceGroups/").next().unwrap();
    let who = reader["objectId"].as_str().unwrap();
    world.done(&["role", "assignment", "create", "--assignee", who, "--role", "Reader", "--scope", scope]);
    let file = world.served.data.join(format!("principal-{}.json", reader["clientId"].as_str().unwrap()));
    let (url, ca) = (world.served.url.as_str(), world.authority());
    let administrator = world.served.data.join("administrator.json");
    world.done(&["login", "--vault-url", url, "--credential-file", text(&file), "--ca", text(&ca)]);

    let ran = world.run(&["--fix", "--yes", "-o", "json"]);
    let tried = Found::of(&ran);
    world.done(&["login", "--vault-url", url, "--credential-file", text(&administrator), "--ca", text(&ca)]);
    let after = world.looked();

    let of = |state: &str| {
        rows(&tried)
            .into_iter()
            .filter(|(_, one)| *one == state)
            .map(|(id, _)| id.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("notAllowed"), ["P23", "P23", "P23", "P3", "P6"], "{:#}", tried.document["fixes"]);
    assert_eq!(of("failed"), ["P25", "P9"], "{:#}", tried.document["fixes"]);
    assert_eq!(tried.code, 1, "{}", told(&ran));
    assert!(audit(&ran).iter().all(|line| ["P25", "P9"].contains(&line["check"].as_str().unwrap())));
    assert_eq!(after.with("Failed"), ["P23", "P25", "P3", "P6", "P9"], "nothing was changed");
}

#[test]
fn on_a_terminal_each_change_is_asked_for_and_a_no_leaves_it() {
    let world = World::start();
    world.break_everything();
    let mut terminal = Terminal::run(&world.command(&world.words(&["--fix", "--only", "P3,P25,P9"])));

    for (id, answer) in [("P3 ", "y\n"), ("P9 ", "n\n"), ("P25 ", "y\n")] {
        terminal.until(id);
        terminal.until("make this change? [y/N/q]");
        terminal.write(answer);
    }
    let (code, shown) = terminal.end();
    let after = world.looked();

    assert_eq!(code, 5, "{shown}");
    assert!(shown.contains("P9    declined") && shown.contains("P25   done"), "{shown}");
    assert_eq!(after.with("Failed"), ["P23", "P6", "P9"], "{:#}", after.document);
}

#[test]
fn whoever_interrupts_is_told_what_is_done_and_the_next_run_does_the_rest() {
    let world = World::start();
    world.break_everything();
    let mut terminal = Terminal::run(&world.command(&world.words(&["--fix", "--only", "P3,P25,P9"])));

    terminal.until("make this change? [y/N/q]");
    terminal.write("y\n");
    terminal.until("make this change? [y/N/q]");
    terminal.write("\x03");
    let (code, shown) = terminal.end();
    let half = world.looked();
    let rest = Found::of(&world.run(&["--fix", "--yes", "--only", "P3,P25,P9", "-o", "json"]));

    assert_eq!(code, 4, "{shown}");
    assert!(shown.contains("P3    done") && shown.contains("P25   not tried"), "{shown}");
    assert!(shown.contains("interrupted; what is not done is done by the same command"), "{shown}");
    assert_eq!(half.with("Failed"), ["P23", "P25", "P6", "P9"], "{:#}", half.document);
    assert_eq!(rows(&rest), [("P25", "done"), ("P9", "done")], "{:#}", rest.document);
}

#[test]
fn a_run_that_is_killed_half_way_is_continued_by_the_next_one() {
    let world = World::start();
    world.break_everything();

    let mut command = world.command(&world.words(&["--fix", "--yes", "-o", "json"]));
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(killed.stderr.take().unwrap()).lines().map_while(Result::ok);
    let first = lines.into_iter().find(|line| line.starts_with("audit: ") && line.contains("\"done\""));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let half = world.looked();
    let rest = Found::of(&world.run(&["--fix", "--yes", "-o", "json"]));

    assert!(first.is_some_and(|line| line.contains("\"P3\"") || line.contains("\"P6\"")));
    assert!(half.with("Failed").len() < 5, "one thing at least was done: {:#}", half.document);
    assert!(rows(&rest).iter().all(|(_, state)| *state == "done"), "{:#}", rest.document);
    assert!(rows(&rest).len() < ALL.len(), "what was done is not done again");
    assert_eq!((rest.with("Failed"), rest.code), (vec![], 3), "{:#}", rest.document);
}

#[test]
fn a_resource_manager_that_goes_in_the_middle_is_a_failure_that_says_so() {
    let mut world = World::start();
    world.break_everything();
    let mut terminal = Terminal::run(&world.command(&world.words(&["--fix", "--only", "P3,P25"])));

    terminal.until("make this change? [y/N/q]");
    world.served.child.kill().unwrap();
    world.served.child.wait().unwrap();
    terminal.write("y\n");
    terminal.until("make this change? [y/N/q]");
    terminal.write("y\n");
    let (code, shown) = terminal.end();

    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("P3    failed") && shown.contains("P25   failed"), "{shown}");
    assert!(shown.contains("could not reach "), "{shown}");
}

#[test]
fn whoever_is_signed_in_to_a_vault_is_told_that_it_has_to_be_reached() {
    let world = World::start();
    let host = world.served.url.trim_start_matches("https://").split(':').next().unwrap().to_owned();
    let egress = |format: &str| {
        let words =
            ["preflight", "egress", "--profile", "aks", "--cluster-id", &world.cluster, "--format", format];
        world.command(&words).output().unwrap()
    };

    let (table, collection) = (egress("table"), egress("azure-firewall"));

    let shown = told(&table);
    let line = shown.lines().find(|line| line.starts_with(&host)).unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("vault, token endpoint"), "{line}");
    assert!(shown.contains("here: local.dp.kubernetesconfiguration.azure.com"), "the region's: {shown}");
    let made: Value =
        serde_json::from_slice(&collection.stdout).unwrap_or_else(|_| panic!("{}", told(&collection)));
    let rules = made["properties"]["rules"].as_array().unwrap();
    assert_eq!((rules.len(), &rules[0]["targetFqdns"]), (26, &json!([host])), "{made:#}");
    let port: u16 = world.served.url.rsplit(':').next().unwrap().parse().unwrap();
    assert_eq!(rules[0]["protocols"], json!([{"protocolType": "Https", "port": port}]));
    // Nobody has looked into the cluster.
    assert_eq!((table.status.code(), collection.status.code()), (Some(3), Some(3)));
}
