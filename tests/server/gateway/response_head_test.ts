import { assert, assertEquals } from "@std/assert";
import { interimLines, isEventStream, outboundHead } from "../../../server/gateway/response_head.ts";
import { responseHead } from "./heads.ts";

Deno.test("status, reason and fields go on, repeated ones too, what belongs to one hop does not", () => {
  const head = responseHead(
    "GET",
    "HTTP/1.1 207 Many Things",
    "Connection: X-Private",
    "X-Private: 1",
    "Keep-Alive: timeout=5",
    "Set-Cookie: a=1",
    "Set-Cookie: b=2",
    "Content-Length: 3",
    "Proxy-Authenticate: Basic",
  );
  const out = outboundHead(head, "GET", "sluice");
  assertEquals([out.status, out.statusText], [207, "Many Things"]);
  assertEquals(out.lines, [["set-cookie", "a=1"], ["set-cookie", "b=2"], ["via", "1.1 sluice"]]);
  assertEquals(out.framing, { kind: "length", length: 3 });
  assert(!out.isBodyless);
});

Deno.test("a response without its body keeps the length it would have", () => {
  const lines = ["HTTP/1.1 200 OK", "Content-Length: 30"];
  assertEquals(outboundHead(responseHead("HEAD", ...lines), "HEAD", null).lines, [["content-length", "30"]]);
  const notModified = outboundHead(
    responseHead("GET", "HTTP/1.1 304 Not Modified", "Content-Length: 30"),
    "GET",
    null,
  );
  assertEquals(notModified.lines, [["content-length", "30"]]);
  assert(notModified.isBodyless);
  assert(outboundHead(responseHead("GET", "HTTP/1.1 204 No Content"), "GET", null).isBodyless);
});

Deno.test("Trailer goes on where trailers can", () => {
  const chunked = responseHead("GET", "HTTP/1.1 200 OK", "Trailer: X-Sum", "Transfer-Encoding: chunked");
  assertEquals(outboundHead(chunked, "GET", null).lines, [["trailer", "X-Sum"]]);
  const whole = responseHead("GET", "HTTP/1.1 200 OK", "Trailer: X-Sum", "Content-Length: 1");
  assertEquals(outboundHead(whole, "GET", null).lines, []);
});

Deno.test("Via of others stays, with or without the gateway's own", () => {
  const head = responseHead("GET", "HTTP/1.0 200 OK", "Via: 1.1 x");
  assertEquals(outboundHead(head, "GET", "sluice").lines, [["via", "1.1 x, 1.0 sluice"]]);
  assertEquals(outboundHead(head, "GET", null).lines, [["via", "1.1 x"]]);
});

Deno.test("early hints go on without the fields of this hop", () => {
  const head = responseHead("GET", "HTTP/1.1 103 Early Hints", "Link: </a>", "Connection: X", "X: 1");
  assertEquals(interimLines(head), [["link", "</a>"]]);
});

Deno.test("an event stream is told by its type, whatever its parameters", () => {
  const typed = (type: string) =>
    isEventStream(responseHead("GET", "HTTP/1.1 200 OK", `Content-Type: ${type}`));
  assert(typed("text/event-stream") && typed("Text/Event-Stream; charset=utf-8"));
  assert(!typed("text/plain") && !typed("application/json; x=text/event-stream"));
  assert(!isEventStream(responseHead("GET", "HTTP/1.1 200 OK")));
});
