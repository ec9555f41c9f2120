// Reads and writes Sparkplug B payloads for a test, one JSON line each way; argv[2] is the folder of the packages.
//   {"decode": base64}            -> the fields of the message as protobufjs reads them, 64-bit numbers as text
//   {"birth": base64}             -> the payload as the library gives it to its users, with values by datatype
//   {"encode": {metrics: [...]}}  -> base64
const path = require("node:path");
const readline = require("node:readline");
const root = path.join(process.argv[2], "node_modules", "sparkplug-payload");
const library = require(root).get("spBv1.0");
const schema = require(path.join(root, "lib", "sparkplugPayloadProto.js")).org.eclipse.tahu.protobuf.Payload;

const longs = (value) =>
  Array.isArray(value) ? value.map(longs)
  : value && value.constructor && value.constructor.name === "Long" ? value.toString()
  : value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") }
  : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, longs(v)]))
  : value;

const answers = {
  decode: (text) => schema.toObject(schema.decode(Buffer.from(text, "base64")), { longs: String, bytes: String }),
  birth: (text) => longs(library.decodePayload(Buffer.from(text, "base64"))),
  encode: (payload) => Buffer.from(library.encodePayload(payload)).toString("base64"),
};
readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const [[verb, what]] = Object.entries(JSON.parse(line));
  console.log(JSON.stringify(answers[verb](what)));
});
