//! Every way in which the cluster can differ from the list.

use super::*;
use crate::role::ROLE;
use tunnel::wire::Binding;

fn wanted(names: &[&str]) -> BTreeMap<String, Granted> {
    let list: Vec<_> = names
        .iter()
        .map(|name| Binding {
            name: (*name).to_owned(),
            source: format!("/vaults/{name}"),
            roles: vec![ROLE.to_owned()],
        })
        .collect();
    crate::check(&list).unwrap()
}

fn account(name: &str) -> (String, Account) {
    let account =
        Account { uid: format!("uid-{name}"), source: Some(format!("/vaults/{name}")), mounts_token: false };
    (name.to_owned(), account)
}

fn rights(names: &[&str]) -> Rights {
    Rights { role: ("ClusterRole".to_owned(), CLUSTER_ROLE.to_owned()), subjects: subjects(&set(names)) }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// As it should be with these bindings; every namespace has the account `default` too.
fn settled(names: &[&str]) -> Observed {
    let mut accounts: BTreeMap<_, _> = names.iter().map(|name| account(name)).collect();
    accounts.insert("default".to_owned(), Account { mounts_token: true, ..Account::default() });
    let rights = (!names.is_empty()).then(|| rights(names));
    Observed { accounts, rights, role_is_exact: Some(true) }
}

fn delete(name: &str) -> Step {
    Step::DeleteAccount { name: name.to_owned(), uid: format!("uid-{name}") }
}

fn apply(name: &str) -> Step {
    Step::ApplyAccount { name: name.to_owned(), source: format!("/vaults/{name}") }
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    for names in [&[][..], &["a"], &["a", "b"]] {
        assert_eq!(decide(&wanted(names), &settled(names)).unwrap(), [], "{names:?}");
    }
}

#[test]
fn a_list_becomes_accounts_and_one_binding_and_goes_the_same_way() {
    let create = Step::CreateRights(set(&["a", "b"]));

    let appears = decide(&wanted(&["a", "b"]), &settled(&[])).unwrap();
    let shrinks = decide(&wanted(&["a"]), &settled(&["a", "b"])).unwrap();
    let goes = decide(&wanted(&[]), &settled(&["a", "b"])).unwrap();

    assert_eq!(appears, [create, apply("a"), apply("b")]);
    assert_eq!(shrinks, [delete("b"), Step::ReplaceSubjects(set(&["a"]))]);
    assert_eq!(goes, [delete("a"), delete("b"), Step::DeleteRights]);
}

#[test]
fn tampering_is_repaired() {
    type Tamper = fn(&mut Observed);
    let cases: [(&str, Tamper, Vec<Step>); 8] = [
        ("an account of a stranger", |o| o.accounts.extend([account("evil")]), vec![delete("evil")]),
        ("an account deleted", |o| drop(o.accounts.remove("a")), vec![apply("a")]),
        (
            "an account of another vault",
            |o| {
                o.accounts.get_mut("a").unwrap().source = Some("/vaults/evil".to_owned());
            },
            vec![apply("a")],
        ),
        (
            "an account whose token is mounted",
            |o| {
                o.accounts.get_mut("a").unwrap().mounts_token = true;
            },
            vec![apply("a")],
        ),
        (
            "a subject more",
            |o| {
                let extra = ("/ServiceAccount".to_owned(), "default".to_owned(), "evil".to_owned());
                o.rights.as_mut().unwrap().subjects.insert(extra);
            },
            vec![Step::ReplaceSubjects(set(&["a"]))],
        ),
        (
            "a user of the same name",
            |o| {
                let user = ("rbac.authorization.k8s.io/User".to_owned(), String::new(), "a".to_owned());
                o.rights.as_mut().unwrap().subjects = [user].into();
            },
            vec![Step::ReplaceSubjects(set(&["a"]))],
        ),
        (
            "another role",
            |o| {
                o.rights.as_mut().unwrap().role.1 = "cluster-admin".to_owned();
            },
            vec![Step::DeleteRights, Step::CreateRights(set(&["a"]))],
        ),
        ("no binding", |o| o.rights = None, vec![Step::CreateRights(set(&["a"]))]),
    ];

    for (what, tamper, expected) in cases {
        let mut seen = settled(&["a"]);
        tamper(&mut seen);
        assert_eq!(decide(&wanted(&["a"]), &seen).unwrap(), expected, "{what}");
    }
}

#[test]
fn nobody_has_rights_while_the_role_is_another_than_the_owner_consented_to() {
    for (exact, error) in [(Some(false), "grants something else"), (None, "is not there")] {
        let mut seen = Observed { role_is_exact: exact, ..settled(&["a"]) };

        assert_eq!(decide(&wanted(&["a"]), &seen).unwrap(), [Step::DeleteRights]);
        seen.rights = None;
        let refused = decide(&wanted(&["a"]), &seen).unwrap_err().to_string();

        assert!(refused.contains(error), "{refused}");
        assert_eq!(decide(&wanted(&[]), &Observed { role_is_exact: exact, ..settled(&[]) }).unwrap(), []);
    }
}
