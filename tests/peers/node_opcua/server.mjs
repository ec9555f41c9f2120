// An OPC UA server on node-opcua: variables of every type, whose value, status and time a test sets.
//
//     node server.mjs FOLDER '{"certificate": "...", "key": "...", "pki": "...", "user": "", "password": "", "port": 0}'
//
// FOLDER is where npm has installed what the lock says.
// Prints its port. An order is a line of JSON on the standard input, answered "ok" or "error: why":
//     {"set": "Double", "value": 1.5, "status": 2147483648, "time_ms": 1700000000123, "picoseconds": 456700000}
//     {"burst": "Double", "values": [1, 2, 3]}           one after the other, within one publishing interval
//     {"remove": "Double"}, {"add": "Double"}

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.argv[2]}/`);
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { OPCUAServer } = require("node-opcua-server");
const { coerceStatusCode } = require("node-opcua-status-code");
const { DataType, VariantArrayType } = require("node-opcua-variant");

const say = (line) => process.stdout.write(`${line}\n`);
console.log = console.warn = console.info = console.error; // what node-opcua has to say is for people
const options = JSON.parse(process.argv[3]);
const userNames = { isValidUser: (user, password) => user === options.user && password === options.password };
const server = new OPCUAServer({
  port: options.port ?? 0,
  hostname: "127.0.0.1",
  certificateFile: options.certificate,
  privateKeyFile: options.key,
  serverCertificateManager: new OPCUACertificateManager({
    rootFolder: options.pki,
    automaticallyAcceptUnknownCertificate: options.accept ?? true,
  }),
  serverInfo: { applicationUri: "urn:holdfast:test:node" },
  allowAnonymous: !options.user,
  userManager: options.user ? userNames : undefined,
  // a sample rate of 0: each change is told, none is sampled over
  serverCapabilities: { maxSessions: 20, minSupportedSampleRate: 0, operationLimits: { maxNodesPerRead: 10, maxNodesPerBrowse: 3, maxMonitoredItemsPerCall: 7 } },
});

const SCALARS = {
  Boolean: false, SByte: 0, Byte: 0, Int16: 0, UInt16: 0, Int32: 0, UInt32: 0, Int64: [0, 0], UInt64: [0, 0],
  Float: 0, Double: 0, String: "", DateTime: new Date(0), Guid: "00000000-0000-0000-0000-000000000000",
  ByteString: Buffer.alloc(0), LocalizedText: { text: "" },
};
const ARRAYS = ["Boolean", "Byte", "Int16", "UInt32", "Int64", "UInt64", "Float", "Double"];
const variables = {};
let space, folder;

// Doubles that JSON has no words for come as their bits; whole numbers of 64 bits as text.
function plain(type, value) {
  if (Array.isArray(value)) return value.map((item) => plain(type, item));
  if (type === "Int64" || type === "UInt64") {
    const bits = BigInt.asUintN(64, BigInt(value));
    return [Number(bits >> 32n), Number(bits & 0xffffffffn)];
  }
  if (type === "ByteString") return Buffer.from(value, "base64");
  if (type === "DateTime") return new Date(value);
  if (type === "LocalizedText") return { text: value };
  if (typeof value === "object" && value !== null) return Buffer.from(value.bits, "hex").readDoubleBE();
  return value;
}

function typed(name, value) {
  const array = name.endsWith("Array");
  const type = name.replace(/Array$/, "");
  const arrayType = array ? VariantArrayType.Array : VariantArrayType.Scalar;
  return { dataType: DataType[type], arrayType, value: plain(type, value) };
}

function add(name) {
  const array = name.endsWith("Array");
  const type = name.replace(/Array$/, "");
  variables[name] = space.addVariable({
    componentOf: folder,
    browseName: name,
    nodeId: `s=${name}`,
    dataType: DataType[type],
    valueRank: array ? 1 : -1,
    minimumSamplingInterval: 0,
    accessLevel: "CurrentRead | CurrentWrite",
    userAccessLevel: "CurrentRead | CurrentWrite",
    value: { dataType: DataType[type], arrayType: array ? VariantArrayType.Array : VariantArrayType.Scalar,
             value: array ? [] : SCALARS[type] },
  });
}

function set(order) {
  const variable = variables[order.set];
  const now = variable.readValue();
  const variant = order.value === undefined ? now.value : typed(order.set, order.value);
  const status = coerceStatusCode(order.status ?? 0);
  variable.setValueFromSource(variant, status, new Date(order.time_ms ?? Date.now()));
  if (order.picoseconds !== undefined) variable.$dataValue.sourcePicoseconds = order.picoseconds;
}

async function obey(order) {
  if (order.set) set(order);
  else if (order.burst) {
    for (const value of order.values) {
      set({ set: order.burst, value });
      await new Promise((done) => setTimeout(done, 2)); // a time of its own for each
    }
  } else if (order.remove) variables[order.remove].addressSpace.deleteNode(variables[order.remove]);
  else if (order.add) add(order.add);
  else return `error: ${JSON.stringify(order)}`;
  return "ok";
}

await server.initialize();
space = server.engine.addressSpace.getOwnNamespace();
folder = space.addObject({ organizedBy: server.engine.addressSpace.rootFolder.objects, browseName: "Types" });
for (const name of Object.keys(SCALARS)) add(name);
for (const name of ARRAYS) add(`${name}Array`);
space.addVariable({
  componentOf: folder, browseName: "Fixed", nodeId: "s=Fixed", dataType: "Double", accessLevel: "CurrentRead",
  userAccessLevel: "CurrentRead", value: { dataType: "Double", value: 1.25 },
});
folder.addReference({ referenceType: "Organizes", nodeId: server.engine.addressSpace.rootFolder.objects }); // a loop
const enumeration = space.addEnumerationType({ browseName: "Gear", enumeration: ["Idle", "Low", "High"] });
space.addVariable({
  componentOf: folder, browseName: "Gear", nodeId: "s=Gear", dataType: enumeration, valueRank: -1,
  value: { dataType: "Int32", value: 2 },
});
space.addVariable({
  componentOf: folder, browseName: "Empty", nodeId: "s=Empty", dataType: "Duration",
  value: { dataType: "Double", value: 2.5 },
});
await server.start();
say(server.endpoints[0].port);

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await obey(JSON.parse(line)));
  } catch (wrong) {
    say(`error: ${wrong.message}`);
  }
}
process.exit(0);
