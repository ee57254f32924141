"""Reads a list of `kubectl get -o json` and prints each object on a line, without what every cluster decides anew.

usage: normal.py NAMESPACE < LIST    (NAMESPACE is written as "the namespace" wherever it stands)
"""

import json
import sys

# Given by the API server or a controller when an object is made, or a mark of how it came to be there.
OF_THE_SERVER = {
    "metadata": ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "ownerReferences",
                 "finalizers", "annotations"],
    "spec": ["clusterIP", "clusterIPs", "volumeName", "dataSource", "dataSourceRef"],
}


def normal(item, namespace):
    item.pop("status", None)
    for part, fields in OF_THE_SERVER.items():
        for field in fields:
            item.get(part, {}).pop(field, None)
    for subject in item.get("subjects", []):
        if subject.get("namespace") == namespace:
            subject["namespace"] = "the namespace"
    item["metadata"]["namespace"] = "the namespace"
    return json.dumps(item, sort_keys=True)


def main():
    items = json.load(sys.stdin)["items"]
    application = [item for item in items if item["metadata"]["name"] != "kube-root-ca.crt"]
    print("\n".join(sorted(normal(item, sys.argv[1]) for item in application)))


main()
