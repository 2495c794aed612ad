// An OPC UA server with alarms and conditions that we did not write: npm node-opcua.
// Usage: node alarms_server.mjs PORT FOLDER ; prints one line of JSON when ready, obeys lines of JSON, ends when its input ends.
import { createInterface } from "node:readline";
import { join } from "node:path";
import * as opcua from "node-opcua";

const { DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy } = opcua;
const [port, folder] = [Number(process.argv[2]), process.argv[3]];
const certificates = new OPCUACertificateManager({ rootFolder: join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
const server = new OPCUAServer({
  port,
  hostname: "127.0.0.1",
  allowAnonymous: true,
  securityPolicies: [SecurityPolicy.None],
  securityModes: [MessageSecurityMode.None],
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverInfo: { applicationUri: "urn:node:alarms" },
  disableDiscovery: true,
});
await server.initialize();
const space = server.engine.addressSpace;
const own = space.registerNamespace("http://node.test/alarms/");
space.installAlarmsAndConditionsService();
const press = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "press-1", nodeId: "s=press-1", notifierOf: space.rootFolder.objects.server });
const inputs = {}, alarms = {};
for (const name of ["pressure", "temperature", "force"]) {
  inputs[name] = own.addVariable({ componentOf: press, browseName: name, nodeId: `s=press-1/${name}`, dataType: "Double", eventSourceOf: press });
  inputs[name].setValueFromSource({ dataType: DataType.Double, value: 50 });
  alarms[name] = own.instantiateNonExclusiveLimitAlarm("NonExclusiveLimitAlarmType", {
    browseName: `${name} limits`, conditionName: `${name} limits`, conditionSource: inputs[name], inputNode: inputs[name], organizedBy: press,
    highHighLimit: 95, highLimit: 80, lowLimit: 20, lowLowLimit: 5, optionals: ["ConfirmedState", "Confirm"],
  });
}
await server.start();
console.log(JSON.stringify({ ready: true, port }));
createInterface({ input: process.stdin }).on("line", (line) => {
  const wish = JSON.parse(line);
  if (wish.act === "write") inputs[wish.node].setValueFromSource({ dataType: DataType.Double, value: wish.value });
  else if (wish.act === "acknowledge") {
    const branch = alarms[wish.node].currentBranch();
    alarms[wish.node].acknowledgeAndAutoConfirmBranch(branch, branch.getEventId(), new opcua.LocalizedText({ text: "seen" }), opcua.SessionContext.defaultContext);
  }
  else if (wish.act === "event") {
    press.raiseEvent("BaseEventType", { message: { dataType: DataType.LocalizedText, value: { text: wish.message } }, severity: { dataType: DataType.UInt16, value: wish.severity } });
  }
  console.log(JSON.stringify({ done: true }));
}).on("close", () => process.exit(0));
