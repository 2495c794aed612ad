// An OPC UA server that we did not write: npm node-opcua, with values of each type, strict about its operation limits.
// Usage: node opcua_server.mjs PORT FOLDER MAX_NODES_PER_READ ; prints one line of JSON when ready, ends when its input ends.
import { join } from "node:path";
import * as opcua from "node-opcua";

const { DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, Variant, VariantArrayType } = opcua;
const [port, folder, maxNodesPerRead] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const NAMESPACE = "http://node.test/Line:1/";

const certificates = new OPCUACertificateManager({ rootFolder: join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
const server = new OPCUAServer({
  port,
  hostname: "127.0.0.1",
  allowAnonymous: true,
  securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
  securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
  serverCertificateManager: certificates,
  userCertificateManager: certificates,
  serverInfo: { applicationUri: "urn:node:server" },
  serverCapabilities: { operationLimits: { maxNodesPerRead, maxNodesPerBrowse: 20, maxNodesPerTranslateBrowsePathsToNodeIds: 10, maxMonitoredItemsPerCall: 30 } },
  disableDiscovery: true,
});
await server.initialize();

const space = server.engine.addressSpace;
const own = space.registerNamespace(NAMESPACE);
const line = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Line/1", nodeId: "s=line" });
const values = {
  Boolean: true, SByte: -7, Byte: 200, Int16: -12345, UInt16: 54321, Int32: -123456789, UInt32: 3123456789,
  Int64: [0x00200000, 1], UInt64: [0xffffffff, 0xffffffff], Float: 0.5, Double: Math.PI, String: "Schweißstrom",
};
for (const [type, value] of Object.entries(values)) {
  const variable = own.addVariable({ componentOf: line, browseName: type, nodeId: `s=${type}`, dataType: type });
  variable.setValueFromSource({ dataType: DataType[type], arrayType: VariantArrayType.Scalar, value });
}
own.addVariable({ componentOf: line, browseName: "Bad", nodeId: "s=Bad", dataType: "Double" })
  .setValueFromSource({ dataType: DataType.Double, value: 1.0 }, StatusCodes.BadSensorFailure);
own.addVariable({ componentOf: line, browseName: "Array", nodeId: "s=Array", dataType: "Double", valueRank: 1 })
  .setValueFromSource(new Variant({ dataType: DataType.Double, arrayType: VariantArrayType.Array, value: new Float64Array([1, 2]) }));
const analog = own.addAnalogDataItem({
  componentOf: line, browseName: "Pressure", nodeId: "s=Pressure", dataType: "Double", description: "in the main line",
  engineeringUnits: opcua.standardUnits.bar, engineeringUnitsRange: { low: 0, high: 250 }, instrumentRange: { low: -1, high: 300 },
});
analog.setValueFromSource({ dataType: DataType.Double, value: 180.25 });
for (let number = 0; number < 300; number++) {
  let reads = 0;
  own.addVariable({
    componentOf: line, browseName: `Counter${number}`, nodeId: `i=${number + 1}`, dataType: "Int32", minimumSamplingInterval: 10,
    value: { get: () => new Variant({ dataType: DataType.Int32, value: number * 1000 + (reads++ % 1000) }) },
  });
}
await server.start();
console.log(JSON.stringify({ ready: true, port, namespace: NAMESPACE }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
