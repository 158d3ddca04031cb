/** Tests of the test: for each rule of the contract a transport or a protocol that breaks it, and is caught. */

import { assertEquals, assertStrictEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ConnectionAbortedError, ContractError } from "../../../io/errors.ts";
import type { Protocol, Transport } from "../../../io/selector.ts";
import { CheckedSelector } from "../../../io/selectors/checked.ts";
import { SharedChunk } from "../../../io/shared_chunk.ts";
import { Recorder, type RecorderHooks } from "../../contracts/selector/recorder.ts";
import { PlainSelector, PlainTransport } from "./broken_selector.ts";

/** A connection whose transport the test plays: `protocol` is what a selector calls, `user` what hears it. */
function connection(hooks: RecorderHooks = {}, plain = new PlainTransport()) {
  const inner = new PlainSelector();
  const selector = new CheckedSelector(inner);
  const user = new Recorder(hooks);
  selector.listen({ port: 1 }, () => user);
  const protocol: Protocol = inner.accept();
  return { selector, user, protocol, plain };
}

function opened(hooks: RecorderHooks = {}, plain = new PlainTransport()) {
  const made = connection(hooks, plain);
  made.protocol.opened(made.plain);
  return made;
}

const bytes = new Uint8Array([1, 2, 3]);

/** Breaches by the selector: what it does wrong, and a part of the sentence that says so. */
const breaches: Readonly<Record<string, () => { selector: CheckedSelector }>> = {
  "opened twice": () => {
    const made = opened();
    made.protocol.opened(made.plain);
    return made;
  },
  "called received before opened": () => {
    const made = connection();
    made.protocol.received(bytes);
    return made;
  },
  "called closed before opened": () => {
    const made = connection();
    made.protocol.closed(null);
    return made;
  },
  "called received after closed": () => {
    const made = opened();
    made.plain.isClosing = true;
    made.protocol.closed(null);
    made.protocol.received(bytes);
    return made;
  },
  "called closed after closed": () => {
    const made = opened();
    made.plain.isClosing = true;
    made.protocol.closed(null);
    made.protocol.closed(null);
    return made;
  },
  "received with no bytes": () => {
    const made = opened();
    made.protocol.received(new Uint8Array(0));
    return made;
  },
  "something else than a plain Uint8Array": () => {
    class Buffer extends Uint8Array {}
    const made = opened();
    made.protocol.received(new Buffer(1));
    return made;
  },
  "received while reading was paused": () => {
    const made = opened();
    made.user.transport.pauseReading();
    made.protocol.received(bytes);
    return made;
  },
  "ended while reading was paused": () => {
    const made = opened();
    made.user.transport.pauseReading();
    made.protocol.ended();
    return made;
  },
  "received after ended": () => {
    const made = opened();
    made.protocol.ended();
    made.protocol.received(bytes);
    return made;
  },
  "ended after ended": () => {
    const made = opened();
    made.protocol.ended();
    made.protocol.ended();
    return made;
  },
  "received after close": () => {
    const made = opened();
    made.user.transport.close();
    made.protocol.received(bytes);
    return made;
  },
  "received after abort": () => {
    const made = opened();
    made.user.transport.abort();
    made.protocol.received(bytes);
    return made;
  },
  "pauseWriting at 65536 bytes, not above": () => {
    const made = opened();
    made.plain.bufferedBytes = 65_536;
    made.protocol.pauseWriting();
    return made;
  },
  "pauseWriting twice": () => {
    const made = opened();
    made.plain.bufferedBytes = 65_537;
    made.protocol.pauseWriting();
    made.protocol.pauseWriting();
    return made;
  },
  "resumeWriting without pauseWriting": () => {
    const made = opened();
    made.protocol.resumeWriting();
    return made;
  },
  "resumeWriting at 16385 bytes, above": () => {
    const made = opened();
    made.plain.bufferedBytes = 65_537;
    made.protocol.pauseWriting();
    made.plain.bufferedBytes = 16_385;
    made.protocol.resumeWriting();
    return made;
  },
  "did not call pauseWriting": () => {
    const made = opened();
    made.user.transport.write(new Uint8Array(65_537));
    return made;
  },
  "called received from inside received": () => {
    const made = opened({ received: () => made.protocol.received(bytes) });
    made.protocol.received(bytes);
    return made;
  },
  "called received from inside write": () => {
    const plain = new PlainTransport();
    const made = opened({}, plain);
    plain.write = () => made.protocol.received(bytes);
    made.user.transport.write(bytes);
    return made;
  },
  "called resumeWriting from inside write": () => {
    const plain = new PlainTransport();
    const made = opened({}, plain);
    plain.bufferedBytes = 65_537;
    made.protocol.pauseWriting();
    plain.bufferedBytes = 0;
    plain.write = () => made.protocol.resumeWriting();
    made.user.transport.write(bytes);
    return made;
  },
  "called closed from inside abort": () => {
    const plain = new PlainTransport();
    const made = opened({}, plain);
    plain.abort = (reason) => {
      plain.isClosing = true;
      made.protocol.closed(reason ?? new ConnectionAbortedError());
    };
    made.user.transport.abort();
    return made;
  },
  "called received from inside resumeReading": () => {
    const plain = new PlainTransport();
    const made = opened({}, plain);
    plain.resumeReading = () => made.protocol.received(bytes);
    made.user.transport.pauseReading();
    made.user.transport.resumeReading();
    return made;
  },
  "isReading was true after pauseReading": () => {
    const plain = new PlainTransport();
    plain.pauseReading = () => {};
    const made = opened({}, plain);
    made.user.transport.pauseReading();
    return made;
  },
  "isReading was false after resumeReading": () => {
    const plain = new PlainTransport();
    plain.resumeReading = () => {};
    const made = opened({}, plain);
    made.user.transport.pauseReading();
    made.user.transport.resumeReading();
    return made;
  },
  "isClosing was false after close": () => {
    const plain = new PlainTransport();
    plain.close = () => {};
    const made = opened({}, plain);
    made.user.transport.close();
    return made;
  },
  "isClosing was false after abort": () => {
    const plain = new PlainTransport();
    plain.abort = () => {};
    const made = opened({}, plain);
    made.user.transport.abort();
    return made;
  },
  "isClosing was false when closed came": () => {
    const made = opened();
    made.protocol.closed(null);
    return made;
  },
  "neither null nor an Error": () => {
    const made = opened();
    made.plain.isClosing = true;
    made.protocol.closed("because" as never);
    return made;
  },
  "not the one given to abort": () => {
    const made = opened();
    made.user.transport.abort(new Error("mine"));
    made.protocol.closed(new Error("another"));
    return made;
  },
  "null as its reason": () => {
    const made = opened();
    made.user.transport.abort();
    made.protocol.closed(null);
    return made;
  },
  "Error: another as its reason": () => {
    const made = opened({
      received: () => {
        throw new Error("thrown by the protocol");
      },
    });
    assertThrows(() => made.protocol.received(bytes));
    made.plain.isClosing = true;
    made.protocol.closed(new Error("another"));
    return made;
  },
  "bufferedBytes rose from 0 to 0": () => {
    const plain = new PlainTransport();
    plain.write = () => {}; // As one that sends at once, instead of at the turn's end.
    const made = opened({}, plain);
    made.user.transport.write(bytes);
    return made;
  },
  "had not released 1 shared chunk": () => {
    const made = opened();
    made.user.transport.writeShared(new SharedChunk(bytes));
    made.plain.isClosing = true;
    made.protocol.closed(null);
    return made;
  },
  "a shared chunk were written to": () => {
    const made = opened();
    const chunk = new SharedChunk(new Uint8Array(10));
    made.user.transport.writeShared(chunk);
    chunk.bytes[3] = 1;
    made.plain.chunks[0]!.release();
    return made;
  },
  "something else than a Uint8Array": () => {
    const made = opened();
    made.user.transport.write("text" as never);
    return made;
  },
  "localAddr is not an address": () => {
    const plain = new PlainTransport();
    plain.localAddr = { transport: "tcp", hostname: "", port: 0 };
    return opened({}, plain);
  },
};

for (const [sentence, breach] of Object.entries(breaches)) {
  Deno.test(`it is caught when: ${sentence}`, () => {
    let selector: CheckedSelector | null = null;
    let thrown: unknown = null;
    try {
      ({ selector } = breach());
    } catch (error) {
      thrown = error;
    }
    const found = thrown ?? selector!.violations[0];
    if (!(found instanceof ContractError)) throw new TypeError(`not caught: ${found}`);
    assertStringIncludes(found.message, sentence);
  });
}

Deno.test("received bytes are a copy that is overwritten when the call returns", () => {
  const kept: Uint8Array[] = [];
  const made = opened({ received: (loan) => kept.push(loan) });
  const original = bytes.slice();
  made.protocol.received(original);
  assertEquals([[...kept[0]!], [...original]], [[0xdd, 0xdd, 0xdd], [1, 2, 3]]);
});

Deno.test("written bytes are a copy that is overwritten: a transport that keeps them is found out", () => {
  const made = opened();
  const own = bytes.slice();
  made.user.transport.write(own);
  assertEquals([[...made.plain.written[0]!], [...own]], [[0xdd, 0xdd, 0xdd], [1, 2, 3]]);
});

Deno.test("a shared chunk is held while the transport holds it, and given back with it", () => {
  const made = opened();
  const chunk = new SharedChunk(bytes.slice());
  made.user.transport.writeShared(chunk);
  assertEquals(chunk.refs, 2);
  made.plain.chunks[0]!.release();
  assertEquals(chunk.refs, 1);
  assertEquals(made.selector.violations, []);
});

Deno.test("a connection that keeps all rules is clean", () => {
  const made = opened({ ended: () => true });
  const { protocol, plain, user } = made;
  protocol.received(bytes);
  user.transport.pauseReading();
  user.transport.resumeReading();
  user.transport.setWriteLimits({ highBytes: 10 });
  plain.write = (data) => {
    plain.bufferedBytes += data.length;
    if (plain.bufferedBytes === 11) protocol.pauseWriting();
  };
  user.transport.write(new Uint8Array(11));
  plain.bufferedBytes = 2;
  protocol.resumeWriting();
  assertEquals(protocol.ended(), true);
  user.transport.close();
  protocol.closed(null);
  made.selector.assertClean();
  assertEquals(user.calls, ["opened", "received", "pauseWriting", "resumeWriting", "ended", "closed"]);
});

Deno.test("what the protocol throws goes through, and must come back by closed", () => {
  const error = new Error("thrown by the protocol");
  const made = opened({
    received: () => {
      throw error;
    },
  });
  assertStrictEquals(assertThrows(() => made.protocol.received(bytes)), error);
  made.plain.isClosing = true;
  made.protocol.closed(error);
  made.selector.assertClean();
});

Deno.test("a protocol that takes over hears what follows", () => {
  const made = opened();
  const second = new Recorder();
  made.user.transport.setProtocol(second);
  made.plain.isClosing = true;
  made.protocol.closed(null);
  assertEquals([made.user.calls, second.calls], [["opened"], ["closed"]]);
});

Deno.test("the wrapper shows what the transport shows", () => {
  const made = opened();
  const transport: Transport = made.user.transport;
  made.plain.bufferedBytes = 5;
  assertEquals(
    [transport.id, transport.bufferedBytes, transport.isReading, transport.isClosing, transport.remoteAddr],
    [1, 5, true, false, made.plain.remoteAddr],
  );
});
