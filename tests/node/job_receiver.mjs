// A job order receiver that we did not write: npm node-opcua with the OPC Foundation's own nodesets of OPC 10031-4 and OPC 40001-3.
// Usage: node job_receiver.mjs PORT FOLDER MILLISECONDS ; each order runs so long. Prints one line of JSON when ready, ends with its input.
// It knows nothing of Leadhand: it decodes what comes by the nodeset, sets its torque to the parameter of that name, refuses what has none.
import { join } from "node:path";
import * as opcua from "node-opcua";

const {
  DataType, MessageSecurityMode, nodesets, OPCUACertificateManager, OPCUAServer, SecurityPolicy, StatusCodes, VariantArrayType,
} = opcua;
const [port, folder, lasts] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const certificates = new OPCUACertificateManager({ rootFolder: join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
const server = new OPCUAServer({
  port, hostname: "127.0.0.1", allowAnonymous: true,
  securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
  securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
  serverCertificateManager: certificates, userCertificateManager: certificates,
  serverInfo: { applicationUri: "urn:node:receiver" }, disableDiscovery: true,
  serverCapabilities: { operationLimits: { maxNodesPerMethodCall: 1 } }, // strict: one call in a request
  nodeset_filename: [nodesets.standard, nodesets.isa95JobControl, nodesets.machineryJobs],
});
await server.initialize();

const space = server.engine.addressSpace;
const isa = space.getNamespaceIndex("http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/");
const jobs = space.getNamespaceIndex("http://opcfoundation.org/UA/Machinery/Jobs/");
const own = space.registerNamespace("urn:node:machine");
const machine = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Machine" });
const management = own.addObject({ componentOf: machine, browseName: { name: "JobManagement", namespaceIndex: jobs } });
const control = space.findObjectType("ISA95JobOrderReceiverObjectType", isa).instantiate({
  componentOf: management, browseName: { name: "JobOrderControl", namespaceIndex: jobs }, optionals: ["StoreAndStart", "Clear"],
});
const results = space.findObjectType("ISA95JobResponseProviderObjectType", isa).instantiate({
  componentOf: management, browseName: { name: "JobOrderResults", namespaceIndex: jobs }, optionals: ["RequestJobResponseByJobOrderID"],
});
let torque = 10;
own.addVariable({
  componentOf: machine, browseName: "torque", nodeId: "s=torque", dataType: "Double", minimumSamplingInterval: 10,
  value: { get: () => new opcua.Variant({ dataType: DataType.Double, value: torque }) },
});
const seen = own.addVariable({ componentOf: machine, browseName: "seen", nodeId: "s=seen", dataType: "String" });

const type = (name) => space.findDataType(name, isa);
const state = (number, text) => space.constructExtensionObject(type("ISA95StateDataType"), {
  browsePath: { elements: [] }, stateText: { text }, stateNumber: number,
});
const orders = new Map();
const list = control.getChildByName("JobOrderList") ?? control.getComponentByName("JobOrderList");
const show = () => list.setValueFromSource({
  dataType: DataType.ExtensionObject, arrayType: VariantArrayType.Array,
  value: [...orders.values()].map(({ order, now }) => space.constructExtensionObject(type("ISA95JobOrderAndStateDataType"), { jobOrder: order, state: [now] })),
});
const status = (...bits) => ({ dataType: DataType.UInt64, arrayType: VariantArrayType.Scalar, value: [0, bits.reduce((sum, bit) => sum + 2 ** bit, 0)] });

control.getMethodByName("StoreAndStart").bindMethod((inputs, _context, done) => {
  const order = inputs[0].value;
  const wanted = (order.jobOrderParameters ?? []).find((one) => one.ID === "torque");
  seen.setValueFromSource({ dataType: DataType.String, value: JSON.stringify(order) });
  if (wanted === undefined) {
    done(null, { statusCode: StatusCodes.Good, outputArguments: [status(4)] });
    return;
  }
  const entry = { order, now: state(3, "Running") };
  orders.set(order.jobOrderID, entry);
  setTimeout(() => {
    torque = wanted.value.value;
    entry.now = state(5, "Ended");
    show();
  }, lasts);
  show();
  done(null, { statusCode: StatusCodes.Good, outputArguments: [status(0)] });
});
control.getMethodByName("Clear").bindMethod((inputs, _context, done) => {
  const known = orders.delete(inputs[0].value);
  show();
  done(null, { statusCode: StatusCodes.Good, outputArguments: [status(known ? 0 : 1)] });
});
results.getMethodByName("RequestJobResponseByJobOrderID").bindMethod((inputs, _context, done) => {
  const entry = orders.get(inputs[0].value);
  const response = space.constructExtensionObject(type("ISA95JobResponseDataType"), {
    jobResponseID: inputs[0].value, jobOrderID: inputs[0].value, jobState: entry === undefined ? [] : [entry.now],
    startTime: new Date(), description: { text: "made by node-opcua" },
  });
  done(null, {
    statusCode: StatusCodes.Good, outputArguments: [{ dataType: DataType.ExtensionObject, value: response }, status(entry === undefined ? 1 : 0)],
  });
});
show();
await server.start();
console.log(JSON.stringify({ ready: true, port }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
