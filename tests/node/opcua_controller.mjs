// A controller that we did not write, on npm node-opcua: it comes to Leadhand's OPC UA server for its messages, and answers.
// Usage: node opcua_controller.mjs URL FOLDER SECURITY USER PASSWORD WORK_UNIT ; SECURITY is a policy's name or None.
// Prints one line of JSON: what happened. FOLDER holds its certificate, made on the first run.
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as opcua from "node-opcua";

const [url, folder, security, userName, password, unit] = process.argv.slice(2);
const { AttributeIds, DataType, MessageSecurityMode, OPCUACertificateManager, OPCUAClient, SecurityPolicy, StatusCodes, UserTokenType } = opcua;

const certificates = new OPCUACertificateManager({ rootFolder: join(folder, "pki"), automaticallyAcceptUnknownCertificate: true });
await certificates.initialize();
const certificateFile = join(folder, "controller.pem");
const applicationUri = "urn:node:controller";
if (!existsSync(certificateFile)) {
  await certificates.createSelfSignedCertificate({
    applicationUri, dns: ["localhost"], outputFile: certificateFile, startDate: new Date(Date.now() - 3600e3), subject: "/CN=controller", validity: 30,
  });
}
if (security === "certificate") {
  console.log(JSON.stringify({ certificate: certificateFile }));
  process.exit(0);
}
const client = OPCUAClient.create({
  applicationUri, certificateFile, privateKeyFile: certificates.privateKey, clientCertificateManager: certificates,
  endpointMustExist: false, connectionStrategy: { maxRetry: 0 },
  securityPolicy: security === "None" ? SecurityPolicy.None : SecurityPolicy[security],
  securityMode: security === "None" ? MessageSecurityMode.None : MessageSecurityMode.SignAndEncrypt,
});
const said = {};
const call = async (session, objectId, method, inputArguments) => {
  const result = await session.call({ objectId, methodId: `${objectId.split(";")[0]};s=WorkUnitType/${method}`, inputArguments });
  return { status: result.statusCode.name, outputs: (result.outputArguments ?? []).map((one) => one.value) };
};
const text = (value) => ({ dataType: DataType.String, value });
const texts = (value) => ({ dataType: DataType.String, arrayType: opcua.VariantArrayType.Array, value });

try {
  await client.connect(url);
  const session = await client.createSession(userName ? { type: UserTokenType.UserName, userName, password } : undefined);
  const space = (await session.readNamespaceArray()).indexOf("urn:leadhand:delivery");
  const path = `ns=${space};s=WorkUnits/${unit}`;
  const read = async (name) => (await session.read({ nodeId: `${path}/${name}`, attributeId: AttributeIds.Value })).value.value;
  const other = await session.read({ nodeId: `ns=${space};s=WorkUnits/other/Message`, attributeId: AttributeIds.Value });
  said.other = other.statusCode.name;
  said.folder = (await session.browse(`ns=${space};s=WorkUnits`)).references.map((one) => one.browseName.name);
  said.write = (await session.writeSingleNode(`${path}/Message`, text("mine")).catch((error) => ({ name: error.message }))).name;
  said.beat = await call(session, path, "Heartbeat", [
    { dataType: DataType.Boolean, value: false }, { dataType: DataType.UInt64, arrayType: opcua.VariantArrayType.Scalar, value: [0, 6] }, text("Idle"),
  ]);
  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 20, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20, publishingEnabled: true,
  });
  const filter = opcua.constructEventFilter(["SourceName", `${space}:Id`, `${space}:Kind`]);
  const heard = await subscription.monitor(
    { nodeId: "i=2253", attributeId: AttributeIds.EventNotifier }, { queueSize: 10, discardOldest: true, filter }, opcua.TimestampsToReturn.Both,
  );
  const told = new Promise((resolve) => { heard.once("changed", (fields) => resolve(fields.map((one) => one.value))); });
  console.log(JSON.stringify({ listening: true }));
  said.event = await told;
  const id = await read("Id");
  said.open = await read("Open");
  said.message = await read("Message");
  said.signature = await read("Signature");
  said.names = await read("Names");
  said.values = Array.from(await read("Values"));
  said.units = await read("Units");
  said.unknown = await call(session, path, "Accept", [text("no such message")]);
  said.accepted = await call(session, path, "Accept", [text(id)]);
  said.reported = await call(session, path, "Report", [
    text(id), text("executed"), text(""), texts(said.names), { dataType: DataType.Double, arrayType: opcua.VariantArrayType.Array, value: said.values },
    texts(said.units), texts([]),
  ]);
  said.refused = await call(session, path, "Refuse", [text(id), text("not_ready")]);
  said.wrong = await call(session, path, "Report", [text(id)]);
  said.foreign = await call(session, `ns=${space};s=WorkUnits/other`, "Accept", [text(id)]);
  await subscription.terminate();
  await session.close();
} catch (error) {
  said.error = `${error.message}`;
}
await client.disconnect();
console.log(JSON.stringify(said));
process.exit(0);
