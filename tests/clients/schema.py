"""Sends what the OpenAPI document allows to the vault, and what it does not, and compares the answers with it.

usage: schema.py <credential.json> <ca.crt> <url> <openapi.json> <work directory>

The same requests each time, until COFFERDAM_TEST_SCHEMA_SECONDS names a time for which ever more are made.
"""

import json
import os
import ssl
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

CREDENTIAL, CA, URL, DOCUMENT, WORK = sys.argv[1:]
SECONDS = "COFFERDAM_TEST_SCHEMA_SECONDS"
VERSION = "api-version=2026-06-01"
TLS = ssl.create_default_context(cafile=CA)
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=TLS))
STORE = {"objectType": "DataStoreInfoBase", "dataStoreType": "OperationalStore"}
# What would take away from the other operations what they find.
LAST = ["Providers_Unregister", "ManagedClusters_Disconnect"]
# The group and the administrator are needed to the end.
NEVER = ["ResourceGroups_Delete", "RoleAssignments_Delete"]


def call(method, path, body=None, token=None, form=None):
    data = urllib.parse.urlencode(form).encode() if form else json.dumps(body or {}).encode()
    request = urllib.request.Request(URL + path, data=None if method == "GET" else data, method=method)
    request.add_header("content-type", "application/x-www-form-urlencoded" if form else "application/json")
    if token:
        request.add_header("authorization", "Bearer " + token)
    with OPENER.open(request) as answer:
        return json.loads(answer.read() or b"null")


def policy():
    backup = {
        "objectType": "AzureBackupRule",
        "name": "BackupHourly",
        "backupParameters": {"objectType": "AzureBackupParams", "backupType": "Incremental"},
        "dataStore": STORE,
        "trigger": {
            "objectType": "ScheduleBasedTriggerContext",
            "schedule": {"repeatingTimeIntervals": ["R/2024-05-05T08:00:00+00:00/PT4H"], "timeZone": "UTC"},
            "taggingCriteria": [
                {"isDefault": True, "taggingPriority": 99, "tagInfo": {"tagName": "Default", "id": "Default_"}}
            ],
        },
    }
    lifecycle = {
        "deleteAfter": {"objectType": "AbsoluteDeleteOption", "duration": "P7D"},
        "sourceDataStore": STORE,
        "targetDataStoreCopySettings": [],
    }
    kept = {"objectType": "AzureRetentionRule", "name": "Default", "isDefault": True, "lifecycles": [lifecycle]}
    kinds = ["Microsoft.ContainerService/managedClusters"]
    return {"properties": {"objectType": "BackupPolicy", "datasourceTypes": kinds, "policyRules": [backup, kept]}}


def instance(cluster, vault, group):
    source = {
        "objectType": "Datasource",
        "datasourceType": "Microsoft.ContainerService/managedClusters",
        "resourceID": cluster,
        "resourceUri": cluster,
        "resourceName": "c1",
        "resourceType": "Microsoft.ContainerService/managedClusters",
        "resourceLocation": "local",
    }
    operational = {
        "objectType": "AzureOperationalStoreParameters",
        "dataStoreType": "OperationalStore",
        "resourceGroupId": group,
    }
    selection = {
        "objectType": "KubernetesClusterBackupDatasourceParameters",
        "snapshotVolumes": True,
        "includeClusterScopeResources": True,
        "includedNamespaces": ["shop"],
    }
    parameters = {"dataStoreParametersList": [operational], "backupDatasourceParametersList": [selection]}
    return {
        "properties": {
            "objectType": "BackupInstance",
            "friendlyName": "c1/shop",
            "dataSourceInfo": source,
            "dataSourceSetInfo": source,
            "policyInfo": {"policyId": f"{vault}/backupPolicies/daily", "policyParameters": parameters},
        }
    }


def world(token, subscription):
    """A group with one of each kind that can be made from outside, so that operations find what their paths name."""
    at = f"/subscriptions/{subscription}"
    for namespace in ["DataProtection", "ContainerService", "ManagedIdentity", "Storage", "KubernetesConfiguration"]:
        call("POST", f"{at}/providers/Microsoft.{namespace}/register?{VERSION}", token=token)
    group = f"{at}/resourceGroups/g"
    vault = f"{group}/providers/Microsoft.DataProtection/backupVaults/v1"
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/c1"
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/schemaacct"
    settings = {"storageSettings": [{"datastoreType": "VaultStore", "type": "LocallyRedundant"}]}
    operator = {"sourceResourceId": vault, "roles": ["Microsoft.DataProtection/backupVaults/backup-operator"]}
    identity = {"type": "SystemAssigned"}
    for path, body in [
        (group, {"location": "local"}),
        (vault, {"location": "local", "identity": identity, "properties": settings}),
        (f"{vault}/backupPolicies/daily", policy()),
        (f"{group}/providers/Microsoft.DataProtection/resourceGuards/guard", {"location": "local"}),
        (cluster, {"location": "local", "identity": identity, "properties": {}}),
        (f"{cluster}/trustedAccessRoleBindings/b1", {"properties": operator}),
        (f"{vault}/backupInstances/c1-shop", instance(cluster, vault, group)),
        (f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/mine", {"location": "local"}),
        (account, {"location": "local", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}),
        (f"{account}/blobServices/default/containers/backups", {"properties": {}}),
    ]:
        call("PUT", f"{path}?{VERSION}", body, token)


def narrowed(document, subscription):
    """The document with names of things that are there beside some that are not: most others lead no further than to 404."""
    names = {
        "subscription": [subscription],
        "group": ["g"],
        "vault": ["v1", "v2"],
        "policy": ["daily", "other"],
        "instance": ["c1-shop", "c2-shop"],
        "guard": ["guard"],
        "proxy": ["DppResourceGuardProxy"],
        "requests": ["deleteBackupInstanceRequests"],
        "request": ["default"],
        "cluster": ["c1", "c2"],
        "binding": ["b1", "b2"],
        "account": ["schemaacct"],
        "container": ["backups", "other"],
        "identity": ["mine", "yours", "no name \u00b1#"],
        "credential": ["fic"],
        "namespace": ["Microsoft.KubernetesConfiguration"],
        "location": ["local"],
        "api-version": ["2026-06-01", "2024-11-01"],
    }
    paths = {}
    for path, entry in document["paths"].items():
        here = [one for one in entry["parameters"] if one["name"] != "scope"]
        for one in here:
            if one["name"] in names:
                one["schema"] = {"type": "string", "enum": names[one["name"]]}
        scope = f"subscriptions/{subscription}/resourceGroups/g"
        if "/extensions" in path:
            scope += "/providers/Microsoft.ContainerService/managedClusters/c1"
        paths[path.replace("{scope}", scope)] = {**entry, "parameters": here}
    return {**document, "paths": paths}


def run(document, token, selection):
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "run", str(document),
        "--url", URL, "--tls-verify", CA, "--header", f"Authorization: Bearer {token}",
        # A connection that is kept open may be closed while the next request is under way; that says nothing of answers.
        "--header", "Connection: close",
        "--checks", "not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance",
        "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-shrink", "--request-timeout", "30", "--no-color",
        *selection,
    ]
    seconds = os.environ.get(SECONDS)
    if seconds:
        command += ["--generation-database", "none", "--max-time", seconds]
    else:
        command += ["--generation-deterministic", "--max-examples", "3"]
    return subprocess.run(command, cwd=WORK, check=False, capture_output=True, text=True)


def conform(document, token, selection):
    ended = run(document, token, selection)
    print(ended.stdout, ended.stderr, sep="\n")
    if ended.returncode != 0:
        sys.exit(f"schemathesis found something (exit code {ended.returncode})")


def defect(document, token):
    """A document that says something else of a vault than the vault does must be told from the right one."""
    planted = json.loads(document.read_text())
    planted["components"]["schemas"]["BackupVaultResource"]["required"].append("whatIsNeverThere")
    place = document.with_name("planted.json")
    place.write_text(json.dumps(planted))
    ended = run(place, token, ["--include-operation-id", "BackupVaults_Get"])
    if ended.returncode != 1 or "whatIsNeverThere" not in ended.stdout:
        print(ended.stdout, ended.stderr, sep="\n")
        sys.exit("schemathesis did not find what was planted")


def main():
    credential = json.loads(Path(CREDENTIAL).read_text())
    tenant, subscription = credential["tenantId"], credential["subscriptionId"]
    form = {
        "grant_type": "client_credentials",
        "client_id": credential["clientId"],
        "client_secret": credential["clientSecret"],
        "scope": f"{URL}//.default",
    }
    token = call("POST", f"/{tenant}/oauth2/v2.0/token", form=form)["access_token"]
    world(token, subscription)
    document = Path(WORK) / "openapi.json"
    document.write_text(json.dumps(narrowed(json.loads(Path(DOCUMENT).read_text()), subscription)))
    if not os.environ.get(SECONDS):
        defect(document, token)
    without = [option for name in LAST for option in ["--exclude-operation-id", name]]
    conform(document, token, ["--exclude-method", "DELETE", *without])
    conform(document, token, [option for name in LAST for option in ["--include-operation-id", name]])
    without = [option for name in NEVER for option in ["--exclude-operation-id", name]]
    conform(document, token, ["--include-method", "DELETE", *without])
    print("the answers conform")


main()
