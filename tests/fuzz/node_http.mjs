/**
 * The second opinion of the differential test: tells what `node:http` makes of each of many inputs.
 *
 * Run by Node: `node node_http.mjs <cases.json>`, a JSON array of strings with one code unit per byte. Prints a JSON array: for
 * each, how many bytes of body each request had (-1 if it did not end), and why the connection was refused.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Duplex } from "node:stream";

const server = createServer({ insecureHTTPParser: false, requireHostHeader: true });
server.on("clientError", (error, socket) => {
  socket.outcome.refused ??= error.code;
  socket.destroy();
});
for (const event of ["request", "checkContinue", "checkExpectation"]) {
  server.on(event, (request) => {
    const { outcome } = request.socket;
    if (event === "checkExpectation") outcome.refused ??= "EXPECTATION";
    hear(request, outcome);
  });
}
server.on("connect", (_request, socket) => {
  socket.outcome.bodies.push(0);
  socket.outcome.rest = true;
  socket.destroy();
});

/** Counts a request's body. */
function hear(request, outcome) {
  const index = outcome.bodies.push(-1) - 1;
  let bytes = 0;
  request.on("data", (data) => bytes += data.length);
  request.on("end", () => outcome.bodies[index] = bytes);
  request.on("error", () => {});
}

/** A connection that brings `bytes` and a FIN. */
class Connection extends Duplex {
  constructor(bytes) {
    super({ allowHalfOpen: true });
    this.outcome = { bodies: [], refused: null };
    this.push(bytes);
    this.push(null);
  }
  _read() {}
  _write(chunk, _encoding, done) {
    // A missing Host is answered without an event.
    if (/^HTTP\/1\.1 400 /.test(chunk.toString("latin1"))) this.outcome.refused ??= "BAD_REQUEST";
    done();
  }
  setTimeout() {}
  setNoDelay() {}
  setKeepAlive() {}
}

/** What becomes of one input. */
function judge(text) {
  return new Promise((resolve) => {
    const connection = new Connection(Buffer.from(text, "latin1"));
    connection.on("error", () => {});
    const settled = () =>
      setImmediate(() => {
        resolve(connection.outcome);
        connection.destroy();
      });
    connection.once("end", settled);
    connection.once("close", settled);
    server.emit("connection", connection);
  });
}

const cases = JSON.parse(readFileSync(process.argv[2], "utf8"));
const outcomes = [];
for (const text of cases) outcomes.push(await judge(text));
process.stdout.write(JSON.stringify({ version: process.version, outcomes }));
