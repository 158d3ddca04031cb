/** How Bun's listener counts and refuses, on sockets that are none; real ones are in native_bun_test.ts. */

import { assertEquals, assertThrows } from "@std/assert";
import { BlockPool } from "../../../io/block_pool.ts";
import { AddressInUseError, UnsupportedError } from "../../../io/errors.ts";
import { BunListener, type BunSockets } from "../../../io/selectors/native_bun_listener.ts";
import { type BunSocket, GatherBuffer } from "../../../io/selectors/native_bun_socket.ts";
import { TransportHub } from "../../../io/transport_hub.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

const host = { hub: new TransportHub(() => {}, new BlockPool()), gather: new GatherBuffer(), forget() {} };
const anyPort = { hostname: "127.0.0.1", port: 0 };

/** `Bun.listen` that listens to nothing. */
function sockets(listen: () => void = () => {}): BunSockets {
  return {
    listen: () => {
      listen();
      return { hostname: "127.0.0.1", port: 8_000, stop() {}, ref() {}, unref() {} };
    },
    connect: () => Promise.reject(new Error("unused")),
  };
}

/** A socket that only says what was done to it. */
function socket(done: string[], remoteAddress?: string): BunSocket {
  return {
    localAddress: "127.0.0.1",
    localPort: 8_000,
    remoteAddress,
    remotePort: remoteAddress === undefined ? undefined : 9_000,
    terminate: () => done.push("terminate"),
    timeout: (seconds: number) => done.push(`timeout ${seconds}`),
    setNoDelay: () => {},
  } as unknown as BunSocket;
}

Deno.test("connections are counted, and reset above the bound or when their peer is gone already", () => {
  const listener = new BunListener(sockets(), host, { ...anyPort, connectionsMax: 1 }, () => new Recorder());
  assertEquals(listener.addr, { transport: "tcp", hostname: "127.0.0.1", port: 8_000 });
  const done: string[][] = [[], [], []];
  listener.takeOpen(socket(done[0]!));
  listener.takeOpen(socket(done[1]!, "127.0.0.1"));
  listener.takeOpen(socket(done[2]!, "127.0.0.1"));
  assertEquals(done, [["terminate"], ["timeout 0"], ["terminate"]]);
  assertEquals(listener.stats, { accepted: 1, refused: 1, open: 1, acceptErrors: 1 });
});

Deno.test("what Bun refuses has our names, and what it cannot do is said", () => {
  const taken = sockets(() => {
    throw Object.assign(new Error("taken"), { code: "EADDRINUSE" });
  });
  assertThrows(() => new BunListener(taken, host, anyPort, () => new Recorder()), AddressInUseError);
  assertThrows(
    () => new BunListener(sockets(), host, { transport: "fd", fd: 3 }, () => new Recorder()),
    UnsupportedError,
  );
});
