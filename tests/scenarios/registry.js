// A registry that hands out one image: an OCI layout on disk, read only.
// usage: node registry.js ADDRESS PORT LAYOUT; ends with its standard input.
'use strict';
const fs = require('fs');
const http = require('http');
const path = require('path');

const [address, port, layout] = process.argv.slice(2);
const [image] = JSON.parse(fs.readFileSync(path.join(layout, 'index.json'), 'utf8')).manifests;

const server = http.createServer((request, response) => {
  const send = (digest, type) => {
    const file = path.join(layout, 'blobs', ...digest.split(':'));
    if (!/^sha256:[0-9a-f]{64}$/.test(digest) || !fs.existsSync(file)) return response.writeHead(404).end();
    const head = { 'Content-Type': type, 'Content-Length': fs.statSync(file).size, 'Docker-Content-Digest': digest };
    response.writeHead(200, head);
    if (request.method === 'HEAD') return response.end();
    fs.createReadStream(file).pipe(response);
  };
  console.log(`${request.method} ${request.url}`);
  if (request.url === '/v2/') return response.writeHead(200).end('{}');
  const manifest = request.url.match(/^\/v2\/.+\/manifests\/([^?]+)/);
  if (manifest) return send(manifest[1].startsWith('sha256:') ? manifest[1] : image.digest, image.mediaType);
  const blob = request.url.match(/^\/v2\/.+\/blobs\/([^?]+)/);
  if (blob) return send(blob[1], 'application/octet-stream');
  response.writeHead(404).end();
});

server.listen(Number(port), address, () => console.log('ready'));
process.stdin.resume().on('end', () => process.exit(0));
