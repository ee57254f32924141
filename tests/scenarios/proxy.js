// A CONNECT proxy over TLS that asks for a name and a password, and writes down who wanted to go where.
// usage: node proxy.js ADDRESS PORT KEY CERTIFICATE PASSWORDS; ends with its standard input.
'use strict';
const fs = require('fs');
const https = require('https');
const net = require('net');

const [address, port, key, certificate, passwords] = process.argv.slice(2);
const server = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) });

server.on('request', (request, response) => {
  console.log(`${request.method} ${request.url} 405`);
  response.writeHead(405).end();
});

server.on('connect', (request, client) => {
  client.on('error', () => client.destroy());
  const refuse = (status, words) => {
    console.log(`CONNECT ${request.url} ${status}`);
    client.end(`HTTP/1.1 ${status} ${words}\r\nProxy-Authenticate: Basic realm="proxy"\r\n\r\n`);
  };
  // Read each time: passwords change.
  const known = Buffer.from(fs.readFileSync(passwords, 'utf8').trim()).toString('base64');
  if (request.headers['proxy-authorization'] !== `Basic ${known}`) {
    return refuse(407, 'Proxy Authentication Required');
  }
  const at = request.url.lastIndexOf(':');
  const onward = net.connect(Number(request.url.slice(at + 1)), request.url.slice(0, at).replace(/^\[|\]$/g, ''));
  let stands = false;
  onward.once('connect', () => {
    stands = true;
    console.log(`CONNECT ${request.url} 200`);
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    onward.pipe(client);
    client.pipe(onward);
  });
  onward.on('error', () => (stands ? client.destroy() : refuse(502, 'Bad Gateway')));
  onward.on('close', () => client.destroy());
  client.on('close', () => onward.destroy());
});

server.on('tlsClientError', () => console.log('a client broke off TLS'));
server.listen(Number(port), address, () => console.log('ready'));
process.stdin.resume().on('end', () => process.exit(0));
