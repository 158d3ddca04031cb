/** The driver on `node:net` sockets; the contract suite runs it whole, in both read modes. */

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  addrOf,
  makeReadBuffer,
  makeSocket,
  probeReadMode,
  takeHandle,
} from "../../../io/selectors/native_socket.ts";

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
  const buffer = makeReadBuffer();
  const made = makeSocket(buffer, handle);
  const texts: string[] = [];
  made.owner = {
    takeRead(bytes: Uint8Array) {
      assertStrictEquals(bytes.buffer, buffer.bytes.buffer);
      texts.push(new TextDecoder().decode(bytes));
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
  const made = makeSocket(makeReadBuffer(), takeHandle(socket)!);
  let reads = 0;
  made.owner = { takeRead: () => ++reads > 0 } as never;
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
