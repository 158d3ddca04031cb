import { assertEquals, assertInstanceOf, assertMatch, assertStrictEquals } from "@std/assert";
import { SluiceError } from "../../../io/errors.ts";
import {
  ClientGoneError,
  GatewayClosedError,
  UpstreamBusyError,
  UpstreamClosedError,
  UpstreamError,
  UpstreamHeadTooLargeError,
  UpstreamProtocolError,
  UpstreamRefusedError,
  UpstreamTimeoutError,
  UpstreamUnreachableError,
} from "../../../server/gateway/errors.ts";

const UP = "http://up";

/** Every failure of an upstream with the status its client gets. */
const FAILURES: readonly [UpstreamError, kind: string, status: number, code: string][] = [
  [new UpstreamRefusedError(UP), "refused", 502, "SLUICE_UPSTREAM_REFUSED"],
  [new UpstreamUnreachableError(UP, "no route"), "unreachable", 502, "SLUICE_UPSTREAM_UNREACHABLE"],
  [new UpstreamTimeoutError(UP, "connect", 5), "timeout_connect", 504, "SLUICE_UPSTREAM_TIMEOUT_CONNECT"],
  [new UpstreamTimeoutError(UP, "head", 5), "timeout_head", 504, "SLUICE_UPSTREAM_TIMEOUT_HEAD"],
  [new UpstreamTimeoutError(UP, "body", 5), "timeout_body", 504, "SLUICE_UPSTREAM_TIMEOUT_BODY"],
  [new UpstreamClosedError(UP, true), "closed", 502, "SLUICE_UPSTREAM_CLOSED"],
  [new UpstreamProtocolError(UP, "no status line"), "protocol", 502, "SLUICE_UPSTREAM_PROTOCOL"],
  [new UpstreamHeadTooLargeError(UP, "65 KiB"), "head_too_large", 502, "SLUICE_UPSTREAM_HEAD_TOO_LARGE"],
  [new UpstreamBusyError(UP, "queue full", 1), "busy", 503, "SLUICE_UPSTREAM_BUSY"],
];

for (const [error, kind, status, code] of FAILURES) {
  Deno.test(`${error.name} is counted as ${kind} and answered ${status}`, () => {
    assertInstanceOf(error, UpstreamError);
    assertInstanceOf(error, SluiceError);
    assertEquals([error.kind, error.status, error.code], [kind, status, code]);
    assertMatch(error.message, /^Cannot .*http:\/\/up.*/);
  });
}

Deno.test("the errors keep their data and their cause", () => {
  const cause = new Error("ECONNRESET");
  assertStrictEquals(new UpstreamClosedError(UP, false, { cause }).cause, cause);
  assertEquals(new UpstreamTimeoutError(UP, "head", 7).timeoutMs, 7);
  assertEquals(new UpstreamBusyError(UP, "full", 3).retryAfterS, 3);
  assertStrictEquals(new ClientGoneError({ cause }).cause, cause);
  assertEquals(new ClientGoneError().code, "SLUICE_CLIENT_GONE");
  assertEquals(new GatewayClosedError().code, "SLUICE_GATEWAY_CLOSED");
});
