/**
 * The bench's server on Node's `node:http`.
 *
 * @module
 */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { BIG, CHUNK, CHUNKS, JSON_BODY, PLAIN } from "./bodies.ts";

/** Writes `CHUNKS` chunks, waiting for `drain` whenever the buffer is full. */
function chunks(response: ServerResponse): void {
  let left = CHUNKS;
  const more = () => {
    while (left > 0) {
      left--;
      if (!response.write(CHUNK) && left > 0) return void response.once("drain", more);
    }
    response.end();
  };
  response.writeHead(200);
  more();
}

const server = createServer((request, response) => {
  switch (request.url) {
    case "/plain":
      response.setHeader("content-type", "text/plain;charset=UTF-8");
      return response.end(PLAIN);
    case "/json":
      response.setHeader("content-type", "application/json");
      return response.end(JSON.stringify(JSON_BODY));
    case "/big":
      response.setHeader("content-length", BIG.length);
      return response.end(BIG);
    case "/stream":
      return chunks(response);
    case "/up": {
      let bytes = 0;
      request.on("data", (piece: Uint8Array) => bytes += piece.length);
      return request.on("end", () => response.end(String(bytes)));
    }
    case "/whole":
      return buffer(request).then((whole) => response.end(String(whole.length)));
    default:
      response.statusCode = 404;
      return response.end("not found");
  }
});
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
