// What the official JavaScript clients do with a vault and a real cluster, in which an application is lost between the two
// parts. Second argument: `backup` or `restore`.
"use strict";

const assert = require("node:assert/strict");
const { acted, all, containers, given, listed, names, resources, run } = require("./client.cjs");

const version = "2026-06-01";
const quickly = { updateIntervalInMs: 500 };
const byId = resources.resources;

// The job that an action started, once it has ended.
async function ended({ jobId }) {
  for (let looks = 0; looks < 240; looks += 1) {
    const { properties } = await byId.getById(jobId, version);
    if (!["InProgress", "Cancelling"].includes(properties.status)) {
      assert.match(properties.status, /^Completed/, JSON.stringify(properties));
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  assert.fail(`the job ${jobId} does not end`);
}

// The binding that is there gives way to one of our own.
async function letIn() {
  const bindings = containers.trustedAccessRoleBindings;
  for (const { name } of await all(bindings.list("clusters", "one"))) {
    await bindings.beginDeleteAndWait("clusters", "one", name, quickly);
  }
  const [role] = await all(containers.trustedAccessRoles.list("local"));
  const wanted = { sourceResourceId: given.vault, roles: [`${role.sourceResourceType}/${role.name}`] };
  await bindings.beginCreateOrUpdateAndWait("clusters", "one", "js", wanted, quickly);
  assert.deepEqual(names(await all(bindings.list("clusters", "one"))), ["js"]);
}

async function backup() {
  const cluster = await containers.managedClusters.get("clusters", "one");
  assert.equal(cluster.id, given.cluster);
  await letIn();
  await acted(given.vault, "validateForBackup", version, { backupInstance: given.wanted });
  const body = { properties: given.wanted };
  const made = await byId.beginCreateOrUpdateByIdAndWait(given.instance, version, body, quickly);
  assert.equal(made.properties.currentProtectionState, "ProtectionConfigured");
  const triggerOption = { retentionTagOverride: "Default" };
  const asked = { backupRuleOptions: { ruleName: "BackupDaily", triggerOption } };
  await ended(await acted(given.instance, "backup", version, asked));
  assert.equal((await listed(`${given.instance}/recoveryPoints`, version)).length, 1);
}

async function restore() {
  const [{ name }] = await listed(`${given.instance}/recoveryPoints`, version);
  const request = { ...given.restore, recoveryPointId: name };
  await acted(given.instance, "validateRestore", version, { restoreRequestObject: request });
  await ended(await acted(given.instance, "restore", version, request));
}

run({ backup, restore }[process.argv[3]]);
