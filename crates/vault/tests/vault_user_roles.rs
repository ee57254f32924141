//! The roles of people, U1 to U6: each is taken away in turn, and whoever lacks it is told which role on which scope would
//! do and who can grant it. Following that makes the call go through.

mod world;

use arm::ResourceId;
use reqwest::Method;
use serde_json::{Value, json};
use world::{
    Answer, Person,
    protected::{POINT, Protected},
};

/// A person with all six roles, each on a scope that no other one covers: vault, source and target have groups of their own.
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
        for (_, role, scope) in this.six() {
            this.assign(role, &scope).await;
        }
        this
    }

    /// The rows: id, role, where this person has it. The vault's group holds the source cluster too, hence U2 on the vault.
    fn six(&self) -> [(&'static str, &'static str, String); 6] {
        [
            ("U1", "Owner", self.two.to_string()),
            ("U2", "Backup Contributor", self.it.vault.clone()),
            ("U3", "Owner", self.account.clone()),
            ("U4", "Owner", self.it.world.group("snapshots")),
            ("U5", "Reader", self.it.managed.to_string()),
            ("U6", "Backup MUA Operator", self.guard.clone()),
        ]
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

    /// What a person with that role does.
    async fn act(&self, row: &str) -> Answer {
        let it = &self.it;
        let reader = |scope: &str| {
            let name = uuid::Uuid::new_v4();
            let body = it.world.assignment("Reader", &self.person);
            (Method::PUT, format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"), body)
        };
        let mut restore = self.restore();
        let (method, path, body) = match row {
            "U1" => {
                let path =
                    format!("{}/providers/Microsoft.KubernetesConfiguration/extensions/other", self.two);
                let body = json!({"properties": {"extensionType": "microsoft.dataprotection.kubernetes"}});
                (Method::PUT, path, body)
            }
            "U2" => {
                let body = json!({"backupInstance": it.wanted()});
                (Method::POST, format!("{}/validateForBackup", it.vault), body)
            }
            "U3" => reader(&self.account),
            "U4" => reader(&it.world.group("snapshots")),
            "U5" => {
                let body = json!({"restoreRequestObject": restore});
                (Method::POST, format!("{}/validateRestore", it.instance), body)
            }
            _ => {
                let request = format!("{}/triggerRestoreRequests/default", self.guard);
                restore["resourceGuardOperationRequests"] = json!([request]);
                (Method::POST, format!("{}/restore", it.instance), restore)
            }
        };
        it.world.call(&self.person, method, &path, Some(body)).await
    }

    fn restore(&self) -> Value {
        let target = &self.two;
        let datasource = json!({"objectType": "Datasource", "datasourceType": "Microsoft.ContainerService/managedClusters",
            "resourceID": target, "resourceUri": target, "resourceName": "two",
            "resourceType": "Microsoft.ContainerService/managedClusters", "resourceLocation": "local"});
        json!({"objectType": "AzureBackupRecoveryPointBasedRestoreRequest", "recoveryPointId": POINT,
            "sourceDataStoreType": "OperationalStore",
            "restoreTargetInfo": {"objectType": "ItemLevelRestoreTargetInfo", "recoveryOption": "FailIfExists",
                "restoreLocation": "local", "datasourceInfo": datasource, "datasourceSetInfo": datasource,
                "restoreCriteria": [{"objectType": "KubernetesClusterRestoreCriteria"}]}})
    }
}

#[tokio::test]
async fn who_lacks_one_of_the_six_roles_is_told_which_where_and_who_can_grant_it_and_that_helps() {
    let six = Six::start().await;
    let group = six.it.world.group("shop");

    for (row, role, scope) in six.six() {
        six.take(&scope).await;
        let refused = six.act(row).await;
        // The vault's row names the group of the vault.
        let told = if row == "U2" { &group } else { &scope };
        let advice = refused.body["error"]["additionalInfo"][0]["info"]["recommendedAction"].clone();
        let sentence = advice[0].as_str().unwrap_or_default().to_owned();
        six.assign(role, told).await;
        let after = six.act(row).await;

        assert_eq!(refused.status, 403, "{row}: {refused:?}");
        assert!(
            sentence.contains(&format!("The role '{role}' on '{told}' ({row}) is missing")),
            "{row}: {refused:?}"
        );
        assert!(
            sentence.contains("An Owner or User Access Administrator of that scope can grant it"),
            "{sentence}"
        );
        for (at, program) in [(1, "cofferdam"), (2, "az")] {
            let command = advice[at].as_str().unwrap();
            let parts =
                [program, &six.person.object_id, "--assignee-principal-type ServicePrincipal", role, told];
            assert!(parts.iter().all(|part| command.contains(part)), "{row}: {command}");
        }
        assert_ne!(after.status, 403, "{row}: {after:?}");
        if row == "U2" {
            // As it was, for what covers the source cluster hides what is asked about it.
            six.take(&group).await;
            six.assign(role, &scope).await;
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
