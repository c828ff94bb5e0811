#!/usr/bin/env node
// An AS2 station over libas2 that speaks the command line of README.md (`serve` alone).
//
// libas2 composes, signs, encrypts, decrypts, verifies and writes receipts; what its users have to write themselves
// stands here: the HTTP server, the choice of layers, the MIC of what was sent, the comparison with that of the receipt.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

// AS2_LIBAS2_MODULES: where `npm ci` put the packages.
const load = createRequire(pathToFileURL(join(process.env.AS2_LIBAS2_MODULES, 'package.json')));
const { AS2Composer, AS2Crypto, AS2Parser, getReportNode, isMdn, request } = load('libas2');

const HTTP_TIMEOUT = 20_000;
const MAX_BODY = 64 << 20;
const CIPHERS = {
  'aes128-cbc': 'aes128-CBC',
  'aes192-cbc': 'aes192-CBC',
  'aes256-cbc': 'aes256-CBC',
  'aes128-gcm': 'aes128-GCM',
  'aes192-gcm': 'aes192-GCM',
  'aes256-gcm': 'aes256-GCM',
  '3des-cbc': 'des-EDE3-CBC',
};

// libas2 keeps no MIC and shows nobody what it signed before it encrypts it.
let lastSigned = null;
const { sign } = AS2Crypto;
AS2Crypto.sign = async (node, options) => {
  lastSigned = await sign(node, options);
  return lastSigned;
};

class Unsupported extends Error {}

function emit(event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

/** `sha256` and its relatives in the spelling of libas2, `sha-256`. */
function digestName(name) {
  return name.toLowerCase().replace(/^sha[-_]?/, 'sha-');
}

class Station {
  constructor(options) {
    this.options = options;
    this.require = options.require.split(',').filter((layer) => layer !== '');
    this.count = 0;
    this.sent = new Map();
    this.pem = {
      key: readFileSync(options.key, 'utf8'),
      certificate: readFileSync(options.cert, 'utf8'),
      partner: readFileSync(options['partner-cert'], 'utf8'),
    };
  }

  /** The agreement that libas2 works by, in one of its two directions. */
  agreement({ host = {}, partner = {} }) {
    const { us, them } = this.options;
    return {
      host: { name: us, id: us, url: this.url, certificate: this.pem.certificate, privateKey: this.pem.key, ...host },
      partner: { name: them, id: them, url: this.url, file: 'EDIX12', certificate: this.pem.partner, ...partner },
    };
  }

  // Receiving

  async receive(headers, body) {
    const node = await AS2Parser.parse(rawMessage(headers, body));
    if (isMdn(node)) {
      await this.settle(node, this.sent.get(bare(originalId(node))));
      return { status: 200, headers: {}, body: '' };
    }
    return this.receiveMessage(node);
  }

  async receiveMessage(node) {
    const layers = await this.layers(node);
    const wish = node.getHeader('Disposition-Notification-Options');
    const asked = /signed-receipt-micalg\s*=\s*\w+\s*,\s*([\w-]+)/i.exec(wish ?? '');
    const agreement = this.agreement({
      host: { sign: 'sha-256', decrypt: layers.includes('encrypted') || this.require.includes('encrypted') },
      partner: {
        verify: layers.includes('signed') || this.require.includes('signed'),
        mdn: { async: false, signing: asked ? digestName(asked[1]) : false },
      },
    });
    const { contentNode, dispositionNode, disposition } = await node.dispositionOut({ agreement });
    const { disposition: verdict, receivedContentMic } = disposition.notification;
    const accepted = verdict.processed;
    emit('received', {
      message_id: node.messageId(),
      verdict: accepted ? 'accepted' : 'refused',
      layers,
      mic: receivedContentMic?.mic ?? null,
      mic_alg: receivedContentMic?.algorithm ?? null,
      disposition: dispositionOf(disposition.notification.toString()),
      payload_file: accepted ? this.store(contentNode) : null,
      content_type: accepted ? contentNode.contentType : null,
      detail: verdict.description?.text ?? null,
    });
    const url = node.getHeader('Receipt-Delivery-Option');
    const receipt = node.getHeader('Disposition-Notification-To') ? await dispositionNode.buildObject() : null;
    if (receipt && url) {
      return { status: 200, headers: {}, body: '', afterwards: () => post(url, receipt.headers, receipt.body) };
    }
    return { status: 200, headers: receipt?.headers ?? {}, body: receipt?.body ?? '' };
  }

  /** What there is to unwrap; libas2 wants to be told. */
  async layers(node) {
    if (!node.encrypted) return node.signed ? ['signed'] : [];
    try {
      const inner = await node.decrypt({ cert: this.pem.certificate, key: this.pem.key });
      return inner.signed ? ['encrypted', 'signed'] : ['encrypted'];
    } catch {
      return ['encrypted'];
    }
  }

  store(node) {
    this.count += 1;
    const path = join(this.options.out, `${this.count}.payload`);
    writeFileSync(path, Buffer.from(node.content ?? ''));
    return path;
  }

  // Sending

  async send(order) {
    const { composer, mic } = await this.compose(order);
    const options = await composer.toRequestOptions(order.to);
    const sent = { id: composer.message.messageId(), mic, order };
    // An asynchronous receipt may overtake the HTTP response.
    this.sent.set(bare(sent.id), sent);
    const response = await post(options.url, options.headers, options.body);
    if (response.statusCode >= 300) return this.report(sent, { outcome: 'none', detail: `HTTP status ${response.statusCode}` });
    if (order.receipt === 'none') return this.report(sent, { outcome: 'none', detail: 'no receipt was asked for' });
    if (order.receipt === 'sync') await this.settle(await response.mime(), sent);
  }

  async compose(order) {
    const { compress = 'none', sign, encrypt } = order;
    if (compress !== 'none') throw new Unsupported('libas2 does not compress');
    if (encrypt !== 'none' && !(encrypt in CIPHERS)) throw new Unsupported(`libas2 does not know ${encrypt}`);
    if (order.receipt !== 'none' && !order.receipt_micalg) throw new Unsupported('libas2 always asks for signed receipts');
    const octets = readFileSync(order.file);
    const message = {
      filename: order.filename,
      contentType: order.content_type,
      // For text, libas2 wants a string.
      content: order.content_type.startsWith('text/') ? octets.toString('utf8') : octets,
    };
    const signing = sign === 'none' ? false : digestName(sign);
    const mdn = { async: order.receipt === 'async', signing: digestName(order.receipt_micalg ?? 'sha-256') };
    const agreement = this.agreement({
      host: { sign: signing, decrypt: false, ...(order.receipt === 'none' ? {} : { mdn }) },
      partner: { encrypt: CIPHERS[encrypt] ?? false, verify: true },
    });
    const composer = new AS2Composer({ message, agreement });
    lastSigned = null;
    await composer.compile();
    return { composer, mic: lastSigned && micOf(await AS2Crypto.buildNode(lastSigned), signing) };
  }

  async settle(node, sent) {
    if (!sent) return emit('error', { detail: `a receipt for the unknown message ${originalId(node)}` });
    const raw = reportFields(node);
    const [value, algorithm] = (fieldOf(raw, 'Received-Content-MIC') ?? '').split(',').map((word) => word.trim());
    const disposition = dispositionOf(raw);
    const seen = { disposition, receipt_mic: value || null, receipt_mic_alg: algorithm ?? null };
    try {
      // Throws where the signature does not verify.
      const receipt = await node.dispositionIn(node.signed ? { cert: this.pem.partner } : undefined);
      if (!receipt.notification) throw new Error('no disposition notification');
    } catch (error) {
      return this.report(sent, { ...seen, outcome: 'invalid', detail: error.message });
    }
    const check = micCheck(sent.mic, seen);
    this.report(sent, { ...seen, outcome: outcomeOf(disposition, check), receipt_signed: node.signed, mic_check: check });
  }

  report(sent, fields) {
    const own = { mic: sent.mic?.value ?? null, mic_alg: sent.mic?.algorithm ?? null };
    const nothing = { disposition: null, receipt_signed: false, receipt_mic: null, receipt_mic_alg: null, detail: null };
    emit('outcome', { message_id: sent.id, ...own, ...nothing, mic_check: 'not-computed', ...fields });
  }
}

/** The digest of the first part of a multipart: as libas2 signs it, without a line end at its end. */
function micOf(multipart, algorithm) {
  const text = multipart.toString('latin1');
  const delimiter = `--${/boundary="?([^"\r\n;]+)/.exec(text)[1]}`;
  const start = text.indexOf(`\r\n${delimiter}\r\n`) + delimiter.length + 4;
  const part = text.slice(start, text.indexOf(`\r\n${delimiter}`, start)).replace(/\r\n$/, '');
  const digest = createHash(algorithm.replace('-', '')).update(part, 'latin1').digest('base64');
  return { value: digest, algorithm };
}

function micCheck(own, { receipt_mic: theirs, receipt_mic_alg: algorithm }) {
  if (!own) return 'not-computed';
  if (!theirs) return 'absent';
  return own.value === theirs && own.algorithm === digestName(algorithm) ? 'match' : 'mismatch';
}

/** libas2 looks at nothing but the word behind the semicolon, and reads `processed/error` as success. */
function outcomeOf(disposition, check) {
  if (!/;\s*processed\s*(\/\s*warning|$)/i.test(disposition ?? '')) return 'negative';
  return { mismatch: 'mic-mismatch', absent: 'mic-missing' }[check] ?? 'positive';
}

// Receipts

/** The fields of the report as text. */
function reportFields(node) {
  return Buffer.from(getReportNode(node)?.childNodes[1]?.content ?? '').toString('utf8');
}

function fieldOf(fields, name) {
  return new RegExp(`^${name}:[ \t]*(.*?)\\s*$`, 'im').exec(fields)?.[1] ?? null;
}

const dispositionOf = (fields) => fieldOf(fields, 'Disposition');
const originalId = (node) => fieldOf(reportFields(node), 'Original-Message-ID');
const bare = (id) => (id ?? '').replace(/[<> ]/g, '');

// HTTP

/** libas2 parses one octet string: the header fields, a blank line, the body. */
function rawMessage(headers, body) {
  let head = '';
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}\r\n`, 'latin1'), body]);
}

function post(url, headers, body) {
  const length = { 'Content-Length': Buffer.byteLength(body) };
  return request({ url, headers: { ...headers, ...length }, body, agent: false, timeout: HTTP_TIMEOUT });
}

async function bodyOf(incoming) {
  const chunks = [];
  let size = 0;
  for await (const chunk of incoming) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function answer(station, incoming, response) {
  let reply;
  try {
    reply = await station.receive(incoming.rawHeaders, await bodyOf(incoming));
  } catch (error) {
    // libas2 throws where it should answer; the driver shall see why.
    emit('error', { detail: error.stack });
    reply = { status: 500, headers: {}, body: '' };
  }
  response.writeHead(reply.status, { ...reply.headers, 'Content-Length': Buffer.byteLength(reply.body) });
  await new Promise((done) => response.end(reply.body, done));
  await reply.afterwards?.().catch((error) => emit('error', { detail: `posting the receipt: ${error}` }));
}

async function obey(station, order) {
  try {
    await station.send(order);
  } catch (error) {
    if (error instanceof Unsupported) emit('unsupported', { detail: error.message });
    else emit('error', { detail: error.stack ?? String(error) });
  }
}

async function serve(options) {
  mkdirSync(options.out, { recursive: true });
  const station = new Station(options);
  const server = createServer({ requestTimeout: HTTP_TIMEOUT }, (incoming, response) => answer(station, incoming, response));
  await new Promise((done) => server.listen(Number(options.port), '127.0.0.1', done));
  const { port } = server.address();
  station.url = `http://127.0.0.1:${port}/mdn`;
  emit('listening', { port });
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.cmd === 'quit') break;
    await obey(station, order);
  }
  process.exit(0);
}

const names = ['us', 'them', 'key', 'cert', 'partner-cert', 'out'];
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    ...Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
    port: { type: 'string', default: '0' },
    require: { type: 'string', default: '' },
    // libas2 accepts everything that it can read.
    accept: { type: 'string', default: '' },
  },
});
if (positionals[0] !== 'serve' || names.some((name) => !values[name])) {
  console.error('usage: libas2_peer.mjs serve --us NAME --them NAME --key K.pem ...');
  process.exit(1);
}
await serve(values);
