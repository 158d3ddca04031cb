import { assertEquals, assertInstanceOf, assertStrictEquals, assertStringIncludes } from "@std/assert";
import * as errors from "../../../io/errors.ts";
import {
  connectError,
  connectionError,
  connectStatusError,
  descriptorError,
  listenError,
  listenStatusError,
} from "../../../io/selectors/native_errors.ts";

const withCode = (code: string, message = "from the runtime") => Object.assign(new Error(message), { code });
const named = (name: string) =>
  Object.assign(new Error('Requires net access to "a:1", run again with --allow-net'), { name });

type Made = abstract new (...args: never[]) => errors.SluiceError;

const whenListening: Record<string, Made> = {
  EADDRINUSE: errors.AddressInUseError,
  EADDRNOTAVAIL: errors.AddressNotAvailableError,
  EINVAL: errors.AddressNotAvailableError,
  ENOENT: errors.AddressNotAvailableError,
  EACCES: errors.AccessDeniedError,
  EPERM: errors.AccessDeniedError,
  EMFILE: errors.ResourceExhaustedError,
  ENOMEM: errors.ResourceExhaustedError,
};

const whenConnecting: Record<string, Made> = {
  ECONNREFUSED: errors.ConnectionRefusedError,
  ENOENT: errors.ConnectionRefusedError,
  ENOTFOUND: errors.UnreachableError,
  EAI_AGAIN: errors.UnreachableError,
  ETIMEDOUT: errors.UnreachableError,
  EHOSTUNREACH: errors.UnreachableError,
  ENETUNREACH: errors.UnreachableError,
  ECONNRESET: errors.ConnectionResetError,
  EACCES: errors.AccessDeniedError,
  EMFILE: errors.ResourceExhaustedError,
};

const whenConnected: Record<string, Made> = {
  ECONNRESET: errors.ConnectionResetError,
  EPIPE: errors.ConnectionResetError,
  ECONNABORTED: errors.ConnectionResetError,
  ENOBUFS: errors.ResourceExhaustedError,
  ETIMEDOUT: errors.ConnectionError,
};

for (
  const [when, table, translate] of [
    ["listening", whenListening, (error: unknown) => listenError(error, "a:1")],
    ["connecting", whenConnecting, (error: unknown) => connectError(error, "a:1")],
    ["connected", whenConnected, connectionError],
  ] as const
) {
  Deno.test(`each of the runtime's codes has its error when ${when}, with the runtime's as cause`, () => {
    for (const [code, expected] of Object.entries(table)) {
      const cause = withCode(code);
      const error = translate(cause);
      assertEquals(error.constructor.name, expected.name, code);
      assertStrictEquals(error.cause, cause);
    }
  });

  Deno.test(`a missing permission is told as such when ${when}, with the flag`, () => {
    for (const name of ["NotCapable", "PermissionDenied"]) {
      const error = translate(named(name));
      assertInstanceOf(error, errors.AccessDeniedError);
      assertStringIncludes(error.message, "--allow-net");
    }
  });

  Deno.test(`what has no code, or is no Error, still becomes an error of ours when ${when}`, () => {
    for (const strange of [new Error("odd"), "a string", null, undefined]) {
      assertInstanceOf(translate(strange), errors.SluiceError);
    }
  });
}

Deno.test("the system's own number is enough to tell why it refused to listen", () => {
  assertInstanceOf(listenStatusError(-98, "a:1"), errors.AddressInUseError);
  const error = listenStatusError(-99, "a:1");
  assertInstanceOf(error, errors.AddressNotAvailableError);
  assertEquals(error.message, "Cannot listen on a:1: the system refuses the address (EADDRNOTAVAIL)");
});

Deno.test("several tries that failed count as the first of them", () => {
  const refused = new AggregateError([withCode("ECONNREFUSED"), withCode("ETIMEDOUT")]);
  assertInstanceOf(connectError(refused, "a:1"), errors.ConnectionRefusedError);
});

Deno.test("the system's own number is enough to tell why it refused to connect", () => {
  assertInstanceOf(connectStatusError(-111, "a:1"), errors.ConnectionRefusedError);
  assertInstanceOf(connectStatusError(-104, "a:1"), errors.ConnectionResetError);
  const error = connectStatusError(-110, "a:1");
  assertInstanceOf(error, errors.UnreachableError);
  assertEquals(error.message, "Cannot connect to a:1: the system refuses it (ETIMEDOUT)");
});

Deno.test("a descriptor the system does not wait for is told with the reason", () => {
  const doing = "Cannot register descriptor 5";
  for (
    const [errno, kind, why] of [
      [1, errors.UnsupportedError, "it is a plain file, which is always ready (EPERM)"],
      [9, errors.UnsupportedError, "the system refuses it (EBADF)"],
      [12, errors.ResourceExhaustedError, "the system is out of memory"],
    ] as const
  ) {
    const error = descriptorError(errno, doing);
    assertInstanceOf(error, kind);
    assertEquals(error.message, `${doing}: ${why}`);
  }
});
