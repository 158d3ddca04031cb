/** Writing through handles; the contract suite has the rest, with it and without it. */

import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import process from "node:process";
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { openNativeDeno } from "../../../io/selectors/native_deno.ts";
import {
  HandleWriter,
  WRITE_PENDING,
  type WriteHandle,
  WRITTEN,
} from "../../../io/selectors/native_write.ts";

/** A connected socket's handle and its peer. */
async function withHandle(test: (handle: WriteHandle, peer: Socket) => Promise<void>) {
  const server = createServer();
  const accepted = new Promise<Socket>((resolve) => server.once("connection", resolve));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  const peer = await accepted;
  try {
    await test((socket as unknown as { _handle: WriteHandle })._handle, peer);
  } finally {
    socket.destroy();
    peer.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Resolves with the first `length` bytes that `socket` reads. */
async function read(socket: Socket, length: number): Promise<string> {
  let text = "";
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    text += chunk;
    if (text.length >= length) break;
  }
  return text;
}

const bytes = (text: string) => new TextEncoder().encode(text);
const fail = () => {
  throw new TypeError("nothing was pending");
};

Deno.test("one part or several are with the kernel when the call returns", async () => {
  const writer = HandleWriter.open();
  assert(writer !== null);
  await withHandle(async (handle, peer) => {
    assertEquals(writer.canWrite(handle), true);
    assertEquals(writer.write(handle, bytes("one "), fail), WRITTEN);
    assertEquals(writer.write(handle, [bytes("two "), bytes("three")], fail), WRITTEN);
    assertEquals(await read(peer, 13), "one two three");
  });
});

Deno.test("what the kernel does not take is pending, and its end is told", async () => {
  const writer = HandleWriter.open()!;
  await withHandle(async (handle, peer) => {
    let hasCome = 0;
    const chunk = new Uint8Array(1 << 20);
    const done = Promise.withResolvers<number>();
    let sent = 0;
    do sent += chunk.length; while (writer.write(handle, chunk, done.resolve) === WRITTEN);
    peer.on("data", (data: Uint8Array) => hasCome += data.length);
    assertEquals(await done.promise, 0);
    while (hasCome < sent) await new Promise((resolve) => peer.once("data", resolve));
    assertEquals(hasCome, sent);
    assertEquals(
      writer.write(handle, bytes("after"), fail),
      WRITTEN,
      "with another request than the pending one's",
    );
  });
});

Deno.test("what cannot be sent is told by the system's number, at once or later", async () => {
  const writer = HandleWriter.open()!;
  await withHandle(async (handle, peer) => {
    peer.resetAndDestroy();
    const later = Promise.withResolvers<number>();
    let status: number = WRITTEN;
    while (status === WRITTEN) {
      status = writer.write(handle, bytes("x"), later.resolve);
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    if (status === WRITE_PENDING) status = await later.promise;
    assert(status < 0, `${status}`);
  });
});

Deno.test("a runtime that does not hand out its parts is written to by sockets", async () => {
  const real = process as unknown as { binding: unknown };
  const { binding } = real;
  const answers: unknown[] = [
    undefined,
    () => ({}),
    () => ({ WriteWrap: class {}, kLastWriteWasAsync: 3, streamBaseState: [] }),
    () => {
      throw new TypeError("not permitted");
    },
  ];
  try {
    for (const answer of answers) {
      real.binding = answer;
      assertStrictEquals(HandleWriter.open(), null);
    }
    await using selector = openNativeDeno();
    assertStrictEquals(selector.writer, null);
  } finally {
    real.binding = binding;
  }
  await using selector = openNativeDeno();
  assert(selector.writer !== null);
  assertEquals([null, {}, { writeBuffer: () => 0 }].map((handle) => selector.writer!.canWrite(handle)), [
    false,
    false,
    false,
  ]);
});
