import { assertEquals } from "@std/assert";
import { requestUrl } from "../../server/request_url.ts";
import { RequestUrls, type RequestUrlSource } from "../../server/request_urls.ts";
import { incomingRequest } from "../support/incoming_request.ts";

/** A request with these lines; who is asked for its own authority says `own`. */
function source(
  lines: readonly string[],
  scheme: "http" | "https" = "http",
  own = "own:1",
): RequestUrlSource {
  return { head: incomingRequest(...lines).source.head, scheme, authority: own };
}

Deno.test("whatever came before, the URL is the one requestUrl makes", () => {
  const lines: string[][] = [];
  for (const target of ["/", "/a", "/a/../b", "/a?b", "http://other/x", "/a"]) {
    for (const host of ["Host: example.com", "Host: EXAMPLE.com:80", "Host: 1.2.3.4.5", "Host:", "Host: b"]) {
      lines.push([`GET ${target} HTTP/1.1`, host]);
    }
    lines.push([`GET ${target} HTTP/1.0`]);
  }
  lines.push(["OPTIONS * HTTP/1.1", "Host: a"], ["CONNECT a:1 HTTP/1.1", "Host: a"]);
  const sources = (["http", "https"] as const).flatMap((scheme) => lines.map((each) => source(each, scheme)));
  for (const step of [1, 5, 7, 11]) { // Several orders, so that each comes after many others.
    const urls = new RequestUrls();
    for (let i = 0; i < sources.length * 2; i++) {
      const one = sources[(i * step) % sources.length]!;
      const expected = requestUrl(one.head, one.scheme, one.authority);
      for (let again = 0; again < 2; again++) assertEquals(urls.urlOf(one), expected);
    }
  }
});

Deno.test("a head that is shared by connections with other names of their own keeps none of them", () => {
  const urls = new RequestUrls();
  const { head } = source(["GET /a HTTP/1.0"]);
  assertEquals(urls.urlOf({ head, scheme: "http", authority: "one:1" }), "http://one:1/a");
  assertEquals(urls.urlOf({ head, scheme: "http", authority: "two:2" }), "http://two:2/a");
});
