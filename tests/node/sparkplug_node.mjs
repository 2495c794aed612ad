// An edge node made with Eclipse Tahu's sparkplug-client: does what the JSON lines on its standard input say, tells what it is asked.
import { createInterface } from "node:readline";
import sparkplug from "sparkplug-client";

const [url, group, edge] = process.argv.slice(2);
const client = sparkplug.newClient({
  serverUrl: url,
  username: "",
  password: "",
  groupId: group,
  edgeNode: edge,
  clientId: `${group}-${edge}`,
  publishDeath: true,
});
let births = null;

function say(what) {
  console.log(JSON.stringify(what));
}

function bear() {
  if (births === null) return;
  const time = Date.now();
  const rebirth = { name: "Node Control/Rebirth", type: "Boolean", value: false };
  client.publishNodeBirth({ timestamp: time, metrics: [rebirth, ...structuredClone(births.node)] });
  for (const [device, metrics] of Object.entries(births.devices)) {
    client.publishDeviceBirth(device, { timestamp: time, metrics: structuredClone(metrics) });
  }
  say({ born: true });
}

client.on("birth", () => {
  say({ connected: true });
  bear();
});
client.on("ncmd", (payload) => {
  const asked = payload.metrics.map((metric) => metric.name);
  say({ command: asked });
  if (asked.includes("Node Control/Rebirth")) bear();
});

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.births) {
    births = asked.births;
    if (!asked.silent) bear();
  } else if (asked.data) {
    client.publishNodeData({ timestamp: Date.now(), ...asked.data }, asked.options);
  } else if (asked.device) {
    client.publishDeviceData(asked.device, { timestamp: Date.now(), ...asked.payload }, asked.options);
  } else if (asked.death) {
    client.publishDeviceDeath(asked.death, { timestamp: Date.now(), metrics: [] });
  } else if (asked.stop) {
    client.stop();
    setTimeout(() => process.exit(0), 200);
  }
}
