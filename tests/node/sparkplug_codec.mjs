// Encodes and decodes Sparkplug B payloads with Eclipse Tahu's own package: one JSON line in, one JSON line out.
import { createInterface } from "node:readline";
import sparkplug from "sparkplug-payload";
import Long from "long";

const codec = sparkplug.get("spBv1.0");
const LONG = new Set(["Int64", "UInt32", "UInt64", "DateTime"]);

function toValue(metric) {
  if (metric.value === null) return { ...metric, isNull: true };
  if (LONG.has(metric.type)) return { ...metric, value: Long.fromString(String(metric.value), metric.type !== "Int64") };
  if (metric.type === "Bytes") return { ...metric, value: Buffer.from(metric.value, "base64") };
  return metric;
}

function toPlain(value) {
  if (value === undefined) return null;
  if (Long.isLong(value)) return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value;
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.encode) {
    const payload = { ...asked.encode, metrics: asked.encode.metrics.map(toValue) };
    console.log(JSON.stringify(Buffer.from(codec.encodePayload(payload)).toString("base64")));
  } else {
    const found = codec.decodePayload(Buffer.from(asked.decode, "base64"));
    const metrics = found.metrics.map((m) => ({ ...m, value: toPlain(m.value), timestamp: toPlain(m.timestamp), alias: toPlain(m.alias) }));
    console.log(JSON.stringify({ timestamp: toPlain(found.timestamp), seq: toPlain(found.seq), metrics }));
  }
}
