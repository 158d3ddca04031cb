import { assertEquals } from "@std/assert";
import { lastEventIdOf } from "../../../server/sse/last_event_id.ts";

const request = (url: string, id?: string) =>
  new Request(`http://localhost${url}`, id === undefined ? {} : { headers: { "last-event-id": id } });

Deno.test("the header counts, then the query, and an empty one is none", () => {
  assertEquals(lastEventIdOf(request("/", "a.7")), "a.7");
  assertEquals(lastEventIdOf(request("/?lastEventId=q", "h")), "h");
  assertEquals(lastEventIdOf(request("/?a=b&lastEventId=q%20r")), "q r");
  assertEquals(lastEventIdOf(request("/?lastEventId=q", "")), "q");
  for (const url of ["/", "/?", "/?lastEventId=", "/?lasteventid=x", "/x"]) {
    assertEquals(lastEventIdOf(request(url)), null);
  }
});

Deno.test("an id that clients send as UTF-8 is read as such, and any other as it came", () => {
  const latin1 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
  assertEquals(lastEventIdOf(request("/", latin1("grün €"))), "grün €");
  assertEquals(lastEventIdOf(request("/", "gr\xfcn")), "gr\xfcn");
});
