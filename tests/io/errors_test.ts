import { assertEquals, assertInstanceOf, assertMatch, assertStrictEquals } from "@std/assert";
import * as errors from "../../io/errors.ts";

const cause = new Error("the runtime's own");

/** One of each, with the code and the data that callers may rely on. */
const samples: readonly [errors.SluiceError, string, Record<string, unknown>][] = [
  [new errors.ConnectionResetError("Cannot read", { cause }), "SLUICE_CONNECTION_RESET", { cause }],
  [new errors.ConnectionAbortedError("a deadline passed", { cause }), "SLUICE_CONNECTION_ABORTED", { cause }],
  [new errors.ConnectionClosedError("Cannot drain", { cause }), "SLUICE_CONNECTION_CLOSED", { cause }],
  [new errors.SelectorClosedError("Cannot listen", { cause }), "SLUICE_SELECTOR_CLOSED", { cause }],
  [new errors.ConnectionRefusedError("a:1", { cause }), "SLUICE_CONNECTION_REFUSED", {
    address: "a:1",
    cause,
  }],
  [new errors.UnreachableError("a:1", "no route", { cause }), "SLUICE_UNREACHABLE", {
    address: "a:1",
    cause,
  }],
  [new errors.WriteAfterEndError(), "SLUICE_WRITE_AFTER_END", {}],
  [new errors.AddressInUseError("a:1", { cause }), "SLUICE_ADDRESS_IN_USE", { address: "a:1", cause }],
  [
    new errors.AddressNotAvailableError("a:1", "not ours", { cause }),
    "SLUICE_ADDRESS_NOT_AVAILABLE",
    { address: "a:1", cause },
  ],
  [new errors.AccessDeniedError("Cannot listen", "no", { cause }), "SLUICE_ACCESS_DENIED", { cause }],
  [new errors.ResourceExhaustedError("Cannot accept", "full", { cause }), "SLUICE_RESOURCE_EXHAUSTED", {
    cause,
  }],
  [new errors.UnsupportedError("Cannot open", "missing", { cause }), "SLUICE_UNSUPPORTED", { cause }],
  [
    new errors.DeadlineExceededError("Cannot connect", 5, { cause }),
    "SLUICE_DEADLINE_EXCEEDED",
    { timeoutMs: 5, cause },
  ],
  [new errors.IncompleteReadError(new Uint8Array(2), 4), "SLUICE_INCOMPLETE_READ", {
    partial: new Uint8Array(2),
    expected: 4,
  }],
  [new errors.IncompleteReadError(new Uint8Array(2), null), "SLUICE_INCOMPLETE_READ", { expected: null }],
  [new errors.LimitOverrunError(3, 64), "SLUICE_LIMIT_OVERRUN", { consumed: 3, limit: 64 }],
  [new errors.ConcurrentReadError("read"), "SLUICE_CONCURRENT_READ", {}],
  [new errors.ContractError("closed came twice"), "SLUICE_CONTRACT", {}],
];

for (const [error, code, data] of samples) {
  Deno.test(`${error.name} has its code, its name and its data: ${error.message}`, () => {
    assertInstanceOf(error, errors.SluiceError);
    assertEquals(error.code, code);
    assertEquals(error.name, error.constructor.name);
    for (const [field, value] of Object.entries(data)) {
      assertEquals((error as unknown as Record<string, unknown>)[field], value, field);
    }
    assertMatch(error.message, /^(Cannot .+: .+|Contract broken: .+)$/);
  });
}

Deno.test("every error of the io layer has a sample here", () => {
  const abstract = new Set<unknown>([errors.SluiceError, errors.ConnectionError]);
  const sampled = new Set(samples.map(([error]) => error.constructor));
  const missing = Object.entries(errors).filter(([, made]) => !abstract.has(made) && !sampled.has(made));
  assertEquals(missing.map(([name]) => name), []);
});

Deno.test("what goes wrong with one connection can be caught as one class", () => {
  assertInstanceOf(new errors.ConnectionResetError(), errors.ConnectionError);
  assertInstanceOf(new errors.ConnectionAbortedError(), errors.ConnectionError);
  assertStrictEquals(new errors.AddressInUseError("a:1") instanceof errors.ConnectionError, false);
});
