"""Exports the jobs of a vault with the official clients, and downloads what the result names.

usage: exports.py URL CA TENANT CLIENT SECRET SUBSCRIPTION GROUP VAULT
"""

import io
import json
import sys
import urllib.parse
import zipfile
from xml.etree import ElementTree

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure.mgmt.dataprotection import DataProtectionMgmtClient
from azure.storage.blob import BlobClient

URL, CA, TENANT, CLIENT, SECRET, SUBSCRIPTION, GROUP, VAULT = sys.argv[1:9]
CELL = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"

credential = ClientSecretCredential(
    TENANT, CLIENT, SECRET, authority=URL, disable_instance_discovery=True, connection_verify=CA
)
backup = DataProtectionMgmtClient(
    credential,
    SUBSCRIPTION,
    base_url=URL,
    credential_scopes=[f"{URL}/.default"],
    connection_verify=CA,
    polling_interval=1,
)


def blob(url, key):
    return BlobClient.from_blob_url(url, credential=key, connection_verify=CA, retry_total=0)


def refused(url, key):
    try:
        blob(url, key).download_blob()
    except ClientAuthenticationError as error:
        assert error.status_code == 403 and error.error_code == "AuthenticationFailed", error
        return
    raise AssertionError(f"nothing was refused: {url}?{key}")


places = []
poller = backup.export_jobs.begin_trigger(
    GROUP, VAULT, raw_response_hook=lambda answer: places.append(answer.http_response.headers.get("Location"))
)
poller.result()
place = next(place for place in places if place)
operation = urllib.parse.unquote(place.split("/operations/")[1].split("?")[0])
result = backup.export_jobs_operation_result.get(GROUP, VAULT, operation)

exported = json.loads(blob(result.blob_url, result.blob_sas_key).download_blob().readall())
listed = {job.name: job.properties.operation for job in backup.jobs.list(GROUP, VAULT)}
assert len(listed) >= 2, listed
assert {job["name"]: job["properties"]["operation"] for job in exported} == listed, (exported, listed)

sheet = blob(result.excel_file_blob_url, result.excel_file_blob_sas_key).download_blob().readall()
with zipfile.ZipFile(io.BytesIO(sheet)) as book:
    assert book.testzip() is None
    rows = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml")).iter(f"{CELL}row")
    texts = [[cell.text or "" for cell in row.iter(f"{CELL}t")] for row in rows]
assert texts[0][:2] == ["Job", "Operation"], texts[0]
assert {row[0]: row[1] for row in texts[1:]} == listed, texts

refused(result.blob_url, result.excel_file_blob_sas_key)
refused(result.blob_url, result.blob_sas_key.replace("sp=r", "sp=rw"))
refused(result.blob_url.replace("jobs.json", "other.json"), result.blob_sas_key)
print("all of it worked")
