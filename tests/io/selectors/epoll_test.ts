/** The selector on epoll runs the whole contract, parked in each way; and opens only where it can work. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { probeLibc } from "../../../io/ffi/libc.ts";
import { detectRuntime } from "../../../io/runtime.ts";
import { type EpollOptions, openEpoll, probeEpoll } from "../../../io/selectors/epoll.ts";
import { parkByThread } from "../../../io/selectors/parking.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";
import { type Breakage, breakingLoader, OpenDescriptors } from "../ffi/broken_libc.ts";

const isDeno = detectRuntime().name === "deno";
let sends = 0;
const counting: EpollOptions = {
  load: breakingLoader((real) => ({
    send: (...all) => (sends++, real.send(...all)),
    sendmsg: (...all) => (sends++, real.sendmsg(...all)),
  })),
};

/** Counts the system calls that send. */
async function countSends(run: () => Promise<void>): Promise<number> {
  const before = sends;
  await run();
  return sends - before;
}

selectorContract("epoll selector", () => openEpoll(counting), { hasSockets: true, countSends });

if (isDeno) { // Bun has no calls on other threads.
  const options = { ...counting, ways: [parkByThread] };
  selectorContract("epoll selector with a thread", () => openEpoll(options), {
    hasSockets: true,
    countSends,
  });
}

Deno.test("it says how it sleeps", async () => {
  await using selector = openEpoll();
  assertEquals([selector.kind, selector.how], ["epoll", "woken by io_uring"]);
});

Deno.test("where something is missing it does not open, says what, and leaves nothing open", () => {
  const refusal = (breakage: Breakage, ways?: EpollOptions["ways"]): string | null => {
    const descriptors = new OpenDescriptors();
    const load = breakingLoader((real, fail) => ({
      ...descriptors.breakage(real, fail),
      ...breakage(real, fail),
    }));
    const probe = probeEpoll(ways === undefined ? { load } : { load, ways });
    assertEquals(probe.found, null);
    assertEquals(descriptors.open.size, 0);
    return probe.refusal;
  };
  assertEquals(refusal((_, fail) => ({ epollCreate1: () => fail(38) })), "epoll_create1 fails with error 38");
  assertEquals(refusal((_, fail) => ({ epollCtl: () => fail(1) })), "epoll_ctl fails with error 1");
  assertEquals(refusal(() => ({}), []), "nothing can wait for it: ");
  const error = assertThrows(() => openEpoll({ paths: ["/nowhere/libc.so.6"] }));
  assertEquals(error instanceof UnsupportedError, true);
  assertStringIncludes(
    (error as Error).message,
    'Cannot open the selector "epoll": none of /nowhere/libc.so.6',
  );
});

/** Runs lines with `probeEpoll` in a process of its own, and returns what it prints. */
async function runChild(lines: string, ...flags: string[]): Promise<string> {
  const module = new URL("../../../io/selectors/epoll.ts", import.meta.url).href;
  const text = `import { probeEpoll } from ${JSON.stringify(module)};\n${lines}`;
  const url = `data:application/typescript,${encodeURIComponent(text)}`;
  const { stdout, stderr, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-check", "--allow-import", "--allow-read", ...flags, url],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  return `${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}exit ${code}`;
}

const PATH = probeLibc().found!.library.path;

const ECHO = `
const selector = probeEpoll(options).found;
const listener = selector.listen({ hostname: "127.0.0.1", port: 0 }, () => ({
  opened(transport) { this.transport = transport; }, received(bytes) { this.transport.write(bytes); },
  ended() {}, pauseWriting() {}, resumeWriting() {}, closed() { console.log("server closed"); listener.close(); },
}));
selector.connect({ hostname: "127.0.0.1", port: listener.addr.port }, () => ({
  opened(transport) { this.transport = transport; transport.write(new Uint8Array(3)); },
  received(bytes) { console.log("echo", bytes.length, selector.how); this.transport.close(); },
  ended() {}, pauseWriting() {}, resumeWriting() {}, closed() { console.log("client closed"); },
}));`;

if (isDeno) {
  Deno.test("Deno: permission for libc by its path is enough; the process lives while connected, and then ends", async () => {
    const output = await runChild(`const options = {};${ECHO}`, `--allow-ffi=${PATH}`);
    assertEquals(output, "echo 3 woken by io_uring\nclient closed\nserver closed\nexit 0");
  });

  Deno.test("Deno: without io_uring as well", async () => {
    const parking = new URL("../../../io/selectors/parking.ts", import.meta.url).href;
    const lines = `import { parkByThread } from ${JSON.stringify(parking)};
      const options = { ways: [parkByThread] };${ECHO}`;
    const output = await runChild(lines, `--allow-ffi=${PATH}`);
    assertEquals(output, "echo 3 woken by a thread\nclient closed\nserver closed\nexit 0");
  });

  Deno.test("Deno: a listener that was let go of does not keep the process", async () => {
    const lines = `probeEpoll().found.listen({ port: 0 }, () => null).unref(); console.log("listening");`;
    assertEquals(await runChild(lines, `--allow-ffi=${PATH}`), "listening\nexit 0");
  });

  Deno.test("Deno: without permission it is refused, and nobody is asked", async () => {
    const output = await runChild("console.log(probeEpoll().refusal);");
    assertStringIncludes(output, `FFI is not permitted (run with --allow-ffi=${PATH}`);
  });
}
