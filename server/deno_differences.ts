/**
 * Where `serve()` deliberately behaves otherwise than `Deno.serve`, as data: for the documentation, and for the tests that
 * hold both servers to it.
 *
 * @module
 */

/** One deliberate difference. */
export interface DenoDifference {
  /** Stable name. */
  readonly id: string;
  /** The situation. */
  readonly when: string;
  /** What `Deno.serve` (2.9) does. */
  readonly denoServe: string;
  /** What `serve` does. */
  readonly sluice: string;
  /** Why. */
  readonly why: string;
}

/** All of them. What is not listed is meant to be the same. */
export const DENO_DIFFERENCES: readonly DenoDifference[] = Object.freeze([
  {
    id: "silent",
    when: "no onListen is given",
    denoServe: "prints the address",
    sluice: "prints nothing",
    why: "a library leaves the standard output to its program",
  },
  {
    id: "error-classes",
    when: "the address is taken or not permitted",
    denoServe: "throws Deno.errors.AddrInUse, NotCapable, …",
    sluice:
      "throws AddressInUseError, AccessDeniedError, …, with a stable code and the runtime's error as cause",
    why: "the same program runs on other runtimes",
  },
  {
    id: "hostname",
    when: "hostname is a name other than localhost",
    denoServe: "resolves it",
    sluice: "throws AddressNotAvailableError",
    why: "binding must be synchronous, and a name may mean several addresses",
  },
  {
    id: "signal-after-end",
    when: "a response was delivered",
    denoServe: "aborts request.signal (unless --unstable-no-legacy-abort)",
    sluice: "aborts it only when the client leaves, or the deadline for the answer passes",
    why: "whoever cancels work by it cancels work that succeeded",
  },
  {
    id: "host",
    when: "an HTTP/1.1 request has no Host",
    denoServe: "serves it",
    sluice: "answers 400",
    why: "RFC 9112 §3.2; more of the kind in the table of what the grammar refuses",
  },
  {
    id: "connect",
    when: "a CONNECT request is answered like any other",
    denoServe: "sends the response",
    sluice: "answers 501, and has info.hijack() for tunnels",
    why: "RFC 9110 §9.3.6: any 2xx begins a tunnel, and nobody would be at its end",
  },
  {
    id: "half-close",
    when: "a client sends its FIN after the request and waits for the answer",
    denoServe: "drops the request",
    sluice:
      "aborts info.disconnected, still sends a response that is all there, cuts a streamed one; allowHalfClose sends both",
    why: "the client may have left or may be waiting; a whole answer does no harm in either case",
  },
  {
    id: "body-failure",
    when: "a streamed response fails after its head, or is shorter than its Content-Length",
    denoServe: "closes the connection, which HTTP/1.0 clients take for the end of the body",
    sluice: "resets the connection",
    why: "a part must not look like the whole",
  },
  {
    id: "framing-fields",
    when:
      "a response sets Transfer-Encoding or Keep-Alive, or a wrong Content-Length for a body that is all there",
    denoServe: "sends them",
    sluice: "sends its own framing; Connection: close is heeded",
    why: "the fields would contradict the bytes",
  },
  {
    id: "shutdown",
    when: "shutdown() is called while a stream is open",
    denoServe: "waits for the client to leave",
    sluice: "tells the stream, cuts it after a time, and resolves with a report",
    why: "a stop that can hang is none",
  },
  {
    id: "bounds",
    when: "a client is slow, silent, or sends much",
    denoServe: "waits and takes it",
    sluice: "has deadlines and limits, listed at ServeDeadlines and ServeLimits",
    why: "everything is bounded",
  },
  {
    id: "tls",
    when: "cert and key are given",
    denoServe: "serves HTTPS",
    sluice: "throws UnsupportedError",
    why: "it has no TLS yet, and must not serve in the clear what was meant to be private",
  },
  {
    id: "http2",
    when: "a client begins with HTTP/2's preface",
    denoServe: "speaks HTTP/2",
    sluice: "answers 505",
    why: "it has no HTTP/2 yet",
  },
  {
    id: "websocket",
    when: "a handler calls Deno.upgradeWebSocket(request)",
    denoServe: "upgrades",
    sluice: "cannot, since the runtime's function takes only requests of its own server",
    why: "info.hijack() has the bytes for a WebSocket library that brings its own framing",
  },
]);

/**
 * The differences for the documentation, one paragraph each.
 *
 * @returns Markdown
 */
export function describeDifferences(): string {
  return DENO_DIFFERENCES.map(({ when, denoServe, sluice, why }) =>
    `**When ${when}**, \`Deno.serve\` ${denoServe}. \`serve\` ${sluice}: ${why}.\n`
  ).join("\n");
}
