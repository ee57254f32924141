"""What the official clients do with a vault, twice: at the api-versions that they send by themselves, and at older ones.
Reads the vault's credential file and the CA's path from its arguments."""

import json
import sys
import uuid
from urllib.parse import parse_qs, urlsplit

import msal
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.dataprotection import DataProtectionMgmtClient
from azure.mgmt.kubernetesconfiguration.extensions import KubernetesConfigurationExtensionsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

with open(sys.argv[1], encoding="utf-8") as file:
    GIVEN = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    SOMEONE = json.load(file)
CA = sys.argv[3]
URL = sys.argv[4]
PERSON = sys.argv[5]
with open(sys.argv[6], encoding="utf-8") as file:
    PASSWORD = file.read()
SUBSCRIPTION = GIVEN["subscriptionId"]
ROOT = f"/subscriptions/{SUBSCRIPTION}"
KIND = "Microsoft.ContainerService/managedClusters"
# The vault serves every version since these services exist. Of roles and identities the packages hold one module for each.
OLDER = {
    "subscriptions": {"api_version": "2020-01-01"},
    "resources": {"api_version": "2021-04-01"},
    "authorization": {
        "profile": {"role_assignments": "2020-10-01-preview", "role_definitions": "2018-01-01-preview"}
    },
    "containers": {"api_version": "2024-10-01"},
    "identities": {"api_version": "2022-01-31-preview"},
    # This package makes no vaults at versions before this one.
    "backup": {"api_version": "2025-09-01"},
    "extensions": {"api_version": "2023-05-01"},
}
SENT = set()


def credential(who, secret=None):
    return ClientSecretCredential(
        who["tenantId"],
        who["clientId"],
        secret or who["clientSecret"],
        authority=URL,
        disable_instance_discovery=True,
        connection_verify=CA,
    )


def note(request):
    """Which api-versions were really sent."""
    query = parse_qs(urlsplit(request.http_request.url).query)
    SENT.update(query.get("api-version", []))


def client(of, who, more):
    return of(
        credential=credential(who),
        subscription_id=SUBSCRIPTION,
        base_url=URL,
        credential_scopes=[f"{URL}/.default"],
        connection_verify=CA,
        polling_interval=1,
        raw_request_hook=note,
        **more,
    )


def clients(who, versions):
    common = {
        "credential": credential(who),
        "base_url": URL,
        "credential_scopes": [f"{URL}/.default"],
        "connection_verify": CA,
        "raw_request_hook": note,
    }
    return (
        SubscriptionClient(**common, **versions.get("subscriptions", {})),
        client(ResourceManagementClient, who, versions.get("resources", {})),
        client(AuthorizationManagementClient, who, versions.get("authorization", {})),
        client(ContainerServiceClient, who, versions.get("containers", {})),
    )


def refused(code, call):
    try:
        call()
    except HttpResponseError as error:
        assert error.error.code == code, error
        return error
    raise AssertionError(f"nothing was refused; {code} was expected")


def cloud_is_described():
    answer = requests.get(f"{URL}/metadata/endpoints", params={"api-version": "2022-09-01"}, verify=CA, timeout=30)
    assert answer.json()["authentication"]["loginEndpoint"] == URL, answer.text


def a_wrong_secret_is_told():
    try:
        credential(GIVEN, "wrong").get_token(f"{URL}/.default")
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in str(error), error
        return
    raise AssertionError("a wrong secret was taken")


def subscriptions_are_listed(subscriptions):
    [one] = list(subscriptions.subscriptions.list())
    assert (one.subscription_id, one.state) == (SUBSCRIPTION, "Enabled"), one
    assert subscriptions.subscriptions.get(SUBSCRIPTION).id == ROOT
    [tenant] = list(subscriptions.tenants.list())
    assert tenant.tenant_id == GIVEN["tenantId"], tenant
    assert [place.name for place in subscriptions.subscriptions.list_locations(SUBSCRIPTION)] == ["local"]


def groups_live(resources):
    groups = resources.resource_groups
    assert not groups.check_existence("backup")
    made = groups.create_or_update("backup", {"location": "local", "tags": {"a": "b"}})
    assert (made.id, made.properties.provisioning_state) == (f"{ROOT}/resourceGroups/backup", "Succeeded"), made
    assert groups.check_existence("BACKUP")
    assert groups.update("backup", {"tags": {"a": "c"}}).tags == {"a": "c"}
    assert groups.get("backup").tags == {"a": "c"}
    for name in ["one", "two", "three"]:
        groups.create_or_update(name, {"location": "local"})
    assert sorted(group.name for group in groups.list(top=2)) == ["backup", "one", "three", "two"]
    assert [group.name for group in groups.list(filter="tagName eq 'a'")] == ["backup"]
    groups.begin_delete("one", polling_interval=1).result()
    refused("ResourceGroupNotFound", lambda: groups.get("one"))
    refused("LocationRequired", lambda: groups.create_or_update("none", {}))


def providers_are_registered(resources):
    namespace = "Microsoft.KubernetesConfiguration"
    assert resources.providers.get(namespace).registration_state == "NotRegistered"
    assert resources.providers.register(namespace).registration_state == "Registered"
    assert namespace in [one.namespace for one in resources.providers.list()]
    assert resources.providers.unregister(namespace).registration_state == "NotRegistered"


def roles_are_assigned_and_enforced(authorization, versions):
    scope = f"{ROOT}/resourceGroups/backup"
    _, theirs, _, _ = clients(SOMEONE, versions)
    denied = refused("AuthorizationFailed", lambda: theirs.resource_groups.get("backup"))
    assert denied.status_code == 403 and SOMEONE["objectId"] in denied.message, denied
    [reader] = list(authorization.role_definitions.list(scope, filter="roleName eq 'Reader'"))
    wanted = {
        "role_definition_id": reader.id,
        "principal_id": SOMEONE["objectId"],
        "principal_type": "ServicePrincipal",
    }
    name = str(uuid.uuid4())
    made = authorization.role_assignments.create(scope, name, wanted)
    assert made.role_definition_id == reader.id, made
    assert theirs.resource_groups.get("backup").name == "backup"
    refused("AuthorizationFailed", lambda: theirs.resource_groups.begin_delete("backup"))
    refused("RoleAssignmentExists", lambda: authorization.role_assignments.create(scope, str(uuid.uuid4()), wanted))
    at_scope = list(authorization.role_assignments.list_for_scope(scope, filter="atScope()"))
    assert {one.principal_id for one in at_scope} >= {GIVEN["objectId"], SOMEONE["objectId"]}, at_scope
    own = authorization.role_assignments.list_for_subscription(filter=f"principalId eq '{SOMEONE['objectId']}'")
    assert [one.id for one in own] == [made.id]
    assert authorization.role_assignments.get(scope, name).id == made.id
    authorization.role_assignments.delete(scope, name)
    refused("AuthorizationFailed", lambda: theirs.resource_groups.get("backup"))


def identities_live(resources, versions):
    resources.providers.register("Microsoft.ManagedIdentity")
    msi = client(ManagedServiceIdentityClient, GIVEN, versions.get("identities", {}))
    identities, credentials = msi.user_assigned_identities, msi.federated_identity_credentials
    made = identities.create_or_update("backup", "identity", {"location": "local", "tags": {"a": "b"}})
    assert made.id == f"{ROOT}/resourceGroups/backup/providers/Microsoft.ManagedIdentity/userAssignedIdentities/identity"
    assert made.principal_id and made.client_id and made.tenant_id == GIVEN["tenantId"], made
    assert identities.update("backup", "identity", {"tags": {"a": "c"}}).tags == {"a": "c"}
    assert [one.name for one in identities.list_by_subscription()] == ["identity"]
    assert [one.name for one in identities.list_by_resource_group("backup")] == ["identity"]
    wanted = {"issuer": "https://issuer.example", "subject": "s", "audiences": ["api://AzureADTokenExchange"]}
    credentials.create_or_update("backup", "identity", "outside", wanted)
    assert credentials.get("backup", "identity", "outside").subject == "s"
    assert [one.name for one in credentials.list("backup", "identity")] == ["outside"]
    credentials.delete("backup", "identity", "outside")
    identities.delete("backup", "identity")
    refused("ResourceNotFound", lambda: identities.get("backup", "identity"))


def a_person_signs_in_with_a_device_code():
    """What `az login --use-device-code` does: with the library that it does it with."""
    browser = requests.Session()
    browser.verify = CA
    # A REQUESTS_CA_BUNDLE of the machine would win over the vault's own authority.
    browser.trust_env = False
    app = msal.PublicClientApplication(
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        authority=f"{URL}/{GIVEN['tenantId']}",
        instance_discovery=False,
        http_client=browser,
    )
    flow = app.initiate_device_flow(scopes=[f"{URL}//.default"])
    assert flow["verification_uri"] == f"{URL}/devicelogin", flow
    page = browser.get(flow["verification_uri"], timeout=30).text
    mark = page.split('name="mark" value="')[1].split('"')[0]
    form = {"mark": mark, "code": flow["user_code"], "name": PERSON, "password": PASSWORD, "do": "allow"}
    done = browser.post(flow["verification_uri"], data=form, timeout=30)
    assert done.status_code == 200 and "Signed in" in done.text, done.text
    result = app.acquire_token_by_device_flow(flow)
    assert "access_token" in result, result
    [account] = app.get_accounts()
    assert account["username"] == PERSON, account
    storage = app.acquire_token_silent(["https://storage.azure.com/.default"], account=account)
    assert storage and "access_token" in storage, storage
    answer = requests.get(
        f"{URL}/subscriptions",
        params={"api-version": "2022-12-01"},
        headers={"Authorization": f"Bearer {result['access_token']}"},
        verify=CA,
        timeout=30,
    )
    assert [one["subscriptionId"] for one in answer.json()["value"]] == [SUBSCRIPTION], answer.text


def clusters_live(resources, containers):
    clusters = containers.managed_clusters
    # The policy of the package that registers by itself does not read the answers of calls that take long.
    wanted = {"location": "local"}
    refused("MissingSubscriptionRegistration", lambda: clusters.begin_create_or_update("backup", "one", wanted))
    resources.providers.register("Microsoft.ContainerService")
    made = clusters.begin_create_or_update("backup", "one", {"location": "local"}).result()
    assert (made.id, made.type) == (f"{ROOT}/resourceGroups/backup/providers/{KIND}/one", KIND), made
    assert made.identity.type == "SystemAssigned" and made.identity.principal_id, made.identity
    assert made.properties.provisioning_state == "Succeeded", made.properties
    assert made.properties.node_resource_group == "MC_backup_one_local", made.properties
    tagged = clusters.begin_update_tags("backup", "one", {"tags": {"a": "b"}}).result()
    assert tagged.tags == {"a": "b"}, tagged
    again = clusters.begin_create_or_update("backup", "one", clusters.get("backup", "one")).result()
    assert (again.identity.principal_id, again.tags) == (made.identity.principal_id, {"a": "b"}), again
    assert [one.name for one in clusters.list()] == ["one"]
    assert [one.name for one in clusters.list_by_resource_group("backup")] == ["one"]
    old = {"location": "local", "properties": {"servicePrincipalProfile": {"clientId": str(uuid.uuid4())}}}
    old = clusters.begin_create_or_update("backup", "old", old).result()
    assert old.identity is None, old
    old.identity = {"type": "SystemAssigned"}
    assert clusters.begin_create_or_update("backup", "old", old).result().identity.principal_id
    refused("UserErrorOperationNotSupported", lambda: clusters.list_cluster_user_credentials("backup", "one"))
    clusters.begin_delete("backup", "old").result()
    refused("ResourceNotFound", lambda: clusters.get("backup", "old"))


def vaults_come_in_by_consent(resources, containers, name):
    [role] = list(containers.trusted_access_roles.list("local"))
    assert (role.source_resource_type, role.name) == ("Microsoft.DataProtection/backupVaults", "backup-operator"), role
    assert len(role.rules) == 2 and role.rules[1].verbs == ["get", "list"], role.rules
    resources.providers.register("Microsoft.DataProtection")
    vault = f"{ROOT}/resourceGroups/backup/providers/Microsoft.DataProtection/backupVaults/{name}"
    store = {"datastoreType": "VaultStore", "type": "LocallyRedundant"}
    body = {"location": "local", "properties": {"storageSettings": [store]}}
    resources.resources.begin_create_or_update_by_id(vault, body, api_version="2026-06-01", polling_interval=1).result()
    bindings = containers.trusted_access_role_bindings
    refused("ResourceNotFound", lambda: bindings.get("backup", "one", "rb"))
    wanted = {"properties": {"sourceResourceId": vault, "roles": [f"{role.source_resource_type}/{role.name}"]}}
    made = bindings.begin_create_or_update("backup", "one", "rb", wanted).result()
    assert (made.properties.source_resource_id, made.properties.provisioning_state) == (vault, "Succeeded"), made
    assert [one.name for one in bindings.list("backup", "one")] == ["rb"]
    wanted["properties"]["roles"] = ["all"]
    refused("InvalidRequestContent", lambda: bindings.begin_create_or_update("backup", "one", "x", wanted).result())
    bindings.begin_delete("backup", "one", "rb").result()
    refused("ResourceNotFound", lambda: bindings.get("backup", "one", "rb"))


def policy():
    store = {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"}
    tagging = {"isDefault": True, "taggingPriority": 99, "tagInfo": {"tagName": "Default", "id": "Default_"}}
    schedule = {"repeatingTimeIntervals": ["R/2024-05-05T08:00:00+00:00/PT4H"], "timeZone": "UTC"}
    lifecycle = {
        "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
        "sourceDataStore": store,
        "targetDataStoreCopySettings": [],
    }
    trigger = {"objectType": "ScheduleBasedTriggerContext", "schedule": schedule, "taggingCriteria": [tagging]}
    rule = {
        "objectType": "AzureBackupRule",
        "name": "BackupHourly",
        "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
        "dataStore": store,
        "trigger": trigger,
    }
    retention = {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": True, "lifecycles": [lifecycle]}
    return {"properties": {"objectType": "BackupPolicy", "datasourceTypes": [KIND], "policyRules": [rule, retention]}}


def vaults_and_policies_live(backup, name):
    vaults, policies = backup.backup_vaults, backup.backup_policies
    store = {"datastoreType": "VaultStore", "type": "LocallyRedundant"}
    wanted = {"location": "local", "identity": {"type": "SystemAssigned"}, "properties": {"storageSettings": [store]}}
    made = vaults.begin_create_or_update("backup", name, wanted).result()
    assert made.id.endswith(f"/backupVaults/{name}") and made.identity.principal_id, made
    assert vaults.begin_update("backup", name, {"tags": {"a": "b"}}).result().tags == {"a": "b"}
    assert vaults.get("backup", name).tags == {"a": "b"}
    assert name in [one.name for one in vaults.get_in_resource_group("backup")]
    written = policies.create_or_update("backup", name, "daily", policy())
    [rule, retention] = written.properties.policy_rules
    assert rule.trigger.schedule.repeating_time_intervals == ["R/2024-05-05T08:00:00+00:00/PT4H"], rule
    assert retention.lifecycles[0].delete_after.duration == "P7D", retention
    assert policies.get("backup", name, "daily").properties.datasource_types == [KIND]
    wrong = policy()
    wrong["properties"]["policyRules"][1]["lifecycles"][0]["deleteAfter"]["duration"] = "P9000D"
    refused("InvalidRequestContent", lambda: policies.create_or_update("backup", name, "wrong", wrong))
    assert [one.name for one in policies.list("backup", name)] == ["daily"]
    assert list(backup.backup_instances.list("backup", name)) == []
    refused("ResourceNotFound", lambda: backup.backup_instances.get("backup", name, "absent"))
    assert list(backup.jobs.list("backup", name)) == []
    policies.delete("backup", name, "daily")
    refused("ResourceNotFound", lambda: policies.get("backup", name, "daily"))
    vaults.begin_delete("backup", name).result()
    refused("ResourceNotFound", lambda: vaults.get("backup", name))


def extensions_live(resources, extensions):
    where = ("backup", "Microsoft.ContainerService", "managedClusters", "one")
    wanted = {
        "properties": {
            "extensionType": "microsoft.dataprotection.kubernetes",
            "configurationSettings": {"configuration.backupStorageLocation.bucket": "b"},
        }
    }
    make = lambda: extensions.begin_create(*where, "azure-aks-backup", wanted, polling=False)
    refused("MissingSubscriptionRegistration", make)
    resources.providers.register("Microsoft.KubernetesConfiguration")
    make()
    # No agent is there that would install it.
    seen = extensions.get(*where, "azure-aks-backup")
    assert seen.properties.provisioning_state == "Creating", seen
    assert seen.properties.aks_assigned_identity.principal_id, seen
    assert [one.name for one in extensions.list(*where)] == ["azure-aks-backup"]
    extensions.begin_delete(*where, "azure-aks-backup", force_delete=True).result()
    refused("ResourceNotFound", lambda: extensions.get(*where, "azure-aks-backup"))


def all_is_taken_away(resources):
    """So that the next round begins where this one began."""
    resources.resource_groups.begin_delete("backup").result()
    for group in list(resources.resource_groups.list()):
        resources.resource_groups.begin_delete(group.name).result()
    for name in ["ContainerService", "DataProtection", "KubernetesConfiguration", "ManagedIdentity"]:
        resources.providers.unregister(f"Microsoft.{name}")


def whole(versions, number):
    SENT.clear()
    subscriptions, resources, authorization, containers = clients(GIVEN, versions)
    backup = client(DataProtectionMgmtClient, GIVEN, versions.get("backup", {}))
    extensions = client(KubernetesConfigurationExtensionsMgmtClient, GIVEN, versions.get("extensions", {}))
    subscriptions_are_listed(subscriptions)
    groups_live(resources)
    providers_are_registered(resources)
    roles_are_assigned_and_enforced(authorization, versions)
    identities_live(resources, versions)
    clusters_live(resources, containers)
    vaults_come_in_by_consent(resources, containers, f"consent{number}")
    vaults_and_policies_live(backup, f"vault{number}")
    extensions_live(resources, extensions.extensions)
    all_is_taken_away(resources)
    return set(SENT)


def main():
    _, resources, _, _ = clients(GIVEN, {})
    cloud_is_described()
    a_wrong_secret_is_told()
    a_person_signs_in_with_a_device_code()
    newest, older = whole({}, 1), whole(OLDER, 2)
    wanted = {more["api_version"] for more in OLDER.values() if "api_version" in more}
    wanted |= set(OLDER["authorization"]["profile"].values())
    assert wanted <= older and not wanted & newest, (newest, older)
    try:
        resources.resource_groups.get("absent")
    except ResourceNotFoundError:
        print("all of it worked")
        return
    raise AssertionError("an absent group was found")


main()
