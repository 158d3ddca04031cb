/**
 * The fan-out bench's server on Node with better-sse. Routes as in `sluice_fanout.ts`.
 *
 * Run: `better_sse.ts <folder that has node_modules/better-sse>`.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { argv } from "node:process";
import { PLAIN } from "./bodies.ts";

/** The little of better-sse's types that is used here. */
interface BetterSse {
  createSession(
    request: IncomingMessage,
    response: ServerResponse,
    options: { serializer(data: unknown): string; keepAlive: number },
  ): Promise<unknown>;
  createChannel(): { register(session: unknown): void; broadcast(data: string, event?: string): void };
}

const { createSession, createChannel }: BetterSse = createRequire(`${argv[2]}/package.json`)("better-sse");
const channel = createChannel();
const options = { serializer: String, keepAlive: 15_000 };

/** Fans out the body's text. */
function publish(request: IncomingMessage, response: ServerResponse): void {
  let text = "";
  request.setEncoding("utf8");
  request.on("data", (piece: string) => text += piece);
  request.on("end", () => {
    channel.broadcast(text);
    response.end("ok");
  });
}

const server = createServer((request, response) => {
  switch (request.url) {
    case "/events":
      return createSession(request, response, options).then((session) => channel.register(session));
    case "/publish":
      return publish(request, response);
    case "/plain":
      return response.end(PLAIN);
    default:
      response.statusCode = 404;
      return response.end("not found");
  }
});
server.keepAliveTimeout = 120_000; // Node's own 5 s would close the idle connections that are to be measured.
server.listen(0, "127.0.0.1", () => console.log(`port ${(server.address() as AddressInfo).port}`));
