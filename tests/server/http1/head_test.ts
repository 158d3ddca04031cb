import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import {
  HeadStore,
  type RequestHead,
  RequestParser,
  type ResponseHead,
  ResponseParser,
} from "../../../server/http1/mod.ts";
import { RequestHeadView } from "../../../server/http1/head.ts";
import { wireBytes } from "../../vectors/vector.ts";

/** Parses one request and gives its head, retained. The bytes are wiped afterwards. */
function requestHead(wire: string, store?: HeadStore): RequestHead {
  let head: RequestHead | undefined;
  const parser = new RequestParser(
    {
      head: (seen) => {
        head = seen.retain();
      },
      body: () => {},
      end: () => {},
      error: (error) => {
        throw error;
      },
    },
    undefined,
    store === undefined ? {} : { store },
  );
  const bytes = wireBytes(wire);
  parser.feed(bytes);
  bytes.fill(0);
  return head!;
}

/** The same for a response to `method`. */
function responseHead(wire: string, method = "GET"): ResponseHead {
  let head: ResponseHead | undefined;
  const parser = new ResponseParser({
    head: (seen) => {
      head = seen.retain();
    },
    body: () => {},
    end: () => {},
    error: (error) => {
      throw error;
    },
  });
  parser.expectResponseTo(method);
  const bytes = wireBytes(wire);
  parser.feed(bytes);
  bytes.fill(0);
  return head!;
}

Deno.test("a retained head outlives the bytes, with and without a store", () => {
  for (const store of [undefined, new HeadStore()]) {
    const head = requestHead("DELETE /x/y?z HTTP/1.1\r\nHost: a.example:80\r\nX-Long: {2000}\r\n\r\n", store);
    assertEquals([head.method, head.target, head.targetForm], ["DELETE", "/x/y?z", "origin"]);
    assertEquals([head.get("host"), head.get("x-long")?.length], ["a.example:80", 2000]);
    assertEquals(head.wireBytes, 2056);
    assertStrictEquals(head.retain(), head);
  }
});

Deno.test("heads retained one after another do not touch each other", () => {
  const store = new HeadStore();
  const heads = Array.from(
    { length: 200 },
    (_, i) => requestHead(`GET /${i} HTTP/1.1\r\nHost: h${i}\r\n\r\n`, store),
  );
  heads.forEach((head, i) => assertEquals([head.target, head.get("host")], [`/${i}`, `h${i}`]));
});

Deno.test("heads of one connection, retained, keep their own lines", () => {
  for (const options of [{}, { store: new HeadStore() }]) {
    const heads: RequestHead[] = [];
    const parser = new RequestParser(
      { head: (head) => heads.push(head.retain()), body: () => {}, end: () => {}, error: () => {} },
      undefined,
      options,
    );
    parser.feed(
      wireBytes(
        "GET /1 HTTP/1.1\r\nHost: first.example\r\nX: 1\r\n\r\nGET /22 HTTP/1.1\r\nY: 2\r\nHost: b\r\n\r\n",
      ),
    );
    parser.feed(wireBytes("POST /333 HTTP/1.1\r\nLonger-Name: 3\r\nHost: c\r\nContent-Length: 0\r\n\r\n"));
    assertEquals(heads.map((head) => [head.target, head.get("host"), head.nameAt(0), head.valueAt(1)]), [
      ["/1", "first.example", "host", "1"],
      ["/22", "b", "y", "b"],
      ["/333", "c", "longer-name", "c"],
    ]);
  }
});

Deno.test("the target's form is told", () => {
  const form = (line: string) => requestHead(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`).targetForm;
  assertEquals(form("GET /"), "origin");
  assertEquals(form("GET http://b/"), "absolute");
  assertEquals(form("CONNECT b:1"), "authority");
  assertEquals(form("OPTIONS *"), "asterisk");
});

Deno.test("the authority is the target's if it has one, else Host's", () => {
  const authority = (wire: string) => (requestHead(wire) as RequestHeadView).authority;
  assertEquals(authority("GET / HTTP/1.1\r\nHost: a:1\r\n\r\n"), "a:1");
  assertEquals(authority("GET http://b:2/x?y HTTP/1.1\r\nHost: a:1\r\n\r\n"), "b:2");
  assertEquals(authority("GET https://b?y HTTP/1.1\r\nHost: a:1\r\n\r\n"), "b");
  assertEquals(authority("CONNECT c:3 HTTP/1.1\r\nHost: a:1\r\n\r\n"), "c:3");
  assertEquals(authority("OPTIONS * HTTP/1.1\r\nHost: a:1\r\n\r\n"), "a:1");
  assertEquals(authority("GET / HTTP/1.0\r\n\r\n"), "");
});

Deno.test("a view is used again unless it was retained", () => {
  const seen: RequestHead[] = [];
  const parser = new RequestParser({
    head: (head) => seen.push(seen.length === 1 ? head.retain() : head),
    body: () => {},
    end: () => {},
    error: () => {},
  });
  parser.feed(wireBytes("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(4)));
  assert(seen[0] === seen[1] && seen[1] !== seen[2] && seen[2] === seen[3]);
});

Deno.test("an unknown method is read from the bytes, also when kept", () => {
  assertEquals(requestHead("PURGE / HTTP/1.1\r\nHost: a\r\n\r\n").method, "PURGE");
  assertEquals(requestHead("GETX / HTTP/1.1\r\nHost: a\r\n\r\n").method, "GETX");
});

Deno.test("a kept view does not take the strings of the one before", () => {
  const targets: string[] = [];
  const parser = new RequestParser({
    head: (head) => targets.push(head.method + head.target + head.target),
    body: () => {},
    end: () => {},
    error: () => {},
  });
  parser.feed(wireBytes("PURGE /1 HTTP/1.1\r\nHost: a\r\n\r\nBREW /2 HTTP/1.1\r\nHost: a\r\n\r\n"));
  assertEquals(targets, ["PURGE/1/1", "BREW/2/2"]);
});

Deno.test("a response head tells status and reason", () => {
  const head = responseHead("HTTP/1.0 418 I'm a teapot\r\nX: y\r\n\r\n");
  assertEquals([head.status, head.reason, head.minorVersion, head.isInterim], [
    418,
    "I'm a teapot",
    0,
    false,
  ]);
  assertEquals(head.get("x"), "y");
  assertEquals(head.wireBytes, 35);
});

Deno.test("the bytes of a head that came in parts are counted once", () => {
  const wire = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  let wireBytesSeen = 0;
  const parser = new RequestParser({
    head: (head) => {
      wireBytesSeen = head.wireBytes;
    },
    body: () => {},
    end: () => {},
    error: () => {},
  });
  for (const byte of wireBytes("\r\n" + wire)) parser.feed(new Uint8Array([byte]));
  assertEquals(wireBytesSeen, wire.length);
});
