/**
 * Where Sluice and `node:http` judge a request differently, and why. A disagreement that is not here fails the test.
 */

/** What one side made of the bytes of a connection. */
export interface Verdict {
  /** Bytes of body of each request that was heard, -1 if it did not end. */
  readonly bodies: readonly number[];
  /** Why the connection was refused, or `null`. */
  readonly refused: string | null;
}

/** Our side's verdict. */
export interface OwnVerdict extends Verdict {
  /** Index of the first request that offered an upgrade, or -1. */
  readonly upgradeAt: number;
}

/** One kind of disagreement. */
export interface Disagreement {
  /** `sluice <refusal>` when only we refuse, `node <code>` when only Node does, `bodies` when both accept other bodies. */
  readonly kind: string | RegExp;
  /** Further condition. */
  readonly when?: (own: OwnVerdict, node: Verdict, wire: string) => boolean;
  /** Why it is so, and why it may stay so. */
  readonly reason: string;
}

/** Ones explained; the first that fits counts. */
export const DISAGREEMENTS: readonly Disagreement[] = [
  {
    kind: /^sluice |^bodies$/,
    when: (own, node) => own.upgradeAt !== -1 && node.bodies.length === own.upgradeAt + 1,
    reason:
      "Node reads nothing that follows a request that offers an upgrade; we go on if the upgrade is declined",
  },
  // ---- Only we refuse ----------------------------------------------------------------------------------------------
  { kind: "sluice host-syntax", reason: "Node does not look at Host's value (RFC 9110 §7.2)" },
  {
    kind: "sluice host-repeated",
    reason: "Node takes the first Host and drops the others (RFC 9112 §3.2: 400)",
  },
  {
    kind: "sluice host-missing",
    when: (own) => own.bodies.length > 0,
    reason: "Node answers it in its turn, after earlier responses, which this test does not give",
  },
  {
    kind: "sluice host-missing",
    when: (_own, _node, wire) => wire.includes("CONNECT "),
    reason: "Node asks no Host of CONNECT (RFC 9112 §3.2: of every HTTP/1.1 request)",
  },
  {
    kind: "sluice connection-syntax",
    reason: "Node takes a Connection that is no list of tokens for an unknown option",
  },
  { kind: "sluice empty-lines", reason: "Node skips any number of empty lines; we do one (RFC 9112 §2.2)" },
  { kind: "sluice bare-lf", reason: "Node skips CR and LF in any mixture before a request line" },
  { kind: "sluice bare-cr", reason: "Node skips CR and LF in any mixture before a request line" },
  {
    kind: "sluice incomplete-head",
    when: (_own, _node, wire) => wire.endsWith("\r"),
    reason: "Node skips CR and LF in any mixture before a request line, a single CR before the FIN included",
  },
  {
    kind: "sluice start-line-space",
    reason: "Node takes several spaces after the method and the target (RFC 9112 §3: one)",
  },
  { kind: "sluice version-syntax", reason: "Node takes a request line without a version for HTTP/0.9" },
  {
    kind: "sluice expectation",
    reason: "Node takes an Expect that contains `100-continue` anywhere (RFC 9110 §10.1.1)",
  },
  {
    kind: "sluice target-authority",
    reason: "Node does not look at the target's host and port (RFC 9110 §4.2, §9.3.6)",
  },
  {
    kind: "sluice target-form",
    reason: "Node takes any scheme, and any form with any method (RFC 9112 §3.2)",
  },
  { kind: "sluice target-byte", reason: 'Node takes `"`, `<`, `>` and `#` in the target (RFC 3986 §2)' },
  {
    kind: "sluice chunk-extension",
    reason: "Node takes empty names and values of chunk extensions (RFC 9112 §7.1.1)",
  },
  {
    kind: "sluice connect-content",
    reason: "Node ignores the length of CONNECT (RFC 9110 §9.3.6: it has no content)",
  },
  {
    kind: "sluice coding-syntax",
    reason: "Node looks only at the last coding: empty and malformed ones before it pass",
  },
  {
    kind: "sluice coding-unknown",
    reason: "Node looks only at the last coding, and undoes only that (RFC 9112 §6.1: 501)",
  },
  { kind: "sluice coding-version", reason: "Node reads chunks on HTTP/1.0 (RFC 9112 §6.1: faulty framing)" },
  { kind: "sluice length-overflow", reason: "Node takes any number of leading zeros; we take 16 digits" },
  { kind: "sluice chunk-size-overflow", reason: "Node takes any number of leading zeros; we take 16 digits" },
  {
    kind: "sluice trailer-forbidden",
    reason: "Node keeps every trailer, those that frame and route included",
  },
  {
    kind: "sluice too-many-headers",
    reason: "Node drops what is above its limit of fields; we refuse (RFC 6585 §5)",
  },
  // ---- Only Node refuses -------------------------------------------------------------------------------------------
  {
    kind: "node HPE_INVALID_METHOD",
    reason: "Node knows a list of methods; methods are extensible (RFC 9110 §9.1)",
  },
  {
    kind: "node HPE_CLOSED_CONNECTION",
    reason: "Node refuses bytes after the last request; we ignore them (RFC 9112 §9.6)",
  },
  {
    kind: "node HPE_INVALID_VERSION",
    when: (_own, _node, wire) => /HTTP\/1\.[2-9]/.test(wire),
    reason: "Node refuses minor versions above 1; a recipient takes them for 1.1 (RFC 9110 §2.5)",
  },
  {
    kind: /^node HPE_INVALID_VERSION$|^node HPE_INVALID_EOF_STATE$/,
    when: (_own, _node, wire) => wire.includes("PRI "),
    reason: "Node takes PRI for the preface of HTTP/2 whatever follows; with HTTP/1 it is a method",
  },
  {
    kind: "node HPE_INVALID_TRANSFER_ENCODING",
    when: (_own, _node, wire) => /chunked[ \t]*\t[ \t]*\r\n/i.test(wire),
    reason: "Node trims spaces after `chunked`, but no tab (RFC 9110 §5.5: both)",
  },
];

/** What kind of disagreement it is, or `null` if the two agree. */
export function kindOf(own: OwnVerdict, node: Verdict): string | null {
  if (own.refused !== null) return node.refused === null ? `sluice ${own.refused}` : null;
  if (node.refused !== null) return `node ${node.refused}`;
  return own.bodies.join() === node.bodies.join() ? null : "bodies";
}

/** The explanation of a disagreement of this kind, if there is one. */
export function explain(
  kind: string,
  own: OwnVerdict,
  node: Verdict,
  wire: string,
): Disagreement | undefined {
  return DISAGREEMENTS.find((row) =>
    (typeof row.kind === "string" ? row.kind === kind : row.kind.test(kind)) &&
    (row.when?.(own, node, wire) ?? true)
  );
}
