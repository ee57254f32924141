//! What the vault sees for itself of an instance's prerequisites, without asking its cluster: the same facts and the same
//! judgement as when it validates, ordered by the checks of the catalogue.

use super::row::{By, Row, Verdict, known};
use crate::protect::checks::{self, Facts, catalogue::Verdicts};
use arm::{ArmError, ResourceId, error::AdditionalInfo};
use jiff::Timestamp;
use prerequisites::{By as Hand, Judged, Names, Outcome};
use protection::Problem;
use serde_json::json;

/// The vault reaches the cluster: no check of the original's documents.
const CONNECTION: &str = "connection";
/// The resource group for snapshots is there: neither.
const SNAPSHOT_GROUP: &str = "snapshot-group";
/// Another instance protects the same by the same policy.
const TWIN: &str = "twin";

/// What the vault looks at, and what must hold where the catalogue has no words for it.
const LOOKED_AT: [(&str, &str); 13] = [
    ("P1", ""),
    ("P3", ""),
    ("P5", ""),
    ("P6", ""),
    ("P7", ""),
    ("P9", ""),
    ("P14", ""),
    ("P23", ""),
    ("P24", ""),
    ("P25", ""),
    ("P32", ""),
    (CONNECTION, "The cluster is known to the vault and connected to it."),
    (SNAPSHOT_GROUP, "The resource group for snapshots is there."),
];

/// The id of the check that a problem is about: a cluster's own problems say it, those of the vault follow from their code.
pub fn id_of(problem: &Problem) -> Option<&str> {
    let target = problem.target.as_deref().filter(|target| !target.is_empty() && !target.contains('/'));
    let by_code = match problem.code.as_str() {
        "UserErrorKubernetesBackupExtensionNotFoundError"
        | "UserErrorKubernetesBackupExtensionHasErrors"
        | "UserErrorKubernetesBackupExtensionUnhealthy" => Some("P1"),
        "UserErrorTrustedAccessGatewayReturnedForbidden" => Some("P3"),
        "UserErrorKubernetesBackupExtensionIdentityNotFound" => Some("P5"),
        "UserErrorExtensionMSIMissingPermissionsOnBackupStorageLocation" => Some("P6"),
        "MissingSubscriptionRegistration" => Some("P7"),
        "UserErrorClusterServicePrincipalNotSupported" => Some("P14"),
        "KubernetesBackupListExtensionsError"
        | "UserErrorVaultMSIMissingPermissionsOnSnapshotResourceGroup"
        | "UserErrorClusterMSIMissingPermissionsOnSnapshotResourceGroup"
        | "UserErrorVaultIdentityNotFound" => Some("P23"),
        "UserErrorCrossRegionNotSupported" => Some("P24"),
        "UserErrorSnapshotResourceGroupHasLocks" => Some("P32"),
        "UserErrorClusterNotConnected" | "UserErrorDataSourceNotFound" => Some(CONNECTION),
        "UserErrorSnapshotResourceGroupNotFound" => Some(SNAPSHOT_GROUP),
        "UserErrorBackupInstanceAlreadyExists" => Some(TWIN),
        _ => None,
    };
    target.or(by_code)
}

/// An error with the check that it is about, and with the catalogue's commands where it has none of its own.
pub fn explained(problem: &Problem) -> ArmError {
    let id = id_of(problem);
    let Some(check) = id.and_then(known) else { return crate::api::instances::problem_error(problem) };
    let mut whole = problem.clone();
    if !problem.recommended_action.iter().any(|fix| is_command(fix)) {
        whole.recommended_action.extend(commands(check, &names(problem.target.as_deref())));
    }
    let mut error = crate::api::instances::problem_error(&whole);
    error.additional_info.push(AdditionalInfo {
        kind: "prerequisite".to_owned(),
        info: json!({"id": check.id, "title": check.title, "reason": check.reason, "scope": check.scope.name()}),
    });
    error
}

fn is_command(fix: &str) -> bool {
    ["az ", "cofferdam ", "kubectl "].iter().any(|word| fix.contains(word))
}

/// The catalogue's ways to mend something whose every name is known: nobody is handed a command with a gap.
fn commands(check: &prerequisites::Check, names: &Names) -> Vec<String> {
    let is_whole = |text: &str| {
        let wanted = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
        wanted.map(|(name, _)| name).all(|name| names.0.contains_key(name))
            && !["PRINCIPAL", "ROLE", "SCOPE", "VOLUME", "CLASS"].iter().any(|gap| text.contains(gap))
    };
    let whole = check.fixes.iter().filter(|fix| fix.by == Hand::Person || is_whole(fix.text));
    whole.map(|fix| names.fill(fix.text)).collect()
}

/// The names that the id of a cluster gives.
fn names(target: Option<&str>) -> Names {
    let mut names = Names::default();
    let cluster: Option<ResourceId> = target.and_then(|target| target.parse().ok());
    let cluster = cluster.filter(|id| id.kind().is(crate::api::clusters::KIND));
    if let Some(cluster) = cluster {
        names.0.insert("cluster", cluster.name().to_owned());
        names.0.insert("group", cluster.resource_group().unwrap_or_default().to_owned());
        names.0.insert("subscription", cluster.subscription_id().to_owned());
    }
    names
}

/// What the vault sees, one row for each check that it looks at.
pub fn rows(facts: &Facts, now: Timestamp) -> Vec<Row> {
    let verdicts = Verdicts::of(facts);
    let problems = checks::problems(facts, &verdicts);
    let one = |(id, title): &(&str, &str)| {
        let wrong: Vec<&Problem> = problems.iter().filter(|problem| by_code(problem) == Some(*id)).collect();
        if wrong.is_empty() {
            let (verdict, evidence) = otherwise(facts, &verdicts, id);
            let row = Row::new(id, title, verdict, &evidence, By::Vault, now);
            let fixes = known(id).filter(|_| verdict == Verdict::Failed);
            let code = verdicts.get(id).filter(|_| verdict == Verdict::Failed).and_then(|said| said.code);
            return Row { code: code.map(str::to_owned), ..row }
                .mended_by(fixes.map(|check| commands(check, &vault_names(facts))).unwrap_or_default());
        }
        let said: Vec<&str> = wrong.iter().map(|problem| problem.message.as_str()).collect();
        let objects: Vec<String> = wrong.iter().filter_map(|problem| problem.target.clone()).collect();
        let fixes = wrong.iter().flat_map(|problem| problem.recommended_action.clone());
        let row = Row::new(id, title, Verdict::Failed, &said.join(" "), By::Vault, now);
        // What validation refuses blocks, whatever another product's rules make of it.
        Row { blocks: true, code: wrong.first().map(|problem| problem.code.clone()), ..row }
            .about(&objects)
            .mended_by(fixes)
    };
    LOOKED_AT.iter().map(one).collect()
}

/// The problems of the vault name resources where those of a cluster name checks.
fn by_code(problem: &Problem) -> Option<&'static str> {
    let without = Problem { target: None, ..problem.clone() };
    LOOKED_AT.iter().map(|(id, _)| *id).find(|id| id_of(&without) == Some(*id))
}

fn vault_names(facts: &Facts) -> Names {
    let mut names = names(Some(facts.cluster.as_str()));
    names.0.insert("vault-id", facts.vault.to_string());
    names.0.insert("vault", facts.vault.name().to_owned());
    if let Some(account) = &facts.account {
        names.0.insert("account", account.id.name().to_owned());
        names.0.insert("account-id", account.id.to_string());
        names.0.insert("account-group", account.id.resource_group().unwrap_or_default().to_owned());
    }
    names
}

/// What is said of a check that validation finds nothing wrong with.
fn otherwise(facts: &Facts, verdicts: &Verdicts, id: &str) -> (Verdict, String) {
    use Verdict::{Failed, NotApplicable, NotObservable, Passed};
    if facts.record.is_none() {
        return (NotObservable, "The vault does not know the cluster.".to_owned());
    }
    match (id, &facts.account) {
        ("P1", _) => (Passed, "The cluster's extension is installed.".to_owned()),
        ("P3", _) => (Passed, "A Trusted Access binding of the cluster lets the vault in.".to_owned()),
        ("P9" | "P25", None) => (NotApplicable, "The store is not an account of this vault.".to_owned()),
        ("P9", Some(account)) if account.admits_vault => {
            (Passed, format!("The network rules of {} let the vault in.", account.id))
        }
        ("P9", Some(account)) => (
            Failed,
            format!(
                "The network rules of {} let the vault {} in neither by name nor as a trusted service.",
                account.id, facts.vault
            ),
        ),
        (CONNECTION, _) => (Passed, "The cluster is connected to the vault.".to_owned()),
        (SNAPSHOT_GROUP, _) => (Passed, "It is there.".to_owned()),
        _ => verdicts.get(id).map_or((NotObservable, "Nobody looked.".to_owned()), said),
    }
}

/// What the catalogue says of a check.
fn said(judged: &Judged) -> (Verdict, String) {
    let evidence = judged.finding.evidence.clone();
    match &judged.finding.outcome {
        Outcome::Passed => (Verdict::Passed, evidence),
        Outcome::Failed { .. } => (Verdict::Failed, evidence),
        Outcome::Skipped { .. } => (Verdict::Skipped, evidence),
        Outcome::NotObservable { why } => (Verdict::NotObservable, why.clone()),
        Outcome::NotApplicable { why } => (Verdict::NotApplicable, why.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::checks::{AccountFacts, facts_of_a_test};
    use identity::required::Held;

    fn seen(change: impl FnOnce(&mut Facts)) -> Vec<(String, Verdict)> {
        let mut facts = facts_of_a_test();
        change(&mut facts);
        rows(&facts, Timestamp::UNIX_EPOCH).into_iter().map(|row| (row.id, row.verdict)).collect()
    }

    fn failed(change: impl FnOnce(&mut Facts)) -> Vec<String> {
        let all = seen(change).into_iter();
        all.filter(|(_, verdict)| *verdict == Verdict::Failed).map(|(id, _)| id).collect()
    }

    #[test]
    fn whatever_validation_finds_wrong_is_a_row_of_the_catalogue() {
        assert_eq!(failed(|_| {}), Vec::<String>::new());
        assert_eq!(failed(|facts| facts.is_bound = false), ["P3"]);
        assert_eq!(failed(|facts| facts.extension = None), ["P1"]);
        assert_eq!(failed(|facts| facts.unregistered = vec!["Microsoft.DataProtection".into()]), ["P7"]);
        assert_eq!(failed(|facts| facts.roles[0].held = Held::Missing), ["P23"]);
        assert_eq!(failed(|facts| facts.record = None), [CONNECTION]);
        assert_eq!(
            failed(|facts| {
                facts.is_bound = false;
                facts.vault_location = "elsewhere".into();
            }),
            ["P3", "P24"]
        );
    }

    #[test]
    fn a_store_that_does_not_serve_or_does_not_trust_the_vault_warns() {
        let account = |change: fn(&mut AccountFacts)| {
            let id: ResourceId =
                "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a"
                    .parse()
                    .unwrap();
            let mut account = AccountFacts {
                container: Some((id.clone(), true)),
                id,
                admits_vault: true,
                location: "East US".into(),
                kind: "StorageV2".into(),
                sku: "Standard_LRS".into(),
            };
            change(&mut account);
            Some(account)
        };
        let rows = |account| rows(&Facts { account, ..facts_of_a_test() }, Timestamp::UNIX_EPOCH);
        let wrong = |account| -> Vec<String> {
            let all = rows(account).into_iter().filter(|row| row.verdict == Verdict::Failed);
            all.map(|row| format!("{} {} {}", row.id, row.blocks, row.code.unwrap_or_default())).collect()
        };

        assert_eq!(wrong(account(|_| {})), Vec::<String>::new());
        assert_eq!(wrong(account(|account| account.admits_vault = false)), ["P9 false "]);
        assert_eq!(wrong(account(|account| account.location = "elsewhere".into())), ["P25 false "]);
        assert_eq!(wrong(account(|account| account.sku = "Premium_LRS".into())), ["P25 false "]);
        assert_eq!(
            wrong(account(|account| {
                if let Some((_, there)) = &mut account.container {
                    *there = false;
                }
            })),
            ["P25 false UserErrorNoDefaultBackupStorageLocationFound"]
        );
        assert!(rows(None).iter().all(|row| row.id != "P9" || row.verdict == Verdict::NotApplicable));
    }

    #[test]
    fn an_unknown_cluster_leaves_the_rest_unseen_and_not_passed() {
        let all = seen(|facts| facts.record = None);

        assert!(all.iter().all(|(_, verdict)| *verdict != Verdict::Passed), "{all:?}");
    }

    #[test]
    fn an_error_says_which_prerequisite_it_is_and_hands_out_no_command_with_a_gap() {
        let cluster =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/one";
        let bare = Problem::error("UserErrorKubernetesBackupExtensionUnhealthy", "x").about(cluster);

        let error = explained(&bare);

        let find =
            |kind: &str| error.additional_info.iter().find(|one| one.kind == kind).unwrap().info.clone();
        assert_eq!(find("prerequisite")["id"], "P1");
        let actions = find("recommendedAction")["recommendedAction"].to_string();
        assert!(!actions.contains('{') && actions.len() > 2, "{actions}");
        let of_cluster = Problem::error("UserErrorPrerequisiteNotMet", "x").about("P12");
        let own = explained(&of_cluster.fix("kubectl apply -f snapshots.yaml"));
        assert_eq!(own.additional_info[1].info["id"], "P12");
        assert_eq!(
            own.additional_info[0].info["recommendedAction"],
            json!(["kubectl apply -f snapshots.yaml"])
        );
    }
}
