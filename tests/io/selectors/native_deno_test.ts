/** The native selector of Deno runs the whole contract, reading into one shared buffer and by events. */

import { assertEquals } from "@std/assert";
import { openNativeDeno } from "../../../io/selectors/native_deno.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { countSocketWrites } from "./count_socket_writes.ts";

selectorContract("native selector", () => openNativeDeno(), {
  hasSockets: true,
  countSends: countSocketWrites,
});

selectorContract(
  "native selector by events",
  () => openNativeDeno({ readMode: "events", writesByHandle: false }),
  { hasSockets: true, countSends: countSocketWrites },
);

Deno.test("this Deno's sockets read into the shared buffer", async () => {
  await using selector = openNativeDeno();
  assertEquals([selector.kind, selector.readMode], ["native", "shared"]);
});
