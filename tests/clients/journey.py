"""The whole way with the official packages alone, on two real clusters.

usage: journey.py CREDENTIAL CA URL APPLY-ONE APPLY-TWO KUBECTL-ONE KUBECTL-TWO

APPLY-… are commands that take a manifest as JSON on standard input and apply it to a cluster; KUBECTL-… are commands
with which a person looks into it. Both are split at spaces.
"""

import json
import subprocess
import sys
import time
import uuid
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.dataprotection import DataProtectionMgmtClient
from azure.mgmt.kubernetesconfiguration.extensions import KubernetesConfigurationExtensionsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

GIVEN = json.load(open(sys.argv[1]))
CA, URL = sys.argv[2], sys.argv[3]
APPLY = {"one": sys.argv[4].split(), "two": sys.argv[5].split()}
KUBECTL = {"one": sys.argv[6].split(), "two": sys.argv[7].split()}
SUBSCRIPTION = GIVEN["subscriptionId"]
GROUP, SNAPSHOTS, VAULT, ACCOUNT, CONTAINER = "backup", "snapshots", "vault1", "shopstore", "backups"
ROOT = f"/subscriptions/{SUBSCRIPTION}"
SNAPSHOT_ID = f"{ROOT}/resourceGroups/{SNAPSHOTS}"
VAULT_ID = f"{ROOT}/resourceGroups/{GROUP}/providers/Microsoft.DataProtection/backupVaults/{VAULT}"
ACCOUNT_ID = f"{ROOT}/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
KIND = "Microsoft.ContainerService/managedClusters"
OPERATOR = "Microsoft.DataProtection/backupVaults/backup-operator"
# What clients of earlier releases send; the package that is installed sends a later one.
EARLIER = ("2024-04-01", "2025-07-01")
BEGUN = time.monotonic()


def client(of, **more):
    credential = ClientSecretCredential(
        GIVEN["tenantId"],
        GIVEN["clientId"],
        GIVEN["clientSecret"],
        authority=URL,
        disable_instance_discovery=True,
        connection_verify=CA,
    )
    scopes = [f"{URL}/.default"]
    return of(credential, SUBSCRIPTION, base_url=URL, credential_scopes=scopes, connection_verify=CA, polling_interval=1, **more)


resources = client(ResourceManagementClient)
containers = client(ContainerServiceClient)
extensions = client(KubernetesConfigurationExtensionsMgmtClient)
storage = client(StorageManagementClient)
roles = client(AuthorizationManagementClient)
backup = client(DataProtectionMgmtClient)


def step(text):
    print(f"{time.monotonic() - BEGUN:7.1f} s  {text}", flush=True)


def container_id(name):
    return f"{ACCOUNT_ID}/blobServices/default/containers/{name}"


def cluster_id(name):
    return f"{ROOT}/resourceGroups/{GROUP}/providers/{KIND}/{name}"


def kubectl(cluster, *args, given=None):
    done = subprocess.run([*KUBECTL[cluster], *args], input=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout


def connect(name):
    containers.managed_clusters.begin_create_or_update(GROUP, name, {"location": "local"}).result()
    request = HttpRequest("POST", f"{URL}{cluster_id(name)}/connect?api-version=2026-06-01")
    answer = resources.resources._client.send_request(request)
    answer.raise_for_status()
    manifest = {"apiVersion": "v1", "kind": "List", "items": answer.json()["manifest"]}
    done = subprocess.run(APPLY[name], input=json.dumps(manifest), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for _ in range(120):
        seen = resources.resources.get_by_id(cluster_id(name), api_version="2026-06-01")
        if seen.properties["cofferdam"]["connected"]:
            return
        time.sleep(1)
    raise AssertionError(f"{name} does not connect: {seen.properties}")


def install(name, container):
    wanted = {
        "properties": {
            "extensionType": "microsoft.dataprotection.kubernetes",
            "autoUpgradeMinorVersion": True,
            "releaseTrain": "stable",
            "scope": {"cluster": {}},
            "configurationSettings": {
                "configuration.backupStorageLocation.bucket": container,
                "configuration.backupStorageLocation.config.storageAccount": ACCOUNT,
                "configuration.backupStorageLocation.config.resourceGroup": GROUP,
                "configuration.backupStorageLocation.config.subscriptionId": SUBSCRIPTION,
                "configuration.backupStorageLocation.config.useAAD": "true",
                "resources.requests.cpu": "50m",
            },
        }
    }
    made = extensions.extensions.begin_create(
        GROUP, "Microsoft.ContainerService", "managedClusters", name, "azure-aks-backup", wanted
    ).result()
    assert made.properties.provisioning_state == "Succeeded", made.properties
    identity = made.properties.aks_assigned_identity
    assert identity.principal_id, made.properties
    return identity.principal_id


def assign(principal, role, scope):
    [definition] = roles.role_definitions.list(scope, filter=f"roleName eq '{role}'")
    body = {"properties": {"roleDefinitionId": definition.id, "principalId": principal, "principalType": "ServicePrincipal"}}
    roles.role_assignments.create(scope, str(uuid.uuid4()), body)


def let_in(name):
    wanted = {"properties": {"sourceResourceId": VAULT_ID, "roles": [OPERATOR]}}
    containers.trusted_access_role_bindings.begin_create_or_update(GROUP, name, "backuprb", wanted).result()


def policy(minutes):
    """A backup every four hours, the first one in some minutes."""
    store = {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"}
    first = datetime.now(timezone.utc).replace(second=0, microsecond=0) + timedelta(minutes=minutes) - timedelta(days=1)
    tagging = {"isDefault": True, "taggingPriority": 99, "tagInfo": {"tagName": "Default", "id": "Default_"}}
    lifecycle = {
        "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
        "sourceDataStore": store,
        "targetDataStoreCopySettings": [],
    }
    return {
        "properties": {
            "objectType": "BackupPolicy",
            "datasourceTypes": [KIND],
            "policyRules": [
                {
                    "objectType": "AzureBackupRule",
                    "name": "BackupHourly",
                    "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
                    "dataStore": store,
                    "trigger": {
                        "objectType": "ScheduleBasedTriggerContext",
                        "schedule": {"repeatingTimeIntervals": [f"R/{first.isoformat()}/PT4H"], "timeZone": "UTC"},
                        "taggingCriteria": [tagging],
                    },
                },
                {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": True, "lifecycles": [lifecycle]},
            ],
        }
    }


def source(name, kind="Datasource"):
    return {
        "objectType": kind,
        "datasourceType": KIND,
        "resourceID": cluster_id(name),
        "resourceUri": cluster_id(name),
        "resourceName": name,
        "resourceType": KIND,
        "resourceLocation": "local",
    }


def instance():
    return {
        "objectType": "BackupInstance",
        "friendlyName": "one/shop",
        "dataSourceInfo": source("one"),
        "dataSourceSetInfo": source("one", "DatasourceSet"),
        "policyInfo": {
            "policyId": f"{VAULT_ID}/backupPolicies/policy1",
            "policyParameters": {
                "dataStoreParametersList": [
                    {
                        "objectType": "AzureOperationalStoreParameters",
                        "dataStoreType": "OperationalStore",
                        "resourceGroupId": SNAPSHOT_ID,
                    }
                ],
                "backupDatasourceParametersList": [
                    {
                        "objectType": "KubernetesClusterBackupDatasourceParameters",
                        "snapshotVolumes": True,
                        "includeClusterScopeResources": False,
                        "includedNamespaces": ["shop"],
                    }
                ],
            },
        },
    }


def restore_request(point, target):
    return {
        "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
        "recoveryPointId": point,
        "sourceDataStoreType": "OperationalStore",
        "sourceResourceId": cluster_id("one"),
        "restoreTargetInfo": {
            "objectType": "ItemLevelRestoreTargetInfo",
            "recoveryOption": "FailIfExists",
            "restoreLocation": "local",
            "datasourceInfo": source(target),
            "datasourceSetInfo": source(target, "DatasourceSet"),
            "restoreCriteria": [
                {
                    "objectType": "KubernetesClusterRestoreCriteria",
                    "includeClusterScopeResources": False,
                    "includedNamespaces": ["shop"],
                    "persistentVolumeRestoreMode": "RestoreWithVolumeData",
                    "conflictPolicy": "Skip",
                }
            ],
        },
    }


def ended(job):
    name = job.job_id.rsplit("/", 1)[-1]
    for _ in range(300):
        seen = backup.jobs.get(GROUP, VAULT, name)
        if seen.properties.status not in ("InProgress", "Cancelling"):
            assert seen.properties.status in ("Completed", "CompletedWithWarnings"), seen.properties.as_dict()
            return seen.properties
        time.sleep(1)
    raise AssertionError(f"the job does not end: {seen.properties.as_dict()}")


def refused(code, call):
    try:
        call()
    except HttpResponseError as error:
        assert error.error is not None and error.error.code == code, (code, error)
        return error
    raise AssertionError(f"{code} was expected")


def journey():
    for group in (GROUP, SNAPSHOTS):
        resources.resource_groups.create_or_update(group, {"location": "local"})
    not_registered()
    for namespace in ("KubernetesConfiguration", "DataProtection", "ContainerService", "Storage", "ManagedIdentity"):
        resources.providers.register(f"Microsoft.{namespace}")
    connect("one")
    connect("two")
    step("both clusters are connected")
    account = {"sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "location": "local"}
    storage.storage_accounts.begin_create(GROUP, ACCOUNT, account).result()
    for container in (CONTAINER, f"{CONTAINER}-two"):
        storage.blob_containers.create(GROUP, ACCOUNT, container, {})
    step("storage account and containers")
    writers = {"one": install("one", CONTAINER), "two": install("two", f"{CONTAINER}-two")}
    step("both extensions are installed")
    body = {
        "location": "local",
        "identity": {"type": "SystemAssigned"},
        "properties": {"storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]},
    }
    vault = backup.backup_vaults.begin_create_or_update(GROUP, VAULT, body).result()
    backup.backup_policies.create_or_update(GROUP, VAULT, "policy1", policy(3))
    step("vault and policy")
    wanted = {"properties": instance()}
    error = refused(
        "UserErrorTrustedAccessGatewayReturnedForbidden",
        lambda: backup.backup_instances.begin_validate_for_backup(GROUP, VAULT, {"backupInstance": instance()}).result(),
    )
    codes = {one.code for one in error.error.details}
    assert {"KubernetesBackupListExtensionsError"} <= codes, codes
    step(f"validation names all that is missing: {sorted(codes)}")
    for name in ("one", "two"):
        let_in(name)
        assign(vault.identity.principal_id, "Reader", cluster_id(name))
        own = containers.managed_clusters.get(GROUP, name).identity.principal_id
        assign(own, "Contributor", SNAPSHOT_ID)
    # Each writes to its own container; the second one restores from the first one's, and may only read there.
    assign(writers["one"], "Storage Blob Data Contributor", container_id(CONTAINER))
    assign(writers["two"], "Storage Blob Data Contributor", container_id(f"{CONTAINER}-two"))
    assign(writers["two"], "Storage Blob Data Reader", container_id(CONTAINER))
    assign(vault.identity.principal_id, "Reader", SNAPSHOT_ID)
    step("Trusted Access and roles")
    wait_for_validation()
    step("validated")
    made = backup.backup_instances.begin_create_or_update(GROUP, VAULT, "one-shop", wanted).result()
    assert made.properties.current_protection_state == "ProtectionConfigured", made.properties.as_dict()
    step("protected")
    rule = {"backupRuleOptions": {"ruleName": "BackupHourly", "triggerOption": {"retentionTagOverride": "Default"}}}
    job = ended(backup.backup_instances.begin_adhoc_backup(GROUP, VAULT, "one-shop", rule).result())
    [point] = list(backup.recovery_points.list(GROUP, VAULT, "one-shop"))
    step(f"backed up on demand in {job.duration}: {point.name[:12]}")
    tasks = {task.task_name: task.task_status for task in job.extended_info.sub_tasks}
    assert len(tasks) == 6 and set(tasks.values()) <= {"Completed", "CompletedWithWarnings"}, tasks
    looked = backup.backup_instances.begin_sync_backup_instance(GROUP, VAULT, "one-shop", {"syncType": "ForceResync"})
    looked.result()
    synced = [one for one in backup.jobs.list(GROUP, VAULT) if one.properties.operation == "SyncProtection"]
    synced = backup.jobs.get(GROUP, VAULT, synced[0].name).properties
    seen = synced.extended_info.additional_details
    told = [one.warning.code for one in synced.extended_info.warning_details or []]
    assert synced.status in ("Completed", "CompletedWithWarnings"), synced.as_dict()
    assert not any(code.startswith(("UserError", "RecoveryPoint")) for code in told), told
    assert int(seen["RecoveryPointsCompared"]) >= 1 and int(seen["BackupsInCluster"]) >= 1, seen
    step("synchronized: the cluster and its repository are as the vault has them")
    request = restore_request(point.name, "two")
    backup.backup_instances.begin_validate_for_restore(GROUP, VAULT, "one-shop", {"restoreRequestObject": request}).result()
    ended(backup.backup_instances.begin_trigger_restore(GROUP, VAULT, "one-shop", request).result())
    step("restored to the other cluster")
    same_shop("two")
    kubectl("one", "delete", "namespace", "shop", "--wait=true", "--timeout=90s")
    ended(backup.backup_instances.begin_trigger_restore(GROUP, VAULT, "one-shop", restore_request(point.name, "one")).result())
    same_shop("one")
    step("lost and restored where it was")
    scheduled()
    step("backed up on schedule")
    earlier_versions()
    step(f"read with the api-versions {', '.join(EARLIER)} too, and all is the same")
    life()
    step("stopped, resumed, deleted, brought back")


def not_registered():
    """Calls that take long are not registered by the packages themselves, and say what to do."""
    clusters = containers.managed_clusters
    wanted = {"location": "local"}
    error = refused("MissingSubscriptionRegistration", lambda: clusters.begin_create_or_update(GROUP, "one", wanted))
    assert "Microsoft.ContainerService/register" in error.message, error


def wait_for_validation():
    """Roles and the extension's look at its location take a moment."""
    for _ in range(60):
        try:
            backup.backup_instances.begin_validate_for_backup(GROUP, VAULT, {"backupInstance": instance()}).result()
            return
        except HttpResponseError as error:
            last = error
            time.sleep(2)
    raise last


def same_shop(cluster):
    found = json.loads(kubectl(cluster, "get", "configmap", "-n", "shop", "words", "-o", "json"))
    assert found["data"] == {"greeting": "hello"}, found
    claim = json.loads(kubectl(cluster, "get", "pvc", "-n", "shop", "data", "-o", "json"))
    assert claim["status"]["phase"] == "Bound", claim["status"]
    kubectl(cluster, "wait", "-n", "shop", "--for=condition=Ready", "pod/app", "--timeout=90s")
    words = kubectl(cluster, "exec", "-n", "shop", "app", "--", "cat", "/data/words")
    assert words == "kept in the volume\n", words


def scheduled():
    for _ in range(300):
        jobs = [one for one in backup.jobs.list(GROUP, VAULT) if not one.properties.is_user_triggered]
        if jobs and jobs[0].properties.status in ("Completed", "CompletedWithWarnings"):
            assert len(list(backup.recovery_points.list(GROUP, VAULT, "one-shop"))) == 2
            return
        assert not jobs or jobs[0].properties.status == "InProgress", jobs[0].properties.as_dict()
        time.sleep(1)
    raise AssertionError("no scheduled backup came about")


def read_by(of):
    """The ids of all that there is by now, each read in its list and for itself."""
    at = (GROUP, VAULT)
    lists = {
        "vaults": list(of.backup_vaults.get_in_resource_group(GROUP)),
        "policies": list(of.backup_policies.list(*at)),
        "instances": list(of.backup_instances.list(*at)),
        "points": list(of.recovery_points.list(*at, "one-shop")),
        "jobs": list(of.jobs.list(*at)),
    }
    each = {
        "vaults": lambda name: of.backup_vaults.get(GROUP, name),
        "policies": lambda name: of.backup_policies.get(*at, name),
        "instances": lambda name: of.backup_instances.get(*at, name),
        "points": lambda name: of.recovery_points.get(*at, "one-shop", name),
        "jobs": lambda name: of.jobs.get(*at, name),
    }
    ids = {kind: [one.id for one in all] for kind, all in lists.items()}
    for kind, all in lists.items():
        assert ids[kind] == [each[kind](one.name).id for one in all], (kind, ids[kind])
    return ids


def earlier_versions():
    """Clients of earlier releases read the same."""
    now = read_by(backup)
    assert len(now["points"]) == 2 and len(now["jobs"]) >= 5, now
    assert now["vaults"] == [VAULT_ID] and now["instances"] == [f"{VAULT_ID}/backupInstances/one-shop"], now
    for version in EARLIER:
        sent = []
        hook = lambda request: sent.append(parse_qs(urlsplit(request.http_request.url).query)["api-version"])
        earlier = client(DataProtectionMgmtClient, api_version=version, raw_request_hook=hook)
        seen = read_by(earlier)
        assert sent and all(one == [version] for one in sent), (version, sent)
        assert seen == now, (version, seen, now)


def life():
    instances = backup.backup_instances
    state = lambda: instances.get(GROUP, VAULT, "one-shop").properties.current_protection_state
    instances.begin_stop_protection(GROUP, VAULT, "one-shop").result()
    assert state() == "ProtectionStopped"
    instances.begin_resume_protection(GROUP, VAULT, "one-shop").result()
    assert state() == "ProtectionConfigured"
    instances.begin_suspend_backups(GROUP, VAULT, "one-shop").result()
    assert state() == "BackupSchedulesSuspended"
    instances.begin_resume_backups(GROUP, VAULT, "one-shop").result()
    instances.begin_delete(GROUP, VAULT, "one-shop").result()
    refused("ResourceNotFound", lambda: instances.get(GROUP, VAULT, "one-shop"))
    assert [one.name for one in backup.deleted_backup_instances.list(GROUP, VAULT)] == ["one-shop"]
    backup.deleted_backup_instances.begin_undelete(GROUP, VAULT, "one-shop").result()
    assert state() == "ProtectionStopped"


journey()
