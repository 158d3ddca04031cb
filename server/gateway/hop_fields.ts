/**
 * Which header fields end at the gateway: those about one connection, one message's framing, or one hop's login.
 *
 * Rules (RFC 9110 §7.6.1): `Connection` and every field it names are for the next hop only; so are the older fields that
 * are not always named there. `Content-Length`, `Transfer-Encoding`, `Expect` and `TE` are said anew by whoever frames
 * the message that goes on. `Trailer` goes on only where trailers do.
 *
 * Known limit: the rule is applied to fields that a careless peer names in `Connection` by mistake too, `Authorization`
 * for instance, as the RFC asks for. What the gateway itself adds (`Host`, `Via`, `X-Forwarded-*`) cannot be removed so.
 *
 * @module
 */
import type { Fields } from "../http1/message.ts";

/** One field line to send: name in lower case, value as a ByteString. */
export type FieldLine = [name: string, value: string];

/** Fields that never go on, and why. */
const HOP_FIELDS: ReadonlySet<string> = new Set([
  "connection", // RFC 9110 §7.6.1
  "proxy-connection", // the same, as some old clients spell it (RFC 9112 §C.2.2)
  "keep-alive", // RFC 9112 §C.2.2
  "te", // RFC 9110 §10.1.4; said anew where trailers are wanted
  "trailer", // RFC 9110 §6.6.2; said anew where trailers go on
  "transfer-encoding", // RFC 9112 §6.1
  "content-length", // RFC 9112 §6.2; said anew by whoever frames the message
  "upgrade", // RFC 9110 §7.8
  "http2-settings", // RFC 7540 §3.2.1, obsolete; goes with an upgrade to h2c
  "proxy-authenticate", // RFC 9110 §11.7.1
  "proxy-authorization", // RFC 9110 §11.7.2
  "proxy-authentication-info", // RFC 9110 §11.7.3
]);

/** Whether a field of this name (lower case) ends at the gateway whatever `Connection` says. */
export function isHopField(name: string): boolean {
  return HOP_FIELDS.has(name);
}

/**
 * Reads the options of `Connection` (RFC 9110 §7.6.1).
 *
 * @param fields the head's fields
 * @returns the names in lower case, without `close` and `keep-alive`; `null` when there are none
 */
export function connectionOptions(fields: Fields): ReadonlySet<string> | null {
  if (!fields.has("connection")) return null;
  let options: Set<string> | null = null;
  for (const value of fields.getAll("connection")) {
    for (const item of value.split(",")) {
      const option = item.trim().toLowerCase();
      if (option === "" || option === "close" || option === "keep-alive") continue;
      (options ??= new Set()).add(option);
    }
  }
  return options;
}

/**
 * Whether the sender takes trailers: `TE` lists `trailers` (RFC 9110 §10.1.4). `Connection` must name `TE` too, but who
 * forgets that is understood all the same.
 */
export function takesTrailers(fields: Fields): boolean {
  if (!fields.has("te")) return false;
  return fields.getAll("te").some((value) =>
    value.split(",").some((item) => item.trim().toLowerCase() === "trailers")
  );
}

/**
 * The trailer lines that go on: all but those of one hop. The engine has already dropped what must never be a trailer
 * (RFC 9110 §6.5.1).
 */
export function forwardedTrailers(trailers: Fields): FieldLine[] {
  const lines: FieldLine[] = [];
  for (let i = 0; i < trailers.count; i++) {
    const name = trailers.nameAt(i);
    if (!HOP_FIELDS.has(name)) lines.push([name, trailers.valueAt(i)]);
  }
  return lines;
}
