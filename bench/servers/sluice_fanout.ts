/**
 * The fan-out bench's server on Sluice: one topic of an `EventHub`, behind `serve()`. Prints `port N`.
 *
 * Every server of this bench answers `GET /events` with an event stream, fans out what is POSTed to `/publish`, and
 * answers `GET /plain`.
 *
 * @module
 */
import { EventHub, openSelector, Reply, serve } from "../../mod.ts";
import { PLAIN } from "./bodies.ts";

const selector = openSelector();
const hub = new EventHub({ timers: selector.timers });

/** Publishes the body's text. */
async function publish(request: Request): Promise<Response> {
  return new Reply(await hub.publish("bench", { data: await request.text() }));
}

const server = serve({ selector, port: 0, hostname: "127.0.0.1" }, (request, info) => {
  switch (new URL(request.url).pathname) {
    case "/events":
      return hub.subscribe(request, "bench", info);
    case "/publish":
      return publish(request);
    case "/plain":
      return new Reply(PLAIN);
    default:
      return new Reply("not found", { status: 404 });
  }
});
console.log(`port ${server.addr.port}`);
