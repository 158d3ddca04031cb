/**
 * The bounds of a server: how much of everything one peer, and all peers together, may use.
 *
 * Strategy: a server is given `ServeLimits`, any part of them; `resolveLimits` checks them and fills in the defaults.
 * `null` switches a limit off, explicitly; inside it becomes `Infinity`. Each limit has a stated answer, and each
 * answer a counter in `server_stats.ts`.
 *
 * @module
 */

/** Bounds of a server; see each for its default, the reason for it, and what happens when it is reached. */
export interface ServeLimits {
  /**
   * Connections open at once; one more is closed on arrival. Default 16,384: at the 25 KiB or so that an idle
   * connection costs, 400 MiB, and within the descriptors a service is commonly allowed (65,536).
   */
  readonly connectionsMax?: number;
  /**
   * Connections open at once from one address; one more is reset on arrival. Default `null`: behind a proxy or a
   * carrier's NAT one address stands for many clients, and only the operator knows whether that is so.
   */
  readonly connectionsPerAddressMax?: number | null;
  /**
   * Requests on one connection; the last is answered with `Connection: close`. Default 1,000,000: out of sight for a
   * client, but a connection does not live for ever, so that load balancers get to spread clients anew.
   */
  readonly requestsPerConnectionMax?: number | null;
  /**
   * Pipelined requests that are with their handlers at once (RFC 9112 §9.3.2); no more are parsed until one is
   * answered. Default 16: what load generators and the few clients that pipeline use.
   */
  readonly pipelinedRequestsMax?: number;
  /** Bytes of a request line; more is answered 414. Default 8 KiB, the least that RFC 9112 §3 recommends to support. */
  readonly requestLineBytesMax?: number;
  /** Bytes of all header lines; more is answered 431. Default 32 KiB: cookies of several services fit, a flood does not. */
  readonly headerBytesMax?: number;
  /** Header lines; more are answered 431. Default 100: browsers send about 20, chains of proxies double that. */
  readonly headersMax?: number;
  /**
   * Bytes of a request body; more is answered 413. A route may set its own. Default 64 MiB: the largest requests that
   * APIs usually carry (images in JSON), and a bound on what `request.text()` can hold. Bun's default is 128 MiB.
   */
  readonly bodyBytesMax?: number | null;
  /** Bytes of chunk extensions in one body; more are answered 400. Default 1 KiB: nobody uses them (RFC 9112 §7.1.1). */
  readonly chunkExtensionBytesMax?: number;
  /** Bytes of trailer lines; more are answered 431. Default 8 KiB: checksums and statuses are shorter by far. */
  readonly trailerBytesMax?: number;
  /** Trailer lines; more are answered 431. Default 32. */
  readonly trailersMax?: number;
  /**
   * Bytes of a body nobody read that are read and dropped after the response, to keep the connection; if there are
   * more, it is closed. Default 64 KiB: less than a new connection costs.
   */
  readonly unreadBodyBytesMax?: number;
  /**
   * Bytes of responses one connection may hold back from a slow reader; a producer that writes on regardless of
   * `isPaused` has its connection cut when it passes this. Default 1 MiB, sixteen times the mark where it is told to pause.
   */
  readonly bufferedBytesMax?: number | null;
  /**
   * The same for the whole process; above it connections are cut, those stalled longest first. Default 256 MiB.
   */
  readonly bufferedBytesTotalMax?: number | null;
  /**
   * Bytes read and dropped while waiting for the peer to close, after a response that ends the connection (so that
   * it can be read, RFC 9112 §9.6); after more it is closed. Default 256 KiB: several windows of an ordinary sender.
   */
  readonly lingerBytesMax?: number;
}

/** `ServeLimits` with every value there; `Infinity` for those switched off. */
export type ResolvedLimits = { readonly [Name in keyof ServeLimits]-?: number };

/** The defaults; the reasons stand at `ServeLimits`. */
export const SERVE_LIMITS_DEFAULT: ResolvedLimits = Object.freeze({
  connectionsMax: 16_384,
  connectionsPerAddressMax: Infinity,
  requestsPerConnectionMax: 1_000_000,
  pipelinedRequestsMax: 16,
  requestLineBytesMax: 8 * 1024,
  headerBytesMax: 32 * 1024,
  headersMax: 100,
  bodyBytesMax: 64 * 1024 * 1024,
  chunkExtensionBytesMax: 1024,
  trailerBytesMax: 8 * 1024,
  trailersMax: 32,
  unreadBodyBytesMax: 64 * 1024,
  bufferedBytesMax: 1024 * 1024,
  bufferedBytesTotalMax: 256 * 1024 * 1024,
  lingerBytesMax: 256 * 1024,
});

/** Those that must be at least 1: with 0 no request could be answered. */
const POSITIVE: ReadonlySet<string> = new Set([
  "connectionsMax",
  "pipelinedRequestsMax",
  "requestLineBytesMax",
  "headersMax",
  "headerBytesMax",
  "bufferedBytesTotalMax",
]);

/** Those that `null` switches off. */
const NULLABLE: ReadonlySet<string> = new Set([
  "connectionsPerAddressMax",
  "requestsPerConnectionMax",
  "bodyBytesMax",
  "bufferedBytesMax",
  "bufferedBytesTotalMax",
]);

/**
 * Checks limits and fills in the defaults.
 *
 * @param limits what the caller set
 * @throws RangeError for a value that is not a whole number of at least 0 (1 where 0 would serve nobody)
 * @throws TypeError for a name that is no limit, or `null` where it cannot be switched off
 */
export function resolveLimits(limits: ServeLimits = {}): ResolvedLimits {
  const resolved: Record<string, number> = { ...SERVE_LIMITS_DEFAULT };
  for (const [name, value] of Object.entries(limits)) {
    if (!Object.hasOwn(resolved, name)) {
      throw new TypeError(`Cannot set the limit "${name}": there is none of that name`);
    }
    if (value === undefined) continue;
    resolved[name] = resolveLimit(name, value);
  }
  return resolved as ResolvedLimits;
}

function resolveLimit(name: string, value: number | null): number {
  if (value === null || value === Infinity) {
    if (NULLABLE.has(name)) return Infinity;
    throw new TypeError(`Cannot set the limit "${name}" to ${value}: it cannot be switched off`);
  }
  const min = POSITIVE.has(name) ? 1 : 0;
  if (!Number.isSafeInteger(value) || value < min) {
    throw new RangeError(
      `Cannot set the limit "${name}" to ${value}: a whole number from ${min} on is needed`,
    );
  }
  return value;
}
