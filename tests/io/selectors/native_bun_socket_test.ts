/** What of Bun's driver can be seen on every runtime; the contract runs in native_bun_test.ts. */

import process from "node:process";
import { assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionResetError } from "../../../io/errors.ts";
import type { Addr } from "../../../io/selector.ts";
import { type BunSocket, BunTransport, GatherBuffer } from "../../../io/selectors/native_bun_socket.ts";
import { TransportHub } from "../../../io/transport_hub.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";

const parts = (...lengths: number[]) => lengths.map((length, at) => new Uint8Array(length).fill(at + 1));

Deno.test("parts are put together in order, in the same memory each time", () => {
  const buffer = new GatherBuffer();
  const first = buffer.gather(parts(2, 1, 3));
  assertEquals([...first], [1, 1, 2, 3, 3, 3]);
  const second = buffer.gather(parts(1));
  assertEquals([...second], [1]);
  assertEquals(second.buffer, first.buffer);
});

Deno.test("of more than fits, the beginning is gathered", () => {
  const gathered = new GatherBuffer().gather(parts(200_000, 100_000, 5));
  assertEquals([gathered.length, gathered[199_999], gathered.at(-1)], [256 * 1024, 1, 2]);
});

/** A transport on a socket that does nothing; what its protocol hears; and an end of the turn. */
function makeTransport(): { transport: BunTransport; recorder: Recorder; endTurn: () => void } {
  let run = (): void => {};
  const hub = new TransportHub((later) => run = later);
  const recorder = new Recorder();
  const nothing = (): void => {};
  const socket: BunSocket = {
    data: null as never,
    remoteAddress: "127.0.0.1",
    remotePort: 1,
    localAddress: "127.0.0.1",
    localPort: 2,
    write: (bytes) => bytes.length,
    pause: nothing,
    resume: nothing,
    shutdown: nothing,
    end: nothing,
    terminate: nothing,
    timeout: nothing,
    setNoDelay: nothing,
  };
  const addr = (port: number): Addr => ({ transport: "tcp", hostname: "127.0.0.1", port });
  const transport = new BunTransport(hub, recorder, socket, addr(2), addr(1), new GatherBuffer(), null);
  transport.start();
  return { transport, recorder, endTurn: () => run() };
}

const nextTick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

Deno.test("a socket that closes by itself while reading is paused was reset, whatever Bun says", () => {
  const { transport, recorder, endTurn } = makeTransport();
  transport.closeWrite();
  transport.pauseReading();
  endTurn();
  transport.takeClose(undefined);
  assertInstanceOf(recorder.reason, ConnectionResetError);
  assertEquals(recorder.count("ended"), 0);
});

Deno.test("an end that was reported behind bytes that are held waits for reading to go on, although the socket is closed", async () => {
  const { transport, recorder, endTurn } = makeTransport();
  transport.closeWrite();
  transport.pauseReading();
  endTurn();
  transport.takeRead(new TextEncoder().encode("last"));
  transport.takeEnd();
  transport.takeClose(undefined);
  assertEquals(recorder.calls, ["opened"]);
  transport.resumeReading();
  await nextTick();
  endTurn();
  await nextTick();
  assertEquals([recorder.text, recorder.calls, recorder.reason], [
    "last",
    ["opened", "received", "ended", "closed"],
    null,
  ]);
});
