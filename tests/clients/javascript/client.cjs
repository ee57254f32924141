// The official JavaScript clients, signed in at a vault, and what scripts with them share. The first argument of a script is
// a file with the vault, its cluster and who signs in.
// There is no package of Microsoft.DataProtection in the registry: its resources go through the generic client for
// resources by their ids, its actions through the parts of which every generated client is made.
"use strict";

const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { ContainerServiceClient } = require("@azure/arm-containerservice");
const { ResourceManagementClient } = require("@azure/arm-resources");
const { ServiceClient } = require("@azure/core-client");
const { createHttpPoller } = require("@azure/core-lro");
const { createHttpHeaders, createPipelineRequest, isRestError, RestError } = require("@azure/core-rest-pipeline");
const { ClientSecretCredential } = require("@azure/identity");

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));
const root = `/subscriptions/${given.subscription}`;
const common = { endpoint: given.url, credentialScopes: [`${given.url}/.default`] };

function credential(secret) {
  const options = { authorityHost: given.url, disableInstanceDiscovery: true };
  return new ClientSecretCredential(given.tenant, given.client, secret, options);
}

const signedIn = credential(given.secret);
const resources = new ResourceManagementClient(signedIn, given.subscription, common);
const containers = new ContainerServiceClient(signedIn, given.subscription, common);
const plain = new ServiceClient({ ...common, credential: signedIn });

async function all(pages) {
  const found = [];
  for await (const one of pages) found.push(one);
  return found;
}

const names = (list) => list.map((one) => one.name).sort();

async function refused(status, code, call) {
  const error = await call().then(() => assert.fail(`nothing was refused; ${code} was expected`), (error) => error);
  assert.ok(isRestError(error), `${error}`);
  assert.deepEqual([error.statusCode, error.code ?? error.details?.error?.code], [status, code], `${error}`);
}

async function send(method, url, body) {
  const headers = createHttpHeaders({ "content-type": "application/json" });
  const request = createPipelineRequest({ url, method, headers, body: body && JSON.stringify(body) });
  const answer = await plain.sendRequest(request);
  if (answer.status >= 400) throw new RestError(answer.bodyAsText, { statusCode: answer.status });
  const parsed = answer.bodyAsText ? JSON.parse(answer.bodyAsText) : undefined;
  const rawResponse = { statusCode: answer.status, headers: answer.headers.toJSON(), body: parsed, request };
  return { flatResponse: parsed, rawResponse };
}

// An action that takes long, polled by the library that polls in every generated client.
async function acted(id, action, version, body) {
  const url = `${given.url}${id}/${action}?api-version=${version}`;
  const poller = await createHttpPoller(
    { sendInitialRequest: () => send("POST", url, body), sendPollRequest: (path) => send("GET", path) },
    { resourceLocationConfig: "location", intervalInMs: 500 },
  );
  return poller.pollUntilDone();
}

async function listed(id, version) {
  const found = [];
  let url = `${given.url}${id}?api-version=${version}`;
  while (url) {
    const { flatResponse } = await send("GET", url);
    found.push(...flatResponse.value);
    url = flatResponse.nextLink;
  }
  return found;
}

// Runs a script to its end, and says that all of it worked.
function run(script) {
  script().then(() => console.log("all of it worked")).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { acted, all, common, containers, credential, given, listed, names, refused, resources, root, run };
