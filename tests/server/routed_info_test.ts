import { assertEquals, assertStrictEquals } from "@std/assert";
import type { ServeInfo } from "../../server/handler.ts";
import { RoutedInfo } from "../../server/routed_info.ts";

/** Keeps its state where only its own methods reach it, as servers do. */
class PrivateInfo {
  readonly #calls: string[] = [];
  readonly #values: Record<string, unknown> = {};
  constructor() {
    for (const name of MEMBERS) this.#values[name] = { name };
  }
  get remoteAddr() {
    return this.#values.remoteAddr;
  }
  get localAddr() {
    return this.#values.localAddr;
  }
  get disconnected() {
    return this.#values.disconnected;
  }
  get draining() {
    return this.#values.draining;
  }
  get completed() {
    return this.#values.completed;
  }
  get trailers() {
    return this.#values.trailers;
  }
  earlyHints(headers: HeadersInit) {
    this.#calls.push(JSON.stringify(headers));
  }
  hijack() {
    return this.#calls;
  }
}

const MEMBERS = ["remoteAddr", "localAddr", "disconnected", "draining", "completed", "trailers"] as const;

Deno.test("everything the server told is passed on, and the parameters are added", () => {
  const info = new PrivateInfo() as unknown as ServeInfo;
  const routed = new RoutedInfo(info, { id: "7" });
  for (const member of MEMBERS) assertStrictEquals(routed[member], info[member]);
  routed.earlyHints({ link: "</a>" });
  assertEquals(routed.hijack() as unknown, ['{"link":"</a>"}']);
  assertEquals(routed.params, { id: "7" });
});
