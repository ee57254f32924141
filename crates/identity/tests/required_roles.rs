//! The table against the built-in roles, and what follows from it.

use arm::ResourceId;
use identity::{Action, Assignment, RoleDefinition, RoleId, builtin::roles, required::*};

const CLUSTER: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
const STORE: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a";
const VAULT: &str = "/subscriptions/s/resourceGroups/b/providers/Microsoft.DataProtection/backupVaults/v";

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

fn named<'r>(roles: &'r [RoleDefinition], name: &str) -> &'r RoleDefinition {
    roles.iter().find(|role| role.name == name).unwrap_or_else(|| panic!("no role {name}"))
}

fn everywhere() -> Places {
    let place = |name: &str| Some(id(&STORE.replace("/a", &format!("/{name}"))));
    Places {
        cluster: id(CLUSTER),
        snapshot_group: Some(id("/subscriptions/s/resourceGroups/snapshots")),
        store: Some(id(STORE)),
        container: None,
        source_store: place("other"),
        staging_group: Some(id("/subscriptions/s/resourceGroups/staging")),
        staging_account: place("staging"),
        share_account: None,
    }
}

fn all() -> Principals {
    let of = |name: &str| Some(name.to_owned());
    Principals { vault: of("v"), cluster: of("c"), extension: of("e") }
}

fn assigned(to: &str, role: &str, scope: &str) -> Assignment {
    let role: RoleId = named(&roles(), role).id.clone();
    Assignment { principal: to.to_owned(), role, scope: id(scope) }
}

fn ids(needs: &[Need]) -> Vec<&'static str> {
    needs.iter().map(|need| need.row.id).collect()
}

#[test]
fn the_tables_have_the_documented_ids_in_their_order() {
    let identities: Vec<String> = (1..=13).map(|number| format!("R{number}")).collect();
    let people: Vec<String> = (1..=6).map(|number| format!("U{number}")).collect();

    assert_eq!(IDENTITY_ROLES.iter().map(|row| row.id).collect::<Vec<_>>(), identities);
    assert_eq!(PERSON_ROLES.iter().map(|row| row.id).collect::<Vec<_>>(), people);
}

#[test]
fn each_role_grants_all_that_it_is_said_to_be_used_for() {
    let roles = roles();

    for row in IDENTITY_ROLES {
        let Grant::Role(name) = row.grant else { continue };
        let role = named(&roles, name);
        for action in row.actions {
            assert!(role.grants(&Action::control(*action)), "{} {name}: {action}", row.id);
        }
        for action in row.data_actions {
            assert!(role.grants(&Action::data(*action)), "{} {name}: {action}", row.id);
        }
        assert!(row.actions.len() + row.data_actions.len() > 0, "{} is used for nothing", row.id);
    }
}

#[test]
fn each_role_of_a_person_and_what_may_stand_for_it_grants_all_that_it_is_used_for() {
    let roles = roles();

    for row in PERSON_ROLES {
        for action in row.actions.iter().map(|action| Action::control(*action)) {
            assert!(named(&roles, row.role).grants(&action), "{} {}: {action}", row.id, row.role);
            let instead = row.instead.iter().any(|name| named(&roles, name).grants(&action));
            assert!(row.instead.is_empty() || instead, "{} {:?}: {action}", row.id, row.instead);
        }
    }
}

#[test]
fn a_backup_and_a_restore_need_what_the_table_says_for_them() {
    let of = |purpose| ids(&needs(purpose, &everywhere(), &all()));

    assert_eq!(of(Purpose::Backup { vault_tier: false }), ["R1", "R2", "R3", "R4", "R4", "R13"]);
    assert_eq!(
        of(Purpose::Backup { vault_tier: true }),
        ["R1", "R2", "R3", "R4", "R4", "R5", "R6", "R7", "R7", "R13"]
    );
    assert_eq!(
        of(Purpose::Restore { vault_tier: true }),
        ["R1", "R2", "R3", "R4", "R4", "R8", "R9", "R10", "R11", "R13"]
    );
}

#[test]
fn a_place_that_is_read_and_written_is_one_need_and_one_that_is_only_read_needs_less() {
    let purpose = Purpose::Restore { vault_tier: false };
    let other = needs(purpose, &everywhere(), &all());
    let same = needs(purpose, &Places { source_store: Some(id(STORE)), ..everywhere() }, &all());

    let reads = other.iter().find(|need| need.only_read).unwrap();
    let reader = [assigned("e", "Storage Blob Data Reader", reads.scope.as_str())];

    assert_eq!(ids(&same), ["R1", "R2", "R3", "R4", "R13"]);
    assert_eq!(reads.held(&reader, &roles()), Held::There);
    assert!(reads.actions().iter().all(|action| action.name.ends_with("/read")));
}

#[test]
fn a_restore_from_another_place_is_planned_as_reading_that_container_and_nothing_more() {
    const WRITES: &str = "Storage Blob Data Contributor";
    const READS: &str = "Storage Blob Data Reader";
    let container = |account: &str, name: &str| format!("{account}/blobServices/default/containers/{name}");
    let other = STORE.replace("/a", "/other");
    let (own, beside, elsewhere) =
        (container(STORE, "own"), container(STORE, "one"), container(&other, "one"));

    let table = [
        // Own account, own container, source; what is planned.
        (Some(&*own), &*elsewhere, vec![(WRITES, STORE), (READS, &*elsewhere)]),
        (Some(&*own), &*other, vec![(WRITES, STORE), (READS, &*other)]),
        // Whoever may write to the account of both could overwrite the other one's recovery points.
        (Some(&*own), &*beside, vec![(WRITES, &*own), (READS, &*beside)]),
        (Some(&*own), &*own, vec![(WRITES, STORE)]),
        (Some(&*own), STORE, vec![(WRITES, STORE)]),
        (None, &*beside, vec![(WRITES, STORE)]),
        (None, &*elsewhere, vec![(WRITES, STORE), (READS, &*elsewhere)]),
    ];

    for (container, source, expected) in table {
        let places = Places { container: container.map(id), source_store: Some(id(source)), ..everywhere() };
        let needs = needs(Purpose::Restore { vault_tier: false }, &places, &all());
        let planned = needs.iter().filter(|need| need.row.id == "R4");
        let planned: Vec<_> = planned.map(|need| (need.grant().role(), need.scope.as_str())).collect();
        assert_eq!(planned, expected, "{container:?} {source}");
    }
}

#[test]
fn who_may_write_to_its_own_container_alone_needs_no_more_of_the_account() {
    let container = format!("{STORE}/blobServices/default/containers/own");
    let beside = format!("{STORE}/blobServices/default/containers/one");
    let places = Places { container: Some(id(&container)), source_store: None, ..everywhere() };
    let needs = needs(Purpose::Backup { vault_tier: false }, &places, &all());
    let writes = needs.iter().find(|need| need.row.id == "R4").unwrap();
    let held = |role: &str, scope: &str| writes.held(&[assigned("e", role, scope)], &roles());
    let writer = "Storage Blob Data Contributor";
    let above = Held::Inherited { scope: id("/subscriptions/s"), role: named(&roles(), writer).id.clone() };

    assert_eq!((writes.scope.as_str(), writes.at().as_str()), (STORE, container.as_str()));
    assert_eq!([held(writer, &container), held(writer, STORE)], [Held::There, Held::There]);
    assert_eq!(held(writer, "/subscriptions/s"), above);
    assert_eq!(held(writer, &beside), Held::Missing);
    assert_eq!(held("Storage Blob Data Reader", STORE), Held::Missing);
}

#[test]
fn a_need_is_met_at_the_scope_from_above_by_a_stronger_role_or_not_at_all() {
    let needs = needs(Purpose::Backup { vault_tier: false }, &everywhere(), &all());
    let reader = needs.first().unwrap();
    let above = |role: &str| Held::Inherited {
        scope: id("/subscriptions/s"),
        role: named(&roles(), role).id.clone(),
    };

    let table = [
        (vec![assigned("v", "Reader", CLUSTER)], Held::There),
        (vec![assigned("v", "Owner", "/subscriptions/s")], above("Owner")),
        (vec![assigned("v", "Owner", "/subscriptions/s"), assigned("v", "Reader", CLUSTER)], Held::There),
        (vec![assigned("c", "Owner", "/subscriptions/s")], Held::Missing),
        (vec![assigned("v", "Owner", STORE)], Held::Missing),
        // It sees the cluster and not what is installed in it.
        (vec![assigned("v", "Backup Operator", CLUSTER)], Held::Missing),
        (Vec::new(), Held::Missing),
    ];

    for (assignments, expected) in table {
        assert_eq!(reader.held(&assignments, &roles()), expected, "{assignments:?}");
    }
    let nobody = Need { principal: None, ..reader.clone() };
    assert_eq!(nobody.held(&[], &roles()), Held::NoIdentity);
}

#[test]
fn commands_grant_exactly_the_need_and_run_nothing_else_when_they_are_pasted() {
    let places =
        Places { snapshot_group: Some(id("/subscriptions/s/resourceGroups/it's(1)")), ..everywhere() };
    let needs = needs(Purpose::Backup { vault_tier: false }, &places, &all());
    let of = |row: &str| needs.iter().find(|need| need.row.id == row).unwrap();
    let vault = id(VAULT);

    assert_eq!(
        ours(of("R2"), &vault).unwrap(),
        r"cofferdam role assignment create --assignee-object-id v --assignee-principal-type ServicePrincipal --role Reader --scope '/subscriptions/s/resourceGroups/it'\''s(1)'"
    );
    assert_eq!(
        with_az(of("R4"), &vault).unwrap(),
        format!(
            "az role assignment create --assignee-object-id e --assignee-principal-type ServicePrincipal --role 'Storage Blob Data Contributor' --scope {STORE}"
        )
    );
    assert_eq!(
        with_az(of("R13"), &vault).unwrap(),
        format!(
            "az aks trustedaccess rolebinding create --subscription s --resource-group g --cluster-name c --name backup --source-resource-id {VAULT} --roles Microsoft.DataProtection/backupVaults/backup-operator"
        )
    );
    assert_eq!(ours(&Need { principal: None, ..of("R2").clone() }, &vault), None);
}

#[test]
fn who_was_refused_is_told_the_role_that_would_do() {
    let group = "/subscriptions/s/resourceGroups/b";
    let guard = format!("{group}/providers/Microsoft.DataProtection/resourceGuards/guard");
    let extension = format!("{CLUSTER}/providers/Microsoft.KubernetesConfiguration/extensions/x");
    let instance = format!("{VAULT}/backupInstances/i");
    let assignment = format!("{group}/providers/Microsoft.Authorization/roleAssignments/a");
    let approval = format!("{guard}/triggerRestoreRequests/default");

    let table = [
        ("Microsoft.KubernetesConfiguration/extensions/write", &*extension, Some("U1"), "Owner", CLUSTER),
        (ASSIGN_ROLES, CLUSTER, Some("U1"), "Owner", CLUSTER),
        (
            "Microsoft.DataProtection/backupVaults/backupInstances/write",
            &*instance,
            Some("U2"),
            "Backup Contributor",
            group,
        ),
        (
            "Microsoft.DataProtection/backupVaults/backupInstances/stopProtection/action",
            &*instance,
            Some("U2"),
            "Backup Contributor",
            group,
        ),
        (ASSIGN_ROLES, STORE, Some("U3"), "Owner", STORE),
        (ASSIGN_ROLES, group, Some("U4"), "Owner", group),
        (ASSIGN_ROLES, &*assignment, Some("U4"), "Owner", group),
        ("Microsoft.ContainerService/managedClusters/read", CLUSTER, Some("U5"), "Reader", CLUSTER),
        (
            "Microsoft.DataProtection/resourceGuards/triggerRestoreRequests/approve/action",
            &*approval,
            Some("U6"),
            "Backup MUA Operator",
            &*guard,
        ),
        ("Microsoft.DataProtection/resourceGuards/read", &*guard, None, "Reader", &*guard),
        ("Microsoft.Storage/storageAccounts/read", STORE, None, "Reader", STORE),
        (
            "Microsoft.Resources/subscriptions/resourceGroups/write",
            group,
            None,
            "Contributor",
            "/subscriptions/s",
        ),
        ("Microsoft.Unknown/things/write", "/subscriptions/s", None, "Contributor", "/subscriptions/s"),
    ];

    for (action, on, row, role, scope) in table {
        let told = advice(action, &id(on), &roles()).unwrap();
        assert_eq!((told.id, told.role.as_str(), told.scope.as_str()), (row, role, scope), "{action}");
    }
    assert_eq!(advice("x/write", &id(CLUSTER), &[]), None);
}

/// `COFFERDAM_UPDATE=1` writes the tables anew.
#[test]
fn the_page_of_permissions_shows_both_tables() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/permissions.md");
    let page = std::fs::read_to_string(path).unwrap();
    let listed =
        |actions: &[&str]| actions.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    let identities = IDENTITY_ROLES.iter().map(|row| {
        let actions: Vec<&str> = row.actions.iter().chain(row.data_actions).copied().collect();
        let code = row.code.map_or_else(|| "none".to_owned(), |code| format!("`{code}`"));
        let used = if actions.is_empty() {
            "see [Trusted Access](trusted-access.md)".to_owned()
        } else {
            listed(&actions)
        };
        let (id, whose, role, place, when) =
            (row.id, row.whose.noun(), row.grant.role(), row.place.noun(), row.when.noun());
        format!("| {id} | {role} | {whose} | {place} | {when} | {} | {used} | {code} |\n", row.why)
    });
    let people = PERSON_ROLES.iter().map(|row| {
        let instead = if row.instead.is_empty() { "-".to_owned() } else { row.instead.join(" and ") };
        let (id, role, place) = (row.id, row.role, row.place.noun());
        format!("| {id} | {role} | {instead} | {place} | {} | {} |\n", row.why, listed(row.actions))
    });
    let of = |letter: &str| {
        let is_row = |line: &&str| {
            line.strip_prefix(&format!("| {letter}"))
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        page.lines().filter(is_row).map(|line| format!("{line}\n")).collect::<String>()
    };
    let (shown, wanted) = ([of("R"), of("U")], [identities.collect::<String>(), people.collect::<String>()]);

    if std::env::var_os("COFFERDAM_UPDATE").is_some() {
        let mut written = page.clone();
        for (marker, table) in ["<!-- identities -->\n", "<!-- people -->\n"].iter().zip(&wanted) {
            let (before, after) = written.split_once(marker).unwrap();
            let rest: String = after
                .lines()
                .skip_while(|line| line.starts_with('|'))
                .map(|line| format!("{line}\n"))
                .collect();
            let head = after.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
            written = format!("{before}{marker}{head}{table}{rest}");
        }
        std::fs::write(path, written).unwrap();
        return;
    }
    assert_eq!(shown, wanted, "write docs/permissions.md anew: COFFERDAM_UPDATE=1");
}
