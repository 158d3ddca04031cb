import { assert, assertEquals } from "@std/assert";
import {
  connectionOptions,
  forwardedTrailers,
  isHopField,
  takesTrailers,
} from "../../../server/gateway/hop_fields.ts";
import { requestHead } from "./heads.ts";

Deno.test("the fields of one hop end here", () => {
  for (
    const name of [
      "connection",
      "keep-alive",
      "proxy-connection",
      "proxy-authenticate",
      "proxy-authorization",
      "te",
      "trailer",
      "transfer-encoding",
      "content-length",
      "upgrade",
      "http2-settings",
    ]
  ) assert(isHopField(name), name);
  for (const name of ["authorization", "content-type", "cookie", "host", "x-te"]) {
    assert(!isHopField(name), name);
  }
});

Deno.test("the options of Connection are read from all its lines, in lower case, without the two that manage it", () => {
  const head = requestHead(
    "GET / HTTP/1.1",
    "Host: a",
    "Connection: close, X-One",
    "Connection:keep-alive ,x-TWO,",
  );
  assertEquals([...connectionOptions(head)!], ["x-one", "x-two"]);
  assertEquals(connectionOptions(requestHead("GET / HTTP/1.1", "Host: a")), null);
  assertEquals(connectionOptions(requestHead("GET / HTTP/1.1", "Host: a", "Connection: close")), null);
});

Deno.test("trailers are taken by those who say so in TE", () => {
  const takes = (...te: string[]) => takesTrailers(requestHead("GET / HTTP/1.1", "Host: a", ...te));
  assert(takes("TE: trailers"));
  assert(takes("TE: gzip;q=0.5, Trailers"));
  assert(takes("TE: gzip", "TE: trailers"));
  assert(!takes());
  assert(!takes("TE: gzip"));
  assert(!takes("TE: xtrailers"));
});

Deno.test("trailers go on, but for those of one hop", () => {
  const fields = requestHead("GET / HTTP/1.1", "Host: a", "X-Sum: 1", "Keep-Alive: timeout=3", "X-Sum: 2");
  assertEquals(forwardedTrailers(fields), [["host", "a"], ["x-sum", "1"], ["x-sum", "2"]]);
});
