/**
 * Reads the header by which a proxy tells who its client is: the PROXY protocol, versions 1 and 2, sans-IO.
 *
 * Source: W. Tarreau, "The PROXY protocol, Versions 1 & 2", haproxy doc/proxy-protocol.txt.
 *
 * Strict: what is not exactly a header is refused; nothing is guessed, because whoever can send a header can claim any
 * address. Only streams are taken (TCP over IPv4 and IPv6, Unix sockets). Version 2's extensions (TLVs) are checked for
 * their form and skipped.
 *
 * Known limit: the checksum extension (PP2_TYPE_CRC32C) is not verified; TCP has one.
 *
 * @module
 */
import { SluiceError } from "../io/errors.ts";
import type { Addr } from "../io/selector.ts";
import { formatIp, parseIp } from "./ip_address.ts";

/** What a header says. */
export interface ProxyHeader {
  /** Which version it was written in. */
  readonly version: 1 | 2;
  /** The client's address; `null` when the proxy speaks for itself (LOCAL, a health check) or does not know (UNKNOWN). */
  readonly source: Addr | null;
  /** The address the client connected to; `null` likewise. */
  readonly destination: Addr | null;
}

/** A connection did not begin with a header, although one was due. */
export class ProxyHeaderError extends SluiceError {
  /** @param why what is wrong with it */
  constructor(why: string) {
    super("SLUICE_PROXY_HEADER", `Cannot read the PROXY header: ${why}`);
  }
}

/** §2.1: the longest line of version 1, CRLF included, is 107 bytes. */
const LINE_BYTES_MAX = 107;

/** §2.2: signature, version and command, family, length. */
const FIXED_BYTES = 16;

/** Certificates in extensions make headers of some hundred bytes; 4 KiB is far beyond, and little to hold. */
const HEADER_BYTES_MAX = 4096;

/** §2.2: `\r\n\r\n\0\r\nQUIT\n`, which no other protocol begins with. */
const SIGNATURE: readonly number[] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** §2.1: what version 1 begins with. */
const LINE_START: readonly number[] = [..."PROXY "].map((char) => char.charCodeAt(0));

/** §2.1: version 1's line ends with these two. */
const CR = 0x0d;
/** See `CR`. */
const LF = 0x0a;

/** A port in decimal, without leading zeros. */
const PORT = /^(?:0|[1-9][0-9]{0,4})$/;

/** Bytes of both addresses by family and transport (§2.2); the key is that byte. */
const ADDRESS_BYTES: Readonly<Record<number, number>> = { 0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216 };

/** Bytes of one Unix path in version 2. */
const UNIX_PATH_BYTES = 108;

/**
 * Reads one header from the beginning of a connection, however its bytes come.
 *
 * @example
 * ```ts
 * import { ProxyHeaderParser } from "./proxy_protocol.ts";
 *
 * const parser = new ProxyHeaderParser();
 * const bytes = new TextEncoder().encode("PROXY TCP4 192.0.2.1 192.0.2.9 5000 80\r\nGET / HTTP/1.1\r\n");
 * console.assert(parser.feed(bytes) === 40);
 * console.assert(parser.header?.source?.transport === "tcp" && parser.header.source.hostname === "192.0.2.1");
 * ```
 */
export class ProxyHeaderParser {
  #header: ProxyHeader | null = null;
  #held = new Uint8Array(LINE_BYTES_MAX);
  #heldBytes = 0;

  /** The header, once it is complete. */
  get header(): ProxyHeader | null {
    return this.#header;
  }

  /**
   * Takes bytes.
   *
   * @returns how many belong to the header; the rest is the protocol's behind it
   * @throws ProxyHeaderError when they cannot be the beginning of a header
   */
  feed(bytes: Uint8Array): number {
    if (this.#header !== null) return 0;
    const before = this.#heldBytes;
    this.#hold(bytes.subarray(0, HEADER_BYTES_MAX - before));
    const end = this.#held[0] === SIGNATURE[0] ? this.#readBinary() : this.#readLine();
    return end < 0 ? bytes.length : end - before;
  }

  #hold(bytes: Uint8Array): void {
    const needed = this.#heldBytes + bytes.length;
    if (needed > this.#held.length) {
      const held = new Uint8Array(Math.max(needed, 2 * this.#held.length));
      held.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = held;
    }
    this.#held.set(bytes, this.#heldBytes);
    this.#heldBytes = needed;
  }

  /** Version 1; returns where the header ends, or -1 when more must come. */
  #readLine(): number {
    checkStart(this.#held, this.#heldBytes, LINE_START);
    const end = Math.min(this.#heldBytes, LINE_BYTES_MAX);
    for (let i = LINE_START.length; i < end; i++) {
      const byte = this.#held[i]!;
      if (byte === LF || byte < 0x20 && byte !== CR || byte > 0x7e) {
        throw new ProxyHeaderError("its line has a byte that none has");
      }
      if (byte !== CR) continue;
      if (i + 1 === this.#heldBytes) return -1;
      if (this.#held[i + 1] !== LF || i + 2 > LINE_BYTES_MAX) {
        throw new ProxyHeaderError("its line does not end with CRLF");
      }
      this.#header = parseLine(String.fromCharCode(...this.#held.subarray(LINE_START.length, i)));
      return i + 2;
    }
    if (this.#heldBytes >= LINE_BYTES_MAX) {
      throw new ProxyHeaderError(`its line is longer than ${LINE_BYTES_MAX} bytes`);
    }
    return -1;
  }

  /** Version 2; likewise. */
  #readBinary(): number {
    const held = this.#held;
    checkStart(held, this.#heldBytes, SIGNATURE);
    if (this.#heldBytes < FIXED_BYTES) return -1;
    const end = FIXED_BYTES + (held[14]! << 8 | held[15]!);
    if (end > HEADER_BYTES_MAX) throw new ProxyHeaderError(`it is longer than ${HEADER_BYTES_MAX} bytes`);
    if (held[12] !== 0x20 && held[12] !== 0x21) {
      throw new ProxyHeaderError("its version or command is unknown");
    }
    const family = held[13]!;
    const addressBytes = ADDRESS_BYTES[family];
    if (addressBytes === undefined) {
      throw new ProxyHeaderError("its address family is unknown, or no stream's");
    }
    const isLocal = held[12] === 0x20;
    if (!isLocal && end - FIXED_BYTES < addressBytes) {
      throw new ProxyHeaderError("it is too short for its addresses");
    }
    if (this.#heldBytes < end) return -1;
    if (!isLocal) checkExtensions(held.subarray(FIXED_BYTES + addressBytes, end));
    const [source, destination] = isLocal ? [null, null] : readAddresses(held, family);
    this.#header = { version: 2, source, destination };
    return end;
  }
}

function checkStart(held: Uint8Array, heldBytes: number, start: readonly number[]): void {
  for (let i = 0; i < Math.min(heldBytes, start.length); i++) {
    if (held[i] !== start[i]) throw new ProxyHeaderError("the connection begins with something else");
  }
}

/** §2.1, after "PROXY ". */
function parseLine(text: string): ProxyHeader {
  const parts = text.split(" ");
  if (parts[0] === "UNKNOWN") return { version: 1, source: null, destination: null }; // The rest is to be ignored.
  const [family, source = "", destination = "", sourcePort = "", destinationPort = ""] = parts;
  if (parts.length !== 5 || (family !== "TCP4" && family !== "TCP6")) {
    throw new ProxyHeaderError(
      "its line is neither UNKNOWN, nor TCP4 or TCP6 with two addresses and two ports",
    );
  }
  return {
    version: 1,
    source: lineAddr(family, source, sourcePort),
    destination: lineAddr(family, destination, destinationPort),
  };
}

function lineAddr(family: "TCP4" | "TCP6", address: string, port: string): Addr {
  const bytes = parseIp(address);
  const isIpv6 = address.includes(":");
  if (bytes === null || isIpv6 !== (family === "TCP6")) {
    throw new ProxyHeaderError(`"${address}" is no ${family} address`);
  }
  if (!PORT.test(port) || Number(port) > 65_535) throw new ProxyHeaderError(`"${port}" is no port`);
  return { transport: "tcp", hostname: formatIp(bytes), port: Number(port) };
}

function readAddresses(held: Uint8Array, family: number): [Addr | null, Addr | null] {
  const at = FIXED_BYTES;
  if (family === 0x00) return [null, null];
  if (family === 0x31) {
    return [
      unixAddr(held.subarray(at, at + UNIX_PATH_BYTES)),
      unixAddr(held.subarray(at + UNIX_PATH_BYTES, at + 2 * UNIX_PATH_BYTES)),
    ];
  }
  const size = family === 0x11 ? 4 : 16;
  const ports = at + 2 * size;
  return [tcpAddr(held, at, size, ports), tcpAddr(held, at + size, size, ports + 2)];
}

function tcpAddr(held: Uint8Array, at: number, size: number, portAt: number): Addr {
  const bytes = held.slice(at, at + size);
  // Through text, so that a mapped IPv4 address is written as one.
  const hostname = formatIp(parseIp(formatIp(bytes))!);
  return { transport: "tcp", hostname, port: held[portAt]! << 8 | held[portAt + 1]! };
}

function unixAddr(bytes: Uint8Array): Addr {
  const end = bytes.indexOf(0);
  return { transport: "unix", path: new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)) };
}

/** §2.2.: extensions, each a type, a length and as many bytes, fill the header exactly. */
function checkExtensions(bytes: Uint8Array): void {
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) throw new ProxyHeaderError("an extension is cut short");
    at += 3 + (bytes[at + 1]! << 8 | bytes[at + 2]!);
  }
  if (at !== bytes.length) throw new ProxyHeaderError("an extension is cut short");
}
