/** The driver on `node:net` sockets; the contract suite runs it whole, in both read modes. */

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { ConnectionResetError } from "../../../io/errors.ts";
import { TransportHub } from "../../../io/transport_hub.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { GatheredReads } from "../../../io/selectors/gathered_reads.ts";
import {
  addrOf,
  makeSocket,
  NativeTransport,
  OwnedSocket,
  probeReadMode,
  takeHandle,
} from "../../../io/selectors/native_socket.ts";

const makeReads = () => new GatheredReads(() => {}, { endedTurns: 0, flush() {} });

/** An accepted socket whose peer sent `text` and its end. */
async function accepted(text: string): Promise<{ socket: Socket; close: () => Promise<void> }> {
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true });
  const coming = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  peer.end(text);
  peer.resume();
  const socket = await coming;
  return {
    socket,
    close: async () => {
      peer.destroy();
      (server as unknown as { _connections: number })._connections = 0;
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

Deno.test("a socket made around another's handle reads into the buffer it is given", async () => {
  const { socket, close } = await accepted("loaned bytes");
  const handle = takeHandle(socket);
  assert(handle !== null);
  assertStrictEquals(takeHandle(socket), null, "it has none left");
  const reads = makeReads();
  const made = makeSocket(reads, handle);
  const texts: string[] = [];
  made.owner = {
    takeShared(bytesRead: number) {
      texts.push(new TextDecoder().decode(reads.front(bytesRead)));
      return true;
    },
  } as never;
  made.read(0);
  await new Promise((resolve) => made.once("end", resolve));
  assertEquals(texts.join(""), "loaned bytes");
  made.destroy();
  await new Promise((resolve) => made.once("close", resolve));
  await close();
});

Deno.test("nothing is read before that is asked for", async () => {
  const { socket, close } = await accepted("waiting");
  const made = makeSocket(makeReads(), takeHandle(socket)!);
  let reads = 0;
  made.owner = { takeShared: () => ++reads > 0 } as never;
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setTimeout(resolve, 0));
  assertEquals(reads, 0);
  made.destroy();
  await new Promise((resolve) => made.once("close", resolve));
  await close();
});

Deno.test("this Deno's sockets can be made around a handle", () => {
  assertEquals(probeReadMode(), "shared");
});

Deno.test("an object without a handle has none to take", () => {
  assertStrictEquals(takeHandle({} as Socket), null);
});

Deno.test("addresses are the system's, and stand in when the system has none any more", () => {
  assertEquals(addrOf("::1", 80, null), { transport: "tcp", hostname: "::1", port: 80 });
  assertEquals(addrOf(undefined, undefined, null), { transport: "tcp", hostname: "0.0.0.0", port: 0 });
  assertEquals(addrOf("::1", 80, "/run/x"), { transport: "unix", path: "/run/x" });
});

/** A connection whose socket reads nothing, and what its turn's end runs. */
function unread(protocol: Recorder) {
  const turnEnds: (() => void)[] = [];
  const afterTurn = (run: () => void) => void turnEnds.push(run);
  const hub = new TransportHub(afterTurn);
  const reads = new GatheredReads(afterTurn, hub);
  const host = { hub, reads, writer: null, lastRead: null };
  const addr = addrOf("127.0.0.1", 1, null);
  const socket = new OwnedSocket();
  socket.read = () => null;
  const transport = new NativeTransport(host, protocol, socket, addr, addr, "shared", () => {});
  transport.start();
  const read = (text: string): boolean => {
    reads.buffer.set(new TextEncoder().encode(text));
    return transport.takeShared(text.length);
  };
  read("first ");
  const endTurn = () => turnEnds.splice(0).forEach((run) => run());
  const ticks = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
  return { transport, socket, read, endTurn, ticks };
}

Deno.test("reads kept for a protocol that has paused are held until it goes on, and so is the end behind them", async () => {
  const protocol = new Recorder({ received: (_, transport) => transport.pauseReading() });
  const { transport, socket, read, endTurn, ticks } = unread(protocol);
  assertEquals([protocol.text, transport.isReading], ["first ", false]);
  transport.resumeReading();
  assertEquals([read("second "), read("third ")], [true, true]);
  endTurn();
  assertEquals(protocol.text, "first second ", "it paused again in the row");
  transport.takeEnd();
  assertEquals(protocol.calls.includes("ended"), false);
  transport.resumeReading();
  transport.pauseReading();
  await ticks();
  assertEquals(protocol.text, "first second ", "it had paused again by then");
  transport.resumeReading();
  await ticks();
  assertEquals(protocol.text, "first second third ");
  transport.resumeReading();
  await ticks();
  endTurn();
  assertEquals(protocol.calls, ["opened", "received", "ended"]);
  socket.destroy();
  await protocol.untilClosed();
});

Deno.test("an end comes after the reads that were kept before it, and nothing held outlives the connection", async () => {
  const protocol = new Recorder({ ended: () => true });
  const { transport, read } = unread(protocol);
  read("second");
  transport.takeEnd();
  assertEquals([protocol.text, protocol.calls], ["first second", ["opened", "received", "ended"]]);
  transport.abort();
  await protocol.untilClosed();
  transport.takeShared(3);
  assertEquals(protocol.calls, ["opened", "received", "ended", "closed"]);
});

Deno.test("a socket that closes without a word was lost, unless its end was heard before", async () => {
  const protocol = new Recorder();
  unread(protocol).socket.destroy();
  assertInstanceOf(await protocol.untilClosed(), ConnectionResetError);
  const other = new Recorder({ ended: () => true });
  const { transport, socket } = unread(other);
  transport.takeEnd();
  socket.destroy();
  assertEquals(await other.untilClosed(), null);
});
