// What one value costs another client in CPU: npm node-opcua reads, or subscribes to, numbered nodes.
// Usage: node opcua_client.mjs read URL SPACE NODES READS | subscribe URL SPACE NODES SECONDS PUBLISHING_MS SAMPLING_MS ;
// prints one line of JSON.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as opcua from "node-opcua";

const [what, url, space, nodes, amount, publishing, sampling] = process.argv.slice(2);
const count = Number(nodes);
const client = opcua.OPCUAClient.create({
  endpointMustExist: false,
  securityMode: opcua.MessageSecurityMode.None,
  securityPolicy: opcua.SecurityPolicy.None,
  clientCertificateManager: new opcua.OPCUACertificateManager({
    rootFolder: mkdtempSync(join(tmpdir(), "leadhand-node-")), automaticallyAcceptUnknownCertificate: true,
  }),
});
await client.connect(url);
const session = await client.createSession();
const wanted = Array.from({ length: count }, (_, n) => ({ nodeId: `${space};i=${n + 1}`, attributeId: opcua.AttributeIds.Value }));

function tell(values, cpu, began) {
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({ values, cpu_us: used.user + used.system, wall_us: (performance.now() - began) * 1000 }));
}

if (what === "read") {
  for (let turn = 0; turn < 20; turn++) await session.read(wanted);
  const cpu = process.cpuUsage();
  const began = performance.now();
  for (let turn = 0; turn < Number(amount); turn++) await session.read(wanted);
  tell(count * Number(amount), cpu, began);
} else {
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: Number(publishing), requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 10,
    maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 0,
  });
  const group = opcua.ClientMonitoredItemGroup.create(
    subscription, wanted, { samplingInterval: Number(sampling), queueSize: 100, discardOldest: true }, opcua.TimestampsToReturn.Both,
  );
  let values = 0;
  group.on("changed", () => { values++; });
  await new Promise((done) => { setTimeout(done, 1500); });
  values = 0;
  const cpu = process.cpuUsage();
  const began = performance.now();
  await new Promise((done) => { setTimeout(done, Number(amount) * 1000); });
  tell(values, cpu, began);
}
process.exit(0);
