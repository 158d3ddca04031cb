import { assertEquals, assertNotEquals } from "@std/assert";
import { VirtualClock } from "../../io/testing/virtual_clock.ts";
import { TimerWheel } from "../../io/timer_wheel.ts";
import { encodeResponseHead } from "../../server/http1/encoder.ts";
import { HEAD_END, PlainHeads } from "../../server/plain_heads.ts";
import { JSON_FIELDS, NO_FIELDS, TEXT_FIELDS } from "../../server/reply.ts";
import { ServerClock } from "../../server/server_clock.ts";

Deno.test("a plain head is what the encoder writes, for every length and at every time", async () => {
  const clock = new VirtualClock();
  const time = new ServerClock(clock, new TimerWheel(clock));
  for (const fields of [TEXT_FIELDS, NO_FIELDS, JSON_FIELDS]) {
    const heads = new PlainHeads(fields, time);
    for (const length of [0, 1, 12, 65_536, 123_456_789_012]) {
      const encoded = encodeResponseHead({
        status: 200,
        fields,
        framing: { kind: "length", length },
        method: "GET",
        minorVersion: 1,
        keepAlive: true,
        date: time.date(),
      });
      assertEquals(new TextDecoder().decode(heads.start()) + length + HEAD_END, encoded);
      await clock.advance(700);
    }
  }
  time.close();
});

Deno.test("a text that was sent is kept with its head, until another is sent or the date changes", async () => {
  const clock = new VirtualClock();
  const time = new ServerClock(clock, new TimerWheel(clock));
  const heads = new PlainHeads(TEXT_FIELDS, time);
  const wholeOf = (text: string) => new TextDecoder().decode(heads.start()) + text.length + HEAD_END + text;
  const again = (text: string) => {
    const bytes = heads.again(text);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  };
  assertEquals(again("one"), null);
  heads.remember("one");
  const first = again("one");
  assertEquals([first, again("two"), again("one")], [wholeOf("one"), null, first]);
  await clock.advance(1_000);
  assertEquals(again("one"), wholeOf("one"));
  assertNotEquals(again("one"), first);
  heads.remember("two");
  assertEquals([again("one"), again("two")], [null, wholeOf("two")]);
  time.close();
});
