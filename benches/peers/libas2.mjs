// Times libas2 on the work of one AS2 message, in one process: libas2.mjs FOLDER FILE SECONDS.
// AS2_LIBAS2_MODULES: where `npm ci` put the packages.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const load = createRequire(pathToFileURL(join(process.env.AS2_LIBAS2_MODULES, 'package.json')));
const { AS2Composer, AS2Parser } = load('libas2');

const [folder, file, seconds] = process.argv.slice(2);
const payload = readFileSync(file);
const pem = (name) => readFileSync(join(folder, name), 'utf8');
const agreement = (us, them, host, partner) => ({
  host: {
    name: us, id: us, url: 'http://127.0.0.1/', certificate: pem(`${us}.crt.pem`), privateKey: pem(`${us}.key.pem`), ...host,
  },
  partner: { name: them, id: them, url: 'http://127.0.0.1/', file: 'EDIX12', certificate: pem(`${them}.crt.pem`), ...partner },
});
const sending = agreement('alice', 'bob', { sign: 'sha-256', decrypt: false }, { encrypt: 'aes256-CBC', verify: true });

async function make() {
  const message = { filename: 'order.edi', contentType: 'application/edi-x12', content: payload };
  const composer = new AS2Composer({ message, agreement: sending });
  return composer.toRequestOptions();
}

/** As its users write it: parse, decrypt, verify. */
async function open(raw) {
  const node = await AS2Parser.parse(raw);
  const inner = await node.decrypt({ cert: pem('bob.crt.pem'), key: pem('bob.key.pem') });
  const content = await inner.verify({ cert: pem('alice.crt.pem') });
  if (!content) throw new Error('the signature does not verify');
  return content;
}

async function time(operation, work) {
  await work();
  const times = [];
  const began = performance.now();
  while (times.length < 3 || performance.now() - began < Number(seconds) * 1000) {
    const start = performance.now();
    await work();
    times.push((performance.now() - start) / 1000);
  }
  times.sort((a, b) => a - b);
  console.log(`libas2 ${operation} ${payload.length} ${times[times.length >> 1]}`);
}

const { headers, body } = await make();
const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
// It cannot open 1 MB and more: its parser makes a string of all octets in one call, which overflows the stack.
const raw = Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), Buffer.from(body)]);
await time('make', make);
await time('open', () => open(raw));
