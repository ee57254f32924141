// A registry that hands out one image: an OCI layout on disk, with a label more. A kubelet that has fetched an image counts
// the same one under another name as not its own any more, so no image that a node was given may be handed out.
// usage: node registry.js ADDRESS PORT LAYOUT LABEL; ends with its standard input.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const [address, port, layout, label] = process.argv.slice(2);
const [image] = JSON.parse(fs.readFileSync(path.join(layout, 'index.json'), 'utf8')).manifests;
const place = (digest) => path.join(layout, 'blobs', ...digest.split(':'));
const read = (digest) => JSON.parse(fs.readFileSync(place(digest), 'utf8'));
const keep = (document) => {
  const bytes = Buffer.from(JSON.stringify(document));
  const digest = `sha256:${crypto.createHash('sha256').update(bytes).digest('hex')}`;
  fs.writeFileSync(place(digest), bytes);
  return { digest, size: bytes.length };
};
const changed = read(image.digest);
const config = read(changed.config.digest);
config.config.Labels = { ...config.config.Labels, 'cofferdam.test/run': label };
changed.config = { ...changed.config, ...keep(config) };
const top = keep(changed).digest;

const server = http.createServer((request, response) => {
  const send = (digest, type) => {
    const known = /^sha256:[0-9a-f]{64}$/.test(digest) && fs.existsSync(place(digest));
    if (!known) return response.writeHead(404).end();
    const file = place(digest);
    const head = { 'Content-Type': type, 'Content-Length': fs.statSync(file).size, 'Docker-Content-Digest': digest };
    response.writeHead(200, head);
    if (request.method === 'HEAD') return response.end();
    fs.createReadStream(file).pipe(response);
  };
  console.log(`${request.method} ${request.url}`);
  if (request.url === '/v2/') return response.writeHead(200).end('{}');
  const manifest = request.url.match(/^\/v2\/.+\/manifests\/([^?]+)/);
  if (manifest) return send(manifest[1].startsWith('sha256:') ? manifest[1] : top, image.mediaType);
  const blob = request.url.match(/^\/v2\/.+\/blobs\/([^?]+)/);
  if (blob) return send(blob[1], 'application/octet-stream');
  response.writeHead(404).end();
});

server.listen(Number(port), address, () => console.log('ready'));
process.stdin.resume().on('end', () => process.exit(0));
