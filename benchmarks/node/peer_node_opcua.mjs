// The strongest peer of the ingest benchmark: node-opcua reads at full rate; each second's values go, sorted by signal, as one binary
// COPY encoded by hand. Usage: node peer_node_opcua.mjs URL SPACE NODES SECONDS POSTGRES_URL ; prints {"go":true}, then its facts.
import { createRequire } from "node:module";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";

const opcua = createRequire(new URL("../../tests/node/package.json", import.meta.url))("node-opcua");
const [url, space, nodes, seconds, database] = process.argv.slice(2);
const count = Number(nodes);
const ROW = 40, EPOCH_MS = 946684800000, HIGH = 4294967296;

const place = new URL(database.replace("@/", "@localhost/"));
const socket = place.searchParams.get("host");
const db = new pg.Client({
  host: socket || place.hostname, port: Number(place.port) || 5432, user: decodeURIComponent(place.username),
  password: decodeURIComponent(place.password) || undefined, database: place.pathname.slice(1),
});
await db.connect();

const client = opcua.OPCUAClient.create({
  endpointMustExist: false, securityMode: opcua.MessageSecurityMode.None, securityPolicy: opcua.SecurityPolicy.None,
  clientCertificateManager: new opcua.OPCUACertificateManager({
    rootFolder: mkdtempSync(join(tmpdir(), "leadhand-node-")), automaticallyAcceptUnknownCertificate: true,
  }),
});
await client.connect(url);
const session = await client.createSession();
const wanted = Array.from({ length: count }, (_, n) => ({ nodeId: `${space};i=${n + 1}`, attributeId: opcua.AttributeIds.Value }));
for (let turn = 0; turn < 5; turn++) await session.read(wanted);

function encoded(reads) {
  const out = Buffer.alloc(21 + reads.length * count * ROW);
  out.write("PGCOPY\n\xff\r\n\0", 0, "latin1");
  let at = 19;
  for (let n = 0; n < count; n++) {
    for (const read of reads) {
      out.writeInt16BE(4, at);
      out.writeInt32BE(8, at + 2);
      out.writeInt32BE(Math.floor(read.us / HIGH), at + 6);
      out.writeUInt32BE(read.us % HIGH, at + 10);
      out.writeInt32BE(4, at + 14);
      out.writeInt32BE(n, at + 18);
      out.writeInt32BE(8, at + 22);
      out.writeDoubleBE(read.values[n], at + 26);
      out.writeInt32BE(2, at + 34);
      out.writeInt16BE(0, at + 38);
      at += ROW;
    }
  }
  out.writeInt16BE(-1, at);
  return out;
}

function store(reads) {
  const bytes = encoded(reads);
  return new Promise((resolve, reject) => {
    const stream = db.query(copyFrom("COPY peer (time, signal_id, value, quality) FROM STDIN (FORMAT binary)"));
    stream.on("error", reject);
    stream.on("finish", resolve);
    stream.end(bytes);
  });
}

console.log(JSON.stringify({ go: true }));
const cpu = process.cpuUsage();
const began = performance.now();
let reads = [], stored = 0, storing = Promise.resolve(), flushed = began;
while (performance.now() - began < Number(seconds) * 1000) {
  const answer = await session.read(wanted);
  const values = new Float64Array(count);
  for (let n = 0; n < count; n++) values[n] = answer[n].value.value;
  reads.push({ us: (Date.now() - EPOCH_MS) * 1000, values });
  if (performance.now() - flushed >= 1000) {
    await storing;
    stored += reads.length * count;
    storing = store(reads);
    reads = [];
    flushed = performance.now();
  }
}
await storing;
if (reads.length) {
  stored += reads.length * count;
  await store(reads);
}
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ values: stored, cpu_s: (used.user + used.system) / 1e6, wall_s: (performance.now() - began) / 1000 }));
process.exit(0);
