use super::*;
use ConflictPolicy::{Patch, Replace, Skip};

fn conflict<'a>(class: Class, desired: &'a Value, live: &'a Value) -> Conflict<'a> {
    Conflict {
        class,
        desired,
        live,
        origin: Origin::Foreign,
        shared: false,
        only_if_absent: false,
        named: false,
    }
}

fn fields(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn an_object_that_differs_is_treated_as_the_policy_says() {
    let (desired, live) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2, "b": 3}}));
    let conflict = conflict(Class::Other, &desired, &live);

    let patch = Difference { patch: json!({"spec": {"a": 1}}), fields: fields(&["spec.a"]) };
    assert_eq!(decide(Skip, &conflict), Decision::Skip(fields(&["spec.a"])));
    assert_eq!(decide(Patch, &conflict), Decision::Patch(patch));
    assert_eq!(decide(Replace, &conflict), Decision::Replace(fields(&["spec.a"])));
}

#[test]
fn an_object_that_is_as_captured_is_never_written() {
    let (desired, live) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 1, "b": 3}}));

    for policy in [Skip, Patch, Replace] {
        assert_eq!(decide(policy, &conflict(Class::Other, &desired, &live)), Decision::Unchanged);
    }
}

#[test]
fn replace_spares_what_holds_data_unless_it_is_named() {
    let (desired, live) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}));
    let classes = [Class::Namespace, Class::Definition, Class::Volume, Class::Claim { with_data: false }];

    for class in classes {
        let unnamed = conflict(class, &desired, &live);
        let named = Conflict { named: true, ..unnamed };

        assert!(!matches!(decide(Replace, &unnamed), Decision::Replace(_)), "{class:?}");
        assert!(matches!(decide(Replace, &named), Decision::Replace(_)), "{class:?}");
    }
}

#[test]
fn data_never_goes_onto_a_claim_that_exists() {
    let same = json!({"spec": {"a": 1}});
    let unnamed = conflict(Class::Claim { with_data: true }, &same, &same);

    for policy in [Skip, Patch, Replace] {
        assert_eq!(decide(policy, &unnamed), Decision::DataNotRestored);
    }
    let named = Conflict { named: true, ..unnamed };
    assert_eq!(decide(Replace, &named), Decision::Replace(Vec::new()));
    assert_eq!(decide(Skip, &named), Decision::DataNotRestored);
}

#[test]
fn shared_things_are_left_alone_whatever_the_policy() {
    let (desired, live) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}));
    let shared = Conflict { shared: true, ..conflict(Class::Definition, &desired, &live) };

    for policy in [Skip, Patch, Replace] {
        assert_eq!(decide(policy, &shared), Decision::SharedLeftAlone(fields(&["spec.a"])));
    }
}

#[test]
fn a_service_account_is_merged_even_when_others_are_skipped() {
    let desired = json!({"metadata": {"name": "default"}, "imagePullSecrets": [{"name": "registry"}]});
    let live = json!({"metadata": {"name": "default"}});

    for policy in [Skip, Patch, Replace] {
        let decision = decide(policy, &conflict(Class::Account, &desired, &live));
        assert!(matches!(decision, Decision::Patch(d) if d.fields == ["imagePullSecrets"]), "{policy:?}");
    }
}

#[test]
fn a_released_volume_is_given_back_to_its_claim_and_to_no_other() {
    let volume = |claim: &str, phase: &str| {
        json!({
            "spec": {"claimRef": {"namespace": "shop", "name": claim, "uid": "old"}},
            "status": {"phase": phase},
        })
    };
    let desired = json!({"spec": {"claimRef": {"namespace": "shop", "name": "files"}}});

    let released = volume("files", "Released");
    let bound = volume("files", "Bound");
    let others = volume("other", "Released");

    let freed = decide(Skip, &conflict(Class::Volume, &desired, &released));
    assert!(matches!(freed, Decision::Patch(d) if d.patch["spec"]["claimRef"]["uid"].is_null()));
    assert_eq!(decide(Skip, &conflict(Class::Volume, &desired, &bound)), Decision::Unchanged);
    assert!(matches!(decide(Skip, &conflict(Class::Volume, &desired, &others)), Decision::Skip(_)));
}

#[test]
fn a_resumed_restore_knows_what_it_made() {
    let requested: Timestamp = "2026-11-22T10:00:00.7Z".parse().unwrap();
    let live = |manager: &str, created: &str| json!({"metadata": {"creationTimestamp": created, "managedFields": [{"manager": manager}]}});
    let told = |manager, created| origin(&live(manager, created), "cofferdam/1", requested);

    assert_eq!(told("cofferdam/1", "2026-11-22T10:00:00Z"), Origin::Created);
    assert_eq!(told("cofferdam/1", "2026-11-22T09:59:59Z"), Origin::Changed);
    assert_eq!(told("cofferdam/2", "2026-11-22T10:00:05Z"), Origin::Foreign);
}

#[test]
fn an_object_that_this_restore_created_is_not_decided_twice() {
    let (desired, live) = (json!({"spec": {"a": 1}}), json!({"spec": {"a": 2}}));
    let ours = Conflict { origin: Origin::Created, ..conflict(Class::Other, &desired, &live) };

    for policy in [Skip, Patch, Replace] {
        assert_eq!(decide(policy, &ours), Decision::CreatedBefore);
    }
}
