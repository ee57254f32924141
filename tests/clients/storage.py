"""What the official clients do with storage accounts of a vault, from the account to its blobs, at the api-versions that
they send by themselves and at older ones. Arguments: credential files of the administrator and of someone without rights, the CA's path, the vault's URL."""

import json
import sys
import time
import uuid

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient
from azure.storage.blob import BlobServiceClient

with open(sys.argv[1], encoding="utf-8") as file:
    GIVEN = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    SOMEONE = json.load(file)
CA = sys.argv[3]
URL = sys.argv[4]
SUBSCRIPTION = GIVEN["subscriptionId"]
ROOT = f"/subscriptions/{SUBSCRIPTION}"
GROUP = "stored"
# Of the account, and of its resource manager; the data plane has versions of its own.
ROUNDS = [("pythonacct", {}, {}), ("olderacct", {"api_version": "2023-05-01"}, {"api_version": "2021-04-01"})]


def credential(who):
    return ClientSecretCredential(
        who["tenantId"],
        who["clientId"],
        who["clientSecret"],
        authority=URL,
        disable_instance_discovery=True,
        connection_verify=CA,
    )


COMMON = {
    "credential": credential(GIVEN),
    "subscription_id": SUBSCRIPTION,
    "base_url": URL,
    "credential_scopes": [f"{URL}/.default"],
    "connection_verify": CA,
    "polling_interval": 1,
}


def refused(code, call):
    try:
        call()
    except HttpResponseError as error:
        told = getattr(error, "error_code", None) or error.error.code
        assert told == code, error
        return error
    raise AssertionError(f"nothing was refused; {code} was expected")


def accounts_live(storage, account_name):
    accounts = storage.storage_accounts
    assert accounts.check_name_availability({"name": account_name, "type": "Microsoft.Storage/storageAccounts"}).name_available
    made = accounts.begin_create(
        GROUP,
        account_name,
        {
            "location": "local",
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS"},
            "properties": {
                "encryption": {"keySource": "Microsoft.Storage", "services": {"blob": {"enabled": True}}},
                "minimumTlsVersion": "TLS1_2",
                "accessTier": "Hot",
            },
        },
    ).result()
    assert made.provisioning_state == "Succeeded", made
    assert made.primary_endpoints.blob == f"{URL}/{account_name}/", made.primary_endpoints
    assert (made.sku.name, made.kind, made.location) == ("Standard_LRS", "StorageV2", "local"), made
    assert made.allow_shared_key_access is False
    taken = accounts.check_name_availability({"name": account_name, "type": "Microsoft.Storage/storageAccounts"})
    assert (taken.name_available, taken.reason) == (False, "AlreadyExists"), taken
    assert [one.name for one in accounts.list()] == [account_name]
    assert [one.name for one in accounts.list_by_resource_group(GROUP)] == [account_name]
    assert accounts.update(GROUP, account_name, {"tags": {"a": "b"}}).tags == {"a": "b"}
    assert accounts.get_properties(GROUP, account_name).tags == {"a": "b"}
    refused("UserErrorOperationNotSupported", lambda: accounts.list_keys(GROUP, account_name))
    refused("AccountNameInvalid", lambda: accounts.begin_create(GROUP, "metadata", {"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}))
    return made


def containers_live(storage, account_name):
    containers = storage.blob_containers
    for name in ["one", "two", "three"]:
        assert containers.create(GROUP, account_name, name, {}).name == name
    assert containers.create(GROUP, account_name, "one", {"properties": {"metadata": {"a": "b"}}}).name == "one"
    assert containers.get(GROUP, account_name, "one").metadata == {"a": "b"}
    assert sorted(one.name for one in containers.list(GROUP, account_name, maxpagesize="2")) == ["one", "three", "two"]
    containers.delete(GROUP, account_name, "three")
    assert sorted(one.name for one in containers.list(GROUP, account_name)) == ["one", "two"]
    service = storage.blob_services.get_service_properties(GROUP, account_name)
    assert service.name == "default", service
    storage.blob_services.set_service_properties(GROUP, account_name, service)


def data_follows_roles_and_rules(storage, authorization, account, account_name):
    blobs = BlobServiceClient(account.primary_endpoints.blob, credential=credential(SOMEONE), connection_verify=CA, retry_total=0)
    container = blobs.get_container_client("one")
    refused("AuthorizationPermissionMismatch", lambda: container.upload_blob("x", b"x"))
    scope = f"{account.id}/blobServices/default/containers/one"
    [role] = list(authorization.role_definitions.list(scope, filter="roleName eq 'Storage Blob Data Contributor'"))
    name = str(uuid.uuid4())
    wanted = {"role_definition_id": role.id, "principal_id": SOMEONE["objectId"], "principal_type": "ServicePrincipal"}
    authorization.role_assignments.create(scope, name, wanted)
    data = bytes(range(256)) * 40_000
    container.upload_blob("large", data, max_concurrency=2)
    assert container.download_blob("large").readall() == data
    assert [blob.name for blob in container.list_blobs()] == ["large"]
    refused("AuthorizationPermissionMismatch", lambda: blobs.get_container_client("two").upload_blob("x", b"x"))

    rules = {"default_action": "Deny", "bypass": "None"}
    closed = storage.storage_accounts.update(GROUP, account_name, {"properties": {"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}})
    assert closed.network_rule_set.default_action == rules["default_action"], closed.network_rule_set
    refused("AuthorizationFailure", lambda: container.upload_blob("y", b"y"))
    storage.storage_accounts.update(
        GROUP, account_name, {"properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.0/8"}, {"value": "::1"}]}}}
    )
    container.upload_blob("y", b"y")

    authorization.role_assignments.delete(scope, name)
    begun = time.monotonic()
    while True:
        try:
            container.upload_blob("z", b"z", overwrite=True)
        except HttpResponseError as error:
            assert error.error_code == "AuthorizationPermissionMismatch", error
            break
        assert time.monotonic() - begun < 10, "a role that was removed still counts"
        time.sleep(0.2)


def main():
    authorization = AuthorizationManagementClient(**COMMON)
    for name, version, resources_version in ROUNDS:
        resources = ResourceManagementClient(**COMMON, **resources_version)
        storage = StorageManagementClient(**COMMON, **version)
        resources.resource_groups.create_or_update(GROUP, {"location": "local"})
        resources.providers.register("Microsoft.Storage")
        account = accounts_live(storage, name)
        containers_live(storage, name)
        data_follows_roles_and_rules(storage, authorization, account, name)
        storage.storage_accounts.delete(GROUP, name)
        try:
            storage.storage_accounts.get_properties(GROUP, name)
        except ResourceNotFoundError:
            continue
        raise AssertionError("a deleted account was found")
    print("all of it worked")


main()
