import { assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { BodyTooLargeError, collectBody } from "../../server/collect_body.ts";
import { IncomingBody } from "../../server/incoming_body.ts";
import { RecordingOwner, utf8 } from "../support/incoming_request.ts";

function bodyOfLength(length: number | null) {
  const owner = new RecordingOwner();
  return { owner, body: new IncomingBody(owner, length) };
}

Deno.test("a body is gathered whole, whether its length was declared or not", async () => {
  for (const length of [200_000, null]) {
    const { body } = bodyOfLength(length);
    const collected = collectBody(body, 1_000_000);
    const piece = Uint8Array.from({ length: 1000 }, (_, index) => index);
    for (let i = 0; i < 200; i++) body.push(piece);
    body.end(null);
    const bytes = await collected;
    assertEquals(bytes.length, 200_000);
    assertEquals(bytes.buffer.byteLength, 200_000);
    assertEquals([bytes[1], bytes[199_999]], [1, 999 & 255]);
  }
});

Deno.test("a declared length is believed when a sixteenth of it has come, and never beyond the bound", async () => {
  const piece = Uint8Array.from({ length: 65_000 }, (_, index) => index % 251);
  for (const [pieces, bytesMax] of [[16, 16 * 65_000], [40, 5_000_000]] as const) {
    const { body } = bodyOfLength(pieces * piece.length);
    const collected = collectBody(body, bytesMax);
    for (let i = 0; i < pieces; i++) body.push(piece);
    body.end(null);
    const bytes = await collected;
    assertEquals([bytes.length, bytes.buffer.byteLength], [pieces * piece.length, pieces * piece.length]);
    for (let i = 0; i < pieces; i++) {
      assertEquals(bytes.subarray(i * piece.length, (i + 1) * piece.length), piece);
    }
  }
});

Deno.test("an empty body is no bytes", async () => {
  const { body } = bodyOfLength(0);
  body.end(null);
  assertEquals((await collectBody(body, 10)).length, 0);
});

Deno.test("exactly the bound is fine, one byte more rejects with the bound and cancels the body", async () => {
  const fits = bodyOfLength(null);
  const collected = collectBody(fits.body, 4);
  fits.body.push(utf8("1234"));
  fits.body.end(null);
  assertEquals((await collected).length, 4);

  const { body, owner } = bodyOfLength(null);
  const refused = collectBody(body, 4);
  body.push(utf8("123"));
  body.push(utf8("45"));
  const error = await assertRejects(() => refused, BodyTooLargeError, "more than 4 bytes");
  assertEquals([error.code, error.status, error.bytesMax], ["SLUICE_BODY_TOO_LARGE", 413, 4]);
  assertEquals(owner.calls, ["wanted", `cancelled BodyTooLargeError: ${error.message}`]);
});

Deno.test("a body that is too large before it is asked for rejects, too", async () => {
  const { body } = bodyOfLength(null);
  body.push(utf8("12345"));
  body.end(null);
  await assertRejects(() => collectBody(body, 4), BodyTooLargeError);
});

Deno.test("a large declared length costs nothing before bytes come", async () => {
  const { body } = bodyOfLength(2 ** 40);
  const collected = collectBody(body, Infinity);
  body.push(utf8("little"));
  const reason = new Error("left");
  body.fail(reason);
  assertStrictEquals(await collected.catch((error) => error), reason);
});

Deno.test("a body that fails rejects with its error, and never gives a part", async () => {
  const { body } = bodyOfLength(null);
  const collected = collectBody(body, 100);
  body.push(utf8("part"));
  body.fail(new Error("reset by peer"));
  await assertRejects(() => collected, Error, "reset by peer");
});

Deno.test("a body that was read rejects with a TypeError", async () => {
  const { body } = bodyOfLength(null);
  body.end(null);
  await collectBody(body, 100);
  assertInstanceOf(await collectBody(body, 100).catch((error) => error), TypeError);
});
