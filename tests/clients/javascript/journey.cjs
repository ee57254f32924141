// What the official JavaScript clients do with a vault.
"use strict";

const assert = require("node:assert/strict");
const {
  acted, all, common, containers, credential, given, listed, names, refused, resources, root, run,
} = require("./client.cjs");

const versions = ["2024-04-01", "2026-06-01"];

async function aWrongSecretIsTold() {
  await assert.rejects(credential("wrong").getToken(common.credentialScopes), /AADSTS7000215/);
}

async function groupsAndListsComeInPages() {
  const groups = resources.resourceGroups;
  assert.equal((await groups.checkExistence("one")).body, false);
  for (const name of ["one", "two", "three"]) await groups.createOrUpdate(name, { location: "local" });
  assert.equal((await groups.checkExistence("ONE")).body, true);
  const sizes = [];
  for await (const page of groups.list({ top: 2 }).byPage()) sizes.push(page.length);
  assert.deepEqual(sizes, [2, 2, 1]);
  await groups.beginDeleteAndWait("two");
  await refused(404, "ResourceGroupNotFound", () => groups.get("two"));
  assert.deepEqual(names(await all(groups.list())), ["one", "shop", "snapshots", "three"]);
}

async function vaultsLive(version) {
  const id = `${root}/resourceGroups/one/providers/Microsoft.DataProtection/backupVaults/vault-js`;
  const storageSettings = [{ datastoreType: "VaultStore", type: "LocallyRedundant" }];
  const body = { location: "local", identity: { type: "SystemAssigned" }, properties: { storageSettings } };
  const byId = resources.resources;
  await refused(404, "ResourceNotFound", () => byId.getById(id, version));
  const made = await byId.beginCreateOrUpdateByIdAndWait(id, version, body, { updateIntervalInMs: 500 });
  assert.deepEqual([made.id, made.properties.provisioningState], [id, "Succeeded"]);
  const tagged = await byId.beginUpdateByIdAndWait(id, version, { tags: { a: "b" } }, { updateIntervalInMs: 500 });
  assert.deepEqual([tagged.tags, tagged.identity.principalId], [{ a: "b" }, made.identity.principalId]);
  const kind = "/providers/Microsoft.DataProtection/backupVaults";
  assert.deepEqual(names(await listed(`${root}${kind}`, version)), ["vault-js", "vault1"]);
  assert.deepEqual(names(await listed(`${root}/resourceGroups/one${kind}`, version)), ["vault-js"]);
  const filter = "resourceType eq 'Microsoft.DataProtection/backupVaults'";
  assert.deepEqual(names(await all(byId.list({ filter, top: 1 }))), ["vault-js", "vault1"]);
  await policiesLive(id, version);
  await byId.beginDeleteByIdAndWait(id, version, { updateIntervalInMs: 500 });
  await refused(404, "ResourceNotFound", () => byId.getById(id, version));
}

async function policiesLive(vault, version) {
  const { properties } = await resources.resources.getById(`${given.vault}/backupPolicies/policy1`, version);
  const id = `${vault}/backupPolicies/policy2`;
  const made = await resources.resources.beginCreateOrUpdateByIdAndWait(id, version, { properties });
  assert.deepEqual(made.properties, properties);
  assert.deepEqual(names(await listed(`${vault}/backupPolicies`, version)), ["policy2"]);
  properties.policyRules[0].trigger.schedule.repeatingTimeIntervals = ["every day"];
  const wrong = () => resources.resources.beginCreateOrUpdateByIdAndWait(id, version, { properties });
  await refused(400, "InvalidRequestContent", wrong);
  await resources.resources.beginDeleteByIdAndWait(id, version);
  await refused(404, "ResourceNotFound", () => resources.resources.getById(id, version));
}

async function clustersTrustVaults() {
  const cluster = await containers.managedClusters.get("shop", "one");
  assert.deepEqual([cluster.provisioningState, cluster.identity.type], ["Succeeded", "SystemAssigned"]);
  const [role] = await all(containers.trustedAccessRoles.list("local"));
  assert.equal(role.name, "backup-operator");
  const bindings = containers.trustedAccessRoleBindings;
  const wanted = { sourceResourceId: given.vault, roles: [`${role.sourceResourceType}/${role.name}`] };
  const made = await bindings.beginCreateOrUpdateAndWait("shop", "one", "js", wanted, { updateIntervalInMs: 500 });
  assert.deepEqual([made.provisioningState, made.sourceResourceId], ["Succeeded", given.vault]);
  assert.deepEqual(names(await all(bindings.list("shop", "one"))), ["backuprb", "js"]);
  await bindings.beginDeleteAndWait("shop", "one", "js", { updateIntervalInMs: 500 });
  await refused(404, "ResourceNotFound", () => bindings.get("shop", "one", "js"));
}

async function instancesAreProtectedAndRead() {
  const byId = resources.resources;
  const [old, recent] = versions;
  await refused(404, "ResourceNotFound", () => byId.getById(given.instance, old));
  const validated = await acted(given.vault, "validateForBackup", recent, { backupInstance: given.wanted });
  assert.deepEqual([validated.objectType, validated.jobId], ["OperationJobExtendedInfo", undefined]);
  const bad = structuredClone(given.wanted);
  bad.policyInfo.policyId += "-absent";
  await assert.rejects(acted(given.vault, "validateForBackup", recent, { backupInstance: bad }), /policy1-absent/);
  const body = { properties: given.wanted };
  const made = await byId.beginCreateOrUpdateByIdAndWait(given.instance, recent, body, { updateIntervalInMs: 500 });
  assert.equal(made.properties.provisioningState, "Succeeded");
  for (const version of versions) {
    const { properties } = await byId.getById(given.instance, version);
    assert.equal(properties.currentProtectionState, "ProtectionConfigured");
    assert.equal(properties.dataSourceInfo.resourceID, given.cluster);
    assert.deepEqual(names(await listed(`${given.vault}/backupInstances`, version)), ["one-shop"]);
    assert.deepEqual(await listed(`${given.instance}/recoveryPoints`, version), []);
  }
  const triggerOption = { retentionTagOverride: "Default" };
  const asked = { backupRuleOptions: { ruleName: "BackupHourly", triggerOption } };
  const { jobId } = await acted(given.instance, "backup", recent, asked);
  const job = await byId.getById(jobId, recent);
  assert.equal(job.properties.backupInstanceId, given.instance);
  const backups = (await listed(`${given.vault}/backupJobs`, old)).filter((one) => one.properties.operation === "Backup");
  assert.deepEqual(names(backups), [job.name]);
  await assert.rejects(acted(given.instance, "backup", recent, {}), /"code":"/);
}

async function main() {
  await aWrongSecretIsTold();
  assert.equal((await resources.providers.register("Microsoft.Storage")).registrationState, "Registered");
  await groupsAndListsComeInPages();
  for (const version of versions) await vaultsLive(version);
  await clustersTrustVaults();
  await instancesAreProtectedAndRead();
}

run(main);
