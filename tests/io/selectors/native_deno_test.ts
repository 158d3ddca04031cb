/** The native selector of Deno runs the whole contract, reading into one shared buffer and by events. */

import { assertEquals } from "@std/assert";
import { openNativeDeno } from "../../../io/selectors/native_deno.ts";
import type { Protocol, TcpAddr } from "../../../io/selector.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { countSocketWrites } from "./count_socket_writes.ts";

selectorContract("native selector", () => openNativeDeno(), {
  hasSockets: true,
  countSends: countSocketWrites,
});

selectorContract(
  "native selector by events",
  () => openNativeDeno({ readMode: "events", writesByHandle: false }),
  { hasSockets: true, countSends: countSocketWrites, endsWhatFails: true },
);

Deno.test("this Deno's sockets read into the shared buffer", async () => {
  await using selector = openNativeDeno();
  assertEquals([selector.kind, selector.readMode], ["native", "shared"]);
});

Deno.test("what this Deno's handles read goes past the code of their sockets", async () => {
  await using selector = openNativeDeno();
  const stack = Promise.withResolvers<string>();
  const sink = (received: () => void): Protocol => ({
    opened() {},
    received,
    ended: () => false,
    closed() {},
    pauseWriting() {},
    resumeWriting() {},
  });
  const listener = selector.listen(
    { port: 0, hostname: "127.0.0.1" },
    () => sink(() => stack.resolve(new Error("where it came from").stack ?? "")),
  );
  const { port } = listener.addr as TcpAddr;
  const transport = await selector.connect({ hostname: "127.0.0.1", port }, () => sink(() => {}));
  transport.write(new Uint8Array(5));
  const frames = (await stack.promise).split("\n").slice(1);
  assertEquals(frames.filter((frame) => !frame.includes("file://")), []);
});
