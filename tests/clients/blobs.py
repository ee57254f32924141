"""What the official blob client does with a storage account. Arguments: the account's address, a token, the CA's path."""

import hashlib
import sys
import time

from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobPrefix, BlobServiceClient, ContentSettings

URL, TOKEN, CA = sys.argv[1:4]


class Token:
    """A credential that is there already."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *_, **__):
        return AccessToken(self.token, int(time.time()) + 3600)


def service(credential=None, **more):
    credential = credential or Token(TOKEN)
    return BlobServiceClient(account_url=URL, credential=credential, connection_verify=CA, retry_total=0, **more)


def refused(kind, code, call):
    try:
        call()
    except kind as error:
        assert error.error_code == code, f"{error.error_code} instead of {code}: {error}"
        return error
    raise AssertionError(f"nothing was refused; {code} was expected")


def data(length):
    block = hashlib.sha256(b"cofferdam").digest()
    return (block * (length // 32 + 1))[:length]


def containers_are_made_and_listed(account):
    made = account.create_container("pythons")
    refused(ResourceExistsError, "ContainerAlreadyExists", lambda: account.create_container("pythons"))
    account.create_container("others")
    assert [c.name for c in account.list_containers(results_per_page=1)] == ["others", "pythons"]
    assert [c.name for c in account.list_containers(name_starts_with="py")] == ["pythons"]
    account.delete_container("others")
    refused(ResourceNotFoundError, "ContainerNotFound", lambda: account.delete_container("others"))
    assert not account.get_container_client("others").exists()
    properties = made.get_container_properties()
    assert properties.name == "pythons" and properties.last_modified and properties.etag, properties
    refused(ResourceNotFoundError, "ContainerNotFound", lambda: list(account.get_container_client("none").list_blobs()))
    assert account.get_account_information()["account_kind"] == "StorageV2"
    return made


def a_blob_is_uploaded_at_once_and_in_blocks(container):
    small = container.get_blob_client("folder/small file.txt")
    done = small.upload_blob(
        b"hello",
        metadata={"owner": "me"},
        content_settings=ContentSettings(content_type="text/plain", cache_control="no-store"),
        validate_content=True,
    )
    properties = small.get_blob_properties()
    assert properties.etag == done["etag"] and properties.size == 5, properties
    assert properties.metadata == {"owner": "me"}, properties.metadata
    assert properties.content_settings.content_type == "text/plain", properties
    assert properties.content_settings.cache_control == "no-store", properties
    assert small.download_blob().readall() == b"hello"
    refused(ResourceExistsError, "BlobAlreadyExists", lambda: small.upload_blob(b"again"))
    assert small.upload_blob(b"again", overwrite=True)["etag"] != done["etag"]

    whole = data(9 * 1024 * 1024 + 17)
    large = container.get_blob_client("folder/large")
    large.upload_blob(whole, max_concurrency=4)
    assert large.download_blob(max_concurrency=4).readall() == whole
    assert large.download_blob(offset=1_000_000, length=4_000_000).readall() == whole[1_000_000:5_000_000]
    assert large.download_blob(offset=100, length=1000, validate_content=True).readall() == whole[100:1100]
    refused(HttpResponseError, "InvalidRange", lambda: large.download_blob(offset=len(whole), length=1).readall())
    refused(ResourceExistsError, "BlobAlreadyExists", lambda: large.upload_blob(whole))

    empty = container.get_blob_client("empty")
    empty.upload_blob(b"")
    assert empty.download_blob().readall() == b""
    assert empty.get_blob_properties().size == 0


def blocks_are_named_again(container):
    blob = container.get_blob_client("appended")
    blob.stage_block("MDAx", b"one ")
    blob.stage_block("MDAy", b"two ")
    assert not blob.exists()
    committed, waiting = blob.get_block_list("all")
    assert (committed, [(b.id, b.size) for b in waiting]) == ([], [("MDAx", 4), ("MDAy", 4)])
    blob.commit_block_list([BlobBlock("MDAx"), BlobBlock("MDAy")])
    blob.stage_block("MDAz", b"three")
    blob.commit_block_list([BlobBlock("MDAy"), BlobBlock("MDAx"), BlobBlock("MDAz")])
    assert blob.download_blob().readall() == b"two one three"
    committed, waiting = blob.get_block_list("all")
    assert [b.size for b in committed] == [4, 4, 5] and waiting == [], (committed, waiting)
    refused(HttpResponseError, "InvalidBlockList", lambda: blob.commit_block_list([BlobBlock("bm9uZQ==")]))
    assert blob.download_blob().readall() == b"two one three"


def blobs_are_listed(container):
    for name in ["list/a/1", "list/a/2", "list/a-b", "list/ünï & <code>", "list/z"]:
        container.upload_blob(name, b"x")
    wanted = sorted(["list/a/1", "list/a/2", "list/a-b", "list/ünï & <code>", "list/z"])
    assert [b.name for b in container.list_blobs("list/", results_per_page=2)] == wanted
    [one] = container.list_blobs("list/z")
    assert one.size == 1 and one.etag and one.last_modified and one.content_settings.content_type, one
    walked = list(container.walk_blobs("list/", results_per_page=2))
    # The client puts the folders of a page first.
    assert sorted(b.name for b in walked) == ["list/a-b", "list/a/", "list/z", "list/ünï & <code>"], walked
    assert [b.name for b in walked if isinstance(b, BlobPrefix)] == ["list/a/"], walked
    [small] = container.list_blobs("folder/small", include=["metadata", "snapshots"])
    assert small.name == "folder/small file.txt", small
    container.delete_blobs(*[b.name for b in container.list_blobs("list/")])
    assert list(container.list_blobs("list/")) == []
    [told] = container.delete_blobs("list/none", raise_on_any_failure=False)
    assert told.status_code == 404, told


def conditions_are_kept(container):
    blob = container.get_blob_client("conditional")
    first = blob.upload_blob(b"one")
    other = {"etag": '"0xOTHER"', "match_condition": MatchConditions.IfNotModified}
    known = {"etag": first["etag"], "match_condition": MatchConditions.IfNotModified}
    changed = {"etag": first["etag"], "match_condition": MatchConditions.IfModified}
    refused(ResourceModifiedError, "ConditionNotMet", lambda: blob.upload_blob(b"x", overwrite=True, **other))
    refused(ResourceModifiedError, "ConditionNotMet", lambda: blob.download_blob(**other).readall())
    refused(ResourceModifiedError, "ConditionNotMet", lambda: blob.download_blob(**changed).readall())
    refused(ResourceModifiedError, "ConditionNotMet", lambda: blob.delete_blob(**other))
    blob.set_blob_metadata({"a": "b"}, **known)
    properties = blob.get_blob_properties()
    assert properties.metadata == {"a": "b"} and properties.etag != first["etag"], properties
    blob.set_http_headers(ContentSettings(content_type="text/html"))
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_type == "text/html" and properties.metadata == {"a": "b"}, properties
    copy = container.get_blob_client("copied")
    assert copy.start_copy_from_url(blob.url)["copy_status"] == "success"
    assert copy.download_blob().readall() == b"one"
    blob.delete_blob()
    refused(ResourceNotFoundError, "BlobNotFound", blob.delete_blob)
    refused(ResourceNotFoundError, "BlobNotFound", lambda: blob.download_blob().readall())


def who_may_not_is_told(container):
    stranger = service(Token("stranger")).get_container_client("pythons")
    refused(ClientAuthenticationError, "InvalidAuthenticationInfo", lambda: stranger.get_blob_client("x").exists())
    reader = service(Token("reader")).get_container_client("pythons")
    assert [b.name for b in reader.list_blobs("empty")] == ["empty"]
    refused(HttpResponseError, "AuthorizationPermissionMismatch", lambda: reader.upload_blob("new", b"x"))
    signed = BlobServiceClient(URL, credential="d3Jvbmc=", connection_verify=CA, retry_total=0)
    refused(ClientAuthenticationError, "AuthenticationFailed", lambda: signed.create_container("keys"))
    refused(
        HttpResponseError,
        "UnsupportedQueryParameter",
        lambda: container.get_blob_client("empty").acquire_lease(15),
    )
    refused(HttpResponseError, "UnsupportedQueryParameter", container.get_blob_client("empty").create_snapshot)


def main():
    account = service()
    container = containers_are_made_and_listed(account)
    a_blob_is_uploaded_at_once_and_in_blocks(container)
    blocks_are_named_again(container)
    blobs_are_listed(container)
    conditions_are_kept(container)
    who_may_not_is_told(container)
    chunked = service(max_single_put_size=64 * 1024, max_block_size=64 * 1024, max_single_get_size=64 * 1024)
    blob = chunked.get_blob_client("pythons", "chunked")
    blob.upload_blob(data(1_000_003), max_concurrency=3)
    assert blob.download_blob(max_concurrency=3).readall() == data(1_000_003)
    account.delete_container("pythons")
    print("all of it worked")


main()
