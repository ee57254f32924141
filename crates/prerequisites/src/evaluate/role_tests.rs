//! What the checks of roles say: which role of whose identity where, with the code that is documented for it.

use super::*;
use crate::{ArmFacts, ArmVault, Observed, RoleNeed};

const GROUP: &str = "/subscriptions/s/resourceGroups/snap(1)";
const READS: &str = "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup";
const WRITES: &str = "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup";

fn need(id: &'static str, code: Option<&'static str>, held: Observed<bool>) -> RoleNeed {
    let (principal, scope) = (format!("principal-of-{id}"), GROUP.to_owned());
    RoleNeed { id, role: "Reader", identity: "vault", principal, scope, code, held }
}

fn found(roles: Vec<RoleNeed>, id: &str) -> Judged {
    let mut arm = ArmFacts::unseen("https://arm", "not asked");
    arm.vault = Observed::Seen(Some(ArmVault { principal: Some("v".into()), ..ArmVault::default() }));
    arm.roles = Observed::Seen(roles);
    let facts = Facts { arm: Observed::Seen(arm), ..Facts::unseen("not asked") };
    let all = judge(&facts, Profile::Cofferdam, Purpose::Preflight);
    all.into_iter().find(|one| one.check.id == id).unwrap()
}

fn missing(id: &'static str, code: Option<&'static str>) -> RoleNeed {
    need(id, code, Observed::Seen(false))
}

#[test]
fn one_role_that_is_missing_is_named_with_its_identity_its_scope_and_its_own_code() {
    let judged = found(vec![need("R1", None, Observed::Seen(true)), missing("R2", Some(READS))], "P23");

    assert_eq!(judged.code, Some(READS));
    assert_eq!(
        judged.evidence.sentence,
        format!("missing: R2 Reader of the vault's identity principal-of-R2 on {GROUP}")
    );
    let (_, command) = &judged.fixes[0];
    assert!(command.ends_with(&format!("--role \"Reader\" --scope '{GROUP}'")), "{command}");
}

#[test]
fn several_that_have_different_codes_come_with_that_of_the_check() {
    let of = |roles: Vec<RoleNeed>| found(roles, "P23").code;
    let own = found(vec![missing("R8", None)], "P23").check.code;

    assert_eq!(of(vec![missing("R2", Some(READS)), missing("R3", Some(WRITES))]), own);
    assert_eq!(of(vec![missing("R2", Some(READS)), missing("R8", None)]), own);
    assert_eq!(of(vec![missing("R8", None)]), own);
    assert!(own.is_some());
}

#[test]
fn a_role_that_nobody_could_look_for_never_counts_as_there_and_hides_none_that_is_missing() {
    let hidden = || need("R3", Some(WRITES), Observed::NotObservable("AuthorizationFailed".into()));

    let alone = found(vec![need("R1", None, Observed::Seen(true)), hidden()], "P23");
    let beside = found(vec![missing("R2", Some(READS)), hidden()], "P23");
    let nothing = found(vec![missing("R4", None)], "P23");
    let store = found(vec![need("R4", None, Observed::NotObservable("AuthorizationFailed".into()))], "P6");

    let why = |judged: &Judged| match &judged.finding.outcome {
        Outcome::NotObservable { why } => why.clone(),
        other => panic!("{other:?}"),
    };
    assert!(why(&alone).contains("principal-of-R3") && why(&alone).contains("AuthorizationFailed"));
    assert!(why(&store).contains("AuthorizationFailed"));
    assert!(why(&nothing).contains("no identity is known"));
    assert_eq!((beside.code, beside.evidence.total), (Some(READS), 1));
    assert!(beside.evidence.sentence.contains("not seen: R3 "), "{}", beside.evidence.sentence);
}

#[test]
fn each_account_that_the_extension_lacks_its_role_on_is_named() {
    let other = RoleNeed { scope: "/other".into(), ..missing("R4", None) };

    let judged = found(vec![missing("R4", None), other], "P6");

    assert_eq!(judged.evidence.objects, [GROUP, "/other"]);
    assert_eq!(judged.fixes[0].1.matches("role assignment create").count(), 2, "{:?}", judged.fixes);
}
