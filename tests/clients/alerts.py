"""What the official client of alerts does with a vault that has one: its credential file, the CA and the URL are arguments."""

import json
import sys

from azure.identity import ClientSecretCredential
from azure.mgmt.alertsmanagement import AlertsManagementClient

with open(sys.argv[1], encoding="utf-8") as file:
    GIVEN = json.load(file)
CA = sys.argv[2]
URL = sys.argv[3]

credential = ClientSecretCredential(
    GIVEN["tenantId"],
    GIVEN["clientId"],
    GIVEN["clientSecret"],
    authority=URL,
    disable_instance_discovery=True,
    connection_verify=CA,
)
alerts = AlertsManagementClient(
    credential,
    GIVEN["subscriptionId"],
    base_url=URL,
    credential_scopes=[f"{URL}/.default"],
    connection_verify=CA,
).alerts

found = list(alerts.get_all(severity="Sev0", alert_state="New", page_count=1))
assert len(found) == 1, found
essentials = found[0].properties.essentials
assert essentials.alert_rule == "Soft Delete Disabled for Vault", essentials
assert essentials.monitor_condition == "Fired" and essentials.start_date_time.year > 2000, essentials
assert list(alerts.get_all(severity="Sev1")) == []

one = alerts.get_by_id(found[0].name)
assert one.properties.essentials.target_resource_type == "Microsoft.DataProtection/backupVaults", one
changed = alerts.change_state(one.name, "Acknowledged")
assert changed.properties.essentials.alert_state == "Acknowledged", changed
events = [one.modification_event for one in alerts.get_history(one.name).properties.modifications]
assert events == ["AlertCreated", "StateChange"], events
print("all of it worked")
