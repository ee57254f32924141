//! The roles of people, U1 to U6, as the table has them: each is taken away in turn, and whoever lacks it is told at each
//! thing that it is used for which role on which scope would do and who can grant it. Following that makes the call go through.

mod world;

use arm::ResourceId;
use identity::required::{ASSIGN_ROLES, PERSON_ROLES, PersonPlace};
use reqwest::Method;
use serde_json::{Value, json};
use world::{
    Answer, Person, policy,
    protected::{self, POINT, Protected},
};

/// Nobody makes snapshots by this API: the cluster does, and a person only in Azure.
const NOT_HERE: &str = "Microsoft.Compute/snapshots/write";

/// A person with all roles, each on a scope that no other one covers: vault, source and target have groups of their own.
struct Six {
    it: Protected,
    person: Person,
    two: ResourceId,
    account: String,
    guard: String,
}

impl Six {
    async fn start() -> Self {
        let it = Protected::start().await;
        it.protect().await;
        it.cluster.says("Backup", json!({"phase": "Completed", "recoveryPoint": {"id": POINT}}));
        it.ended(&it.job_of(&it.back_up().await).await).await;
        let clusters = it.world.make_group("clusters").await;
        let two = format!("{clusters}/providers/Microsoft.ContainerService/managedClusters/two");
        let two: ResourceId = two.parse().unwrap();
        it.connect_another(&two).await;
        let account = it.writes_to_account(&two, "store").await;
        let guards = it.world.make_group("guards").await;
        let guard = format!("{guards}/providers/Microsoft.DataProtection/resourceGuards/guard");
        let made = it.call(Method::PUT, &guard, Some(json!({"location": "local", "properties": {}}))).await;
        assert_eq!(made.status, 201, "{made:?}");
        let proxy = format!("{}/backupResourceGuardProxies/DppResourceGuardProxy", it.vault);
        let body = json!({"properties": {"resourceGuardResourceId": guard}});
        assert_eq!(it.call(Method::PUT, &proxy, Some(body)).await.status, 200);
        let person = it.world.person(None, &it.vault).await;
        let this = Self { it, person, two, account, guard };
        for row in PERSON_ROLES {
            this.assign(row.role, &this.place(row.place)).await;
        }
        this
    }

    /// Where this person has a role. The vault's group holds the source cluster too, hence U2 on the vault.
    fn place(&self, place: PersonPlace) -> String {
        match place {
            PersonPlace::Cluster => self.two.to_string(),
            PersonPlace::VaultGroup => self.it.vault.clone(),
            PersonPlace::StorageAccount => self.account.clone(),
            PersonPlace::SnapshotGroup => self.it.world.group("snapshots"),
            PersonPlace::SourceCluster => self.it.managed.to_string(),
            PersonPlace::ResourceGuard => self.guard.clone(),
        }
    }

    async fn assign(&self, role: &str, scope: &str) {
        let made = self.it.world.assign(&self.it.world.administrator, role, &self.person, scope).await;
        assert_eq!(made.status, 201, "{role} on {scope}: {made:?}");
    }

    async fn take(&self, scope: &str) {
        let filter = format!("principalId%20eq%20'{}'", self.person.object_id);
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        let listed = self.it.get(&path).await;
        let at = |one: &&Value| one["properties"]["scope"] == scope;
        let id = listed.body["value"].as_array().unwrap().iter().find(at).unwrap()["id"].clone();
        assert_eq!(self.it.call(Method::DELETE, id.as_str().unwrap(), None).await.status, 200);
    }

    /// What a person with a role at that place does who does this; nothing where nobody can.
    async fn act(&self, place: &str, action: &str) -> Option<Answer> {
        let (it, two, vault) = (&self.it, &self.two, &self.it.vault);
        let restores = format!("{}/triggerRestoreRequests/default", self.guard);
        let mut restore = protected::restore(&self.two);
        restore["resourceGuardOperationRequests"] = json!([restores]);
        let (method, path, body) = match action {
            NOT_HERE => return None,
            ASSIGN_ROLES => {
                let name = uuid::Uuid::new_v4();
                let path = format!("{place}/providers/Microsoft.Authorization/roleAssignments/{name}");
                (Method::PUT, path, it.world.assignment("Reader", &self.person))
            }
            "Microsoft.KubernetesConfiguration/extensions/write" => {
                let path = format!("{two}/providers/Microsoft.KubernetesConfiguration/extensions/other");
                let body = json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes"}});
                (Method::PUT, path, body)
            }
            "Microsoft.ContainerService/managedClusters/trustedAccessRoleBindings/write" => {
                let roles = ["Microsoft.DataProtection/backupVaults/backup-operator"];
                let body = json!({"properties": {"sourceResourceId": vault, "roles": roles}});
                (Method::PUT, format!("{two}/trustedAccessRoleBindings/other"), body)
            }
            "Microsoft.DataProtection/backupVaults/write" => {
                let settings = json!([{"datastoreType": "OperationalStore", "type": "LocallyRedundant"}]);
                let body = json!({"location": "local", "properties": {"storageSettings": settings}});
                (Method::PUT, format!("{vault}2"), body)
            }
            "Microsoft.DataProtection/backupVaults/backupPolicies/write" => {
                let rules = policy::body("2026-01-05T03:00:00+00:00", "P7D");
                (Method::PUT, format!("{vault}/backupPolicies/other"), rules)
            }
            "Microsoft.DataProtection/backupVaults/validateForBackup/action" => {
                let body = json!({"backupInstance": it.wanted()});
                (Method::POST, format!("{vault}/validateForBackup"), body)
            }
            "Microsoft.DataProtection/backupVaults/backupInstances/write" => {
                let body = json!({"properties": it.wanted()});
                (Method::PUT, format!("{vault}/backupInstances/other"), body)
            }
            // Whoever may not see what was backed up is refused here, and not by the cluster alone.
            "Microsoft.DataProtection/backupVaults/backupInstances/validateRestore/action"
            | "Microsoft.ContainerService/managedClusters/read" => {
                let body = json!({"restoreRequestObject": protected::restore(&self.two)});
                (Method::POST, format!("{}/validateRestore", it.instance), body)
            }
            "Microsoft.DataProtection/backupVaults/backupInstances/restore/action"
            | "Microsoft.DataProtection/resourceGuards/triggerRestoreRequests/approve/action" => {
                (Method::POST, format!("{}/restore", it.instance), restore)
            }
            "Microsoft.Storage/storageAccounts/read" => (Method::GET, self.account.clone(), Value::Null),
            "Microsoft.Storage/storageAccounts/blobServices/containers/write" => {
                let path = format!("{}/blobServices/default/containers/other", self.account);
                (Method::PUT, path, json!({"properties": {}}))
            }
            other => panic!("nobody here does {other}: say how"),
        };
        let body = Some(body).filter(|body| !body.is_null());
        Some(it.world.call(&self.person, method, &path, body).await)
    }

    /// The same for each of a row's actions: what was answered.
    async fn do_all(&self, place: &str, actions: &[&'static str]) -> Vec<(&'static str, Answer)> {
        let mut answers = Vec::new();
        for action in actions {
            if let Some(answer) = self.act(place, action).await {
                answers.push((*action, answer));
            }
        }
        answers
    }
}

/// What a refusal says next: a sentence, and two commands.
fn advice(refused: &Answer) -> Vec<String> {
    let told = &refused.body["error"]["additionalInfo"][0]["info"]["recommendedAction"];
    told.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn who_lacks_one_of_the_six_roles_is_told_which_where_and_who_can_grant_it_and_that_helps() {
    let six = Six::start().await;
    let group = six.it.world.group("shop");

    for row in PERSON_ROLES {
        let (id, place) = (row.id, six.place(row.place));
        // The vault's row names the group of the vault.
        let told = if row.place == PersonPlace::VaultGroup { &group } else { &place };
        six.take(&place).await;
        let refused = six.do_all(&place, row.actions).await;
        six.assign(row.role, told).await;
        let after = six.do_all(&place, row.actions).await;

        let skipped = row.actions.iter().filter(|action| **action == NOT_HERE).count();
        assert_eq!(refused.len() + skipped, row.actions.len(), "{id}");
        for (action, refused) in &refused {
            // Whoever only looks needs no more than to look.
            let (role, shown) = match action.ends_with("/read") && row.role != "Reader" {
                true => ("Reader", String::new()),
                false => (row.role, format!(" ({id})")),
            };
            let said = advice(refused);
            assert_eq!(refused.status, 403, "{id} {action}: {refused:?}");
            assert!(
                said[0].contains(&format!("The role '{role}' on '{told}'{shown} is missing")),
                "{id} {action}: {refused:?}"
            );
            assert!(
                said[0].contains("An Owner or User Access Administrator of that scope can grant it"),
                "{said:?}"
            );
            for (command, program) in said[1..].iter().zip(["cofferdam", "az"]) {
                let kind = "--assignee-principal-type ServicePrincipal";
                let parts = [program, &six.person.object_id, kind, role, told];
                assert!(parts.iter().all(|part| command.contains(part)), "{id}: {command}");
            }
            assert_eq!(said.len(), 3, "{said:?}");
        }
        for (action, after) in &after {
            assert_ne!(after.status, 403, "{id} {action}: {after:?}");
        }
        if row.place == PersonPlace::VaultGroup {
            // As it was, for what covers the source cluster hides what is asked about it.
            six.take(&group).await;
            six.assign(row.role, &place).await;
        }
    }
}

#[tokio::test]
async fn who_only_wants_to_look_is_told_the_least_role_that_lets_look() {
    let it = Protected::start().await;
    let nobody = it.world.person(None, &it.vault).await;

    let refused = it.world.get(&nobody, &it.vault).await;

    let told = refused.body["error"]["additionalInfo"][0]["info"]["recommendedAction"][0].as_str().unwrap();
    assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"));
    assert!(told.contains(&format!("The role 'Reader' on '{}' is missing", it.vault)), "{told}");
}
