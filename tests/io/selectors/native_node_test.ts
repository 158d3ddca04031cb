/** The native selector of Node runs the whole contract, reading into one shared buffer and by events. */

import { assertEquals } from "@std/assert";
import { detectRuntime } from "../../../io/runtime.ts";
import { openNativeNode } from "../../../io/selectors/native_node.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { countSocketWrites } from "./count_socket_writes.ts";

if (detectRuntime().name === "node") {
  selectorContract("native selector", () => openNativeNode(), {
    hasSockets: true,
    countSends: countSocketWrites,
  });

  selectorContract("native selector by events", () => openNativeNode({ readMode: "events" }), {
    hasSockets: true,
    countSends: countSocketWrites,
  });
}

Deno.test("sockets of node:net read into the shared buffer", async () => {
  await using selector = openNativeNode();
  assertEquals([selector.kind, selector.readMode], ["native", "shared"]);
});
