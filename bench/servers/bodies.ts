/**
 * What every bench server sends, so that they differ in nothing but the server.
 *
 * @module
 */

/** The plain route's text. */
export const PLAIN = "Hello World!";
/** The JSON route's value: an object as an API would answer, 180 bytes in text form. */
export const JSON_BODY: Record<string, unknown> = {
  id: 42,
  name: "Sluice",
  tags: ["tcp", "http", "sse"],
  owner: { name: "A. Person", email: "person@example.org" },
  created: "2026-01-02T03:04:05.678Z",
  active: true,
  score: 0.875,
};
/** The download route's body, 1 MiB. */
export const BIG: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 20).fill(120);
/** One chunk of the stream route, 4 KiB: about what a template engine or a file reader hands over at a time. */
export const CHUNK: Uint8Array<ArrayBuffer> = new Uint8Array(4096).fill(121);
/** Chunks of the stream route: 64 KiB in all. */
export const CHUNKS = 16;
