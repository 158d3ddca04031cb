/** Tests of the test: what a selector as a whole can do wrong, and is caught. */

import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { ConnectionRefusedError, ContractError, SelectorClosedError } from "../../../io/errors.ts";
import { CheckedSelector } from "../../../io/selectors/checked.ts";
import { MemorySelector } from "../../../io/testing/memory_selector.ts";
import { connectPair } from "../../contracts/selector/harness.ts";
import { Recorder } from "../../contracts/selector/recorder.ts";
import { PlainSelector, PlainTransport } from "./broken_selector.ts";

const to = { hostname: "127.0.0.1", port: 1 };

function checked() {
  const inner = new PlainSelector();
  return { inner, selector: new CheckedSelector(inner) };
}

Deno.test("a connect that does as it should is clean, and gives the wrapper's view of the transport", async () => {
  const { inner, selector } = checked();
  const plain = new PlainTransport();
  const client = new Recorder();
  inner.connecting = async (createProtocol) => {
    const protocol = createProtocol();
    await Promise.resolve();
    protocol.opened(plain);
    inner.closing = () => {
      plain.isClosing = true;
      queueMicrotask(() => protocol.closed(null));
    };
    return plain;
  };
  const transport = await selector.connect(to, () => client);
  assertStrictEquals(transport, client.transport);
  assertThrows(
    () => selector.assertClean(),
    ContractError,
    "1 connection(s) whose protocol never heard closed",
  );
  inner.closing();
  await client.untilClosed();
  selector.assertClean();
});

Deno.test("a connect that fails is clean if its protocol heard nothing", async () => {
  const { inner, selector } = checked();
  inner.connecting = (createProtocol) => {
    createProtocol();
    return Promise.reject(new ConnectionRefusedError("127.0.0.1:1"));
  };
  await assertRejects(() => selector.connect(to, () => new Recorder()), ConnectionRefusedError);
  selector.assertClean();
});

Deno.test("a connect that calls opened and then fails is caught", async () => {
  const { inner, selector } = checked();
  inner.connecting = async (createProtocol) => {
    const protocol = createProtocol();
    await Promise.resolve();
    protocol.opened(new PlainTransport());
    throw new ConnectionRefusedError("127.0.0.1:1");
  };
  await assertRejects(() => selector.connect(to, () => new Recorder()), ConnectionRefusedError);
  assertThrows(() => selector.assertClean(), ContractError, "called opened for a connect that failed");
});

Deno.test("a connect that resolves without opened, with another transport or with two protocols is caught", async () => {
  const { inner, selector } = checked();
  const connect = () => selector.connect(to, () => new Recorder());
  inner.connecting = (createProtocol) => {
    createProtocol();
    return Promise.resolve(new PlainTransport());
  };
  await assertRejects(connect, ContractError, "resolved before it called opened");
  inner.connecting = async (createProtocol) => {
    const protocol = createProtocol();
    await Promise.resolve();
    protocol.opened(new PlainTransport());
    return new PlainTransport();
  };
  await assertRejects(connect, ContractError, "another transport than opened got");
  inner.connecting = (createProtocol) => {
    createProtocol();
    createProtocol();
    return Promise.resolve(new PlainTransport());
  };
  await assertRejects(connect, ContractError, "made 2 protocols");
});

Deno.test("opened from inside listen or connect is caught: it must come from a dispatch", async () => {
  const { inner, selector } = checked();
  inner.connecting = (createProtocol) => {
    createProtocol().opened(new PlainTransport());
    return Promise.resolve(new PlainTransport());
  };
  await assertRejects(
    async () => await selector.connect(to, () => new Recorder()),
    ContractError,
    "called opened from inside connect",
  );
});

Deno.test("a close that resolves with connections open is caught", async () => {
  const { inner, selector } = checked();
  selector.listen({ port: 1 }, () => new Recorder());
  const protocol = inner.accept();
  protocol.opened(new PlainTransport());
  await selector[Symbol.asyncDispose]();
  assertEquals(selector.violations.length, 1);
  assertThrows(() => selector.assertClean(), ContractError, "close resolved with 1 connection(s) not closed");
});

Deno.test("a listener that counts open connections when there are none is caught", () => {
  const { inner, selector } = checked();
  inner.openCount = 1;
  selector.listen({ port: 1 }, () => new Recorder());
  assertThrows(() => selector.assertClean(), ContractError, "counts 1 open connection(s)");
});

Deno.test("the wrapper shows what the selector shows", () => {
  const { inner, selector } = checked();
  assertStrictEquals(selector.clock, inner.clock);
  assertStrictEquals(selector.timers, inner.timers);
  assertEquals(selector.kind, "plain");
  selector.assertClean();
});

Deno.test("an abort that comes after the selector's own is no breach: the reason is the selector's", async () => {
  const selector = new CheckedSelector(new MemorySelector());
  const { client } = await connectPair(selector);
  const closing = selector.close();
  client.transport.abort(new Error("late"));
  await closing;
  assertInstanceOf(client.reason, SelectorClosedError);
  selector.assertClean();
});

Deno.test("who writes more when told to pause, and has that taken back within the same write, is no breach", async () => {
  const selector = new CheckedSelector(new MemorySelector());
  const { client } = await connectPair(selector, {}, {
    opened: (transport) => transport.setWriteLimits({ highBytes: 10 }),
    pauseWriting: (transport) => {
      transport.writeText("more");
      transport.setWriteLimits({ highBytes: 1_000 });
    },
  });
  client.transport.write(new Uint8Array(20));
  assertEquals(client.calls, ["opened", "pauseWriting", "resumeWriting"]);
  await selector.close();
  selector.assertClean();
});
