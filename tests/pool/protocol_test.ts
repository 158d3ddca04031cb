/** The protocol's numbers: told apart where they have to be. */

import { assertEquals } from "@std/assert";
import * as protocol from "../../pool/protocol.ts";

Deno.test("no two kinds of message, outcomes or states share a number", () => {
  const { CANCEL, CREDIT, DONE, INIT, ITEMS, LOAD_FAILED, READY, RUN, STRAY } = protocol;
  const { FAILED, INTERRUPTED, SENT, SKIPPED, STARTED, STOPPING, STRUCK, SUCCEEDED, TAKEN, UNCLONEABLE } =
    protocol;
  for (
    const numbers of [
      [RUN, CANCEL, CREDIT, INIT],
      [READY, DONE, ITEMS, LOAD_FAILED, STRAY],
      [SUCCEEDED, FAILED, SKIPPED, INTERRUPTED, UNCLONEABLE, STRUCK],
      [SENT, STARTED, TAKEN, STOPPING],
    ]
  ) assertEquals(new Set(numbers).size, numbers.length);
});
