/**
 * Makes the bytes that a hub sends to all readers of a topic: once per event, in both framings HTTP/1.1 knows.
 *
 * Strategy: one buffer holds the chunk of the chunked coding (RFC 9112 §7.1); the plain bytes are the part of it
 * between the size line and the closing CRLF. So whichever framing a reader's connection has, nothing is copied for it.
 *
 * @module
 */
import { SharedChunk } from "../../io/shared_chunk.ts";
import type { SharedBody } from "../body_writer.ts";
import { CHUNK_END, encodeChunkHeader } from "../http1/encoder.ts";

/**
 * Makes a shared body of bytes with ASCII text around them. The caller holds the first reference of both chunks and gives
 * it back with `releaseSharedBody`.
 *
 * @param before ASCII text before the bytes
 * @param bytes copied
 * @param after ASCII text after the bytes
 * @throws RangeError when there is nothing to send: a chunk of no bytes would end a chunked body
 */
export function createSharedBody(before: string, bytes: Uint8Array, after: string): SharedBody {
  const length = before.length + bytes.length + after.length;
  if (length === 0) throw new RangeError("Cannot share a body: it has no bytes");
  const header = encodeChunkHeader(length);
  const all = new Uint8Array(header.length + length + CHUNK_END.length);
  let at = putAscii(all, 0, header);
  at = putAscii(all, at, before);
  all.set(bytes, at);
  at = putAscii(all, at + bytes.length, after);
  putAscii(all, at, CHUNK_END);
  const plain = all.subarray(header.length, header.length + length);
  return { plain: new SharedChunk(plain), chunked: new SharedChunk(all) };
}

/** Gives back one reference of both chunks; transports keep theirs until the bytes are with the kernel. */
export function releaseSharedBody(body: SharedBody): void {
  body.plain.release();
  body.chunked.release();
}

/** Takes one more reference of both chunks. */
export function retainSharedBody(body: SharedBody): void {
  body.plain.retain();
  body.chunked.retain();
}

/** Writes ASCII text into `target`; returns where it ends. A loop beats `encodeInto` for the few characters there are. */
function putAscii(target: Uint8Array, at: number, text: string): number {
  for (let index = 0; index < text.length; index++) target[at++] = text.charCodeAt(index);
  return at;
}
