/**
 * What the `@std` packages promise, as far as our tests lean on it.
 *
 * `deno task test` runs this on the stand-ins in `tests/std/`, `deno task test:jsr` on the published packages: a
 * stand-in that promises more, or less, than the real thing fails one of the two.
 */

import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertFalse,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertIsError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertNotInstanceOf,
  assertNotMatch,
  assertNotStrictEquals,
  assertObjectMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
  unreachable,
} from "@std/assert";
import { abortable, deadline, delay, retry, RetryError } from "@std/async";
import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";
import { serveDir, serveFile } from "@std/http/file-server";
import { route } from "@std/http/unstable-route";
import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import {
  assertSpyCall,
  assertSpyCallArg,
  assertSpyCalls,
  MockError,
  returnsNext,
  spy,
  stub,
} from "@std/testing/mock";
import { FakeTime } from "@std/testing/time";

Deno.test("every assertion lets a true statement pass", async () => {
  assert(1);
  assertFalse(0);
  assertExists("");
  assertEquals({ a: [1, { b: NaN }] }, { a: [1, { b: NaN }] });
  assertNotEquals({ a: 1 }, { a: 2 });
  assertStrictEquals(NaN, NaN);
  assertNotStrictEquals([], []);
  assertInstanceOf(new TypeError(), Error);
  assertNotInstanceOf(new Error(), TypeError);
  assertMatch("abc", /b/);
  assertNotMatch("abc", /x/);
  assertStringIncludes("abc", "bc");
  assertArrayIncludes([{ a: 1 }, { b: 2 }], [{ b: 2 }]);
  assertObjectMatch({ a: { b: 1, c: 2 }, d: 3 }, { a: { b: 1 } });
  assertGreater(2, 1);
  assertGreaterOrEqual(2, 2);
  assertLess(1, 2);
  assertLessOrEqual(2, 2);
  assertAlmostEquals(0.1 + 0.2, 0.3);
  assertIsError(new TypeError("bad port"), TypeError, "port");
  assertEquals((assertThrows(() => fail("why")) as Error).message, "Failed assertion: why");
  assertInstanceOf(await assertRejects(() => Promise.reject(new Error("no"))), Error);
});

const FALSE_STATEMENTS: Record<string, () => unknown> = {
  assert: () => assert(0),
  assertFalse: () => assertFalse(1),
  assertExists: () => assertExists(null),
  assertEquals: () => assertEquals({ a: 1 }, { a: 2 }),
  assertNotEquals: () => assertNotEquals([1], [1]),
  assertStrictEquals: () => assertStrictEquals({}, {}),
  assertNotStrictEquals: () => assertNotStrictEquals(1, 1),
  assertInstanceOf: () => assertInstanceOf({}, Error),
  assertNotInstanceOf: () => assertNotInstanceOf(new TypeError(), Error),
  assertMatch: () => assertMatch("abc", /x/),
  assertNotMatch: () => assertNotMatch("abc", /b/),
  assertStringIncludes: () => assertStringIncludes("abc", "x"),
  assertArrayIncludes: () => assertArrayIncludes([1, 2], [3]),
  assertObjectMatch: () => assertObjectMatch({ a: { b: 1 } }, { a: { b: 2 } }),
  assertGreater: () => assertGreater(1, 1),
  assertGreaterOrEqual: () => assertGreaterOrEqual(0, 1),
  assertLess: () => assertLess(1, 1),
  assertLessOrEqual: () => assertLessOrEqual(2, 1),
  assertAlmostEquals: () => assertAlmostEquals(1, 1.1),
  "assertIsError on a value": () => assertIsError("text"),
  "assertIsError on another class": () => assertIsError(new Error("x"), TypeError),
  "assertIsError on another message": () => assertIsError(new Error("x"), Error, "y"),
  "assertThrows on a return": () => assertThrows(() => 1),
  "assertThrows on another class": () =>
    assertThrows(() => {
      throw new Error("x");
    }, TypeError),
  "assertThrows on another message": () =>
    assertThrows(
      () => {
        throw new TypeError("x");
      },
      TypeError,
      "y",
    ),
  fail: () => fail(),
  unreachable: () => unreachable(),
};

for (const [name, statement] of Object.entries(FALSE_STATEMENTS)) {
  Deno.test(`a false statement fails with an AssertionError: ${name}`, () => {
    let thrown: unknown;
    try {
      statement();
    } catch (error) {
      thrown = error;
    }
    if (!(thrown instanceof AssertionError)) throw new Error(`expected an AssertionError, got ${thrown}`);
    if (thrown.name !== "AssertionError") throw new Error(`unexpected name ${thrown.name}`);
  });
}

Deno.test("assertRejects fails when the promise resolves, when the call throws, and on another error", async () => {
  const outcomes = await Promise.allSettled([
    assertRejects(() => Promise.resolve(1)),
    assertRejects(() => {
      throw new Error("synchronous");
    }),
    assertRejects(() => Promise.reject(new Error("x")), TypeError),
    assertRejects(() => Promise.reject(new TypeError("x")), TypeError, "y"),
    assertRejects(() => Promise.reject("a text"), Error),
  ]);
  for (const outcome of outcomes) {
    assert(outcome.status === "rejected" && outcome.reason instanceof AssertionError);
  }
});

Deno.test("equality follows the published rules", () => {
  const same: [unknown, unknown][] = [
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]])],
    [new Set([[1], [2]]), new Set([[2], [1]])],
    [new Date(5), new Date(5)],
    [/a/g, /a/g],
    [new URL("http://a/"), new URL("http://a/")],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
    [null, null],
  ];
  const different: [unknown, unknown][] = [
    [{ a: undefined }, {}],
    [[1, 2], [2, 1]],
    [new Uint8Array([1, 2]), new Uint8Array([1, 3])],
    [new Uint8Array([1]), [1]],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Set([1]), new Set([2])],
    [new Date(5), new Date(6)],
    [/a/, /a/g],
    [new (class A {})(), new (class B {})()],
    [{ [Symbol.iterator]: 1 }, {}],
    [1, "1"],
    [null, undefined],
  ];
  for (const [a, b] of same) assert(equal(a, b), `${Deno.inspect(a)} equals ${Deno.inspect(b)}`);
  for (const [a, b] of different) {
    assertFalse(equal(a, b), `${Deno.inspect(a)} differs from ${Deno.inspect(b)}`);
  }
});

Deno.test("values with cycles can be compared", () => {
  const loop = (n: number) => {
    const node: Record<string, unknown> = { n };
    node["self"] = node;
    return node;
  };
  assertEquals(loop(1), loop(1));
  assertNotEquals(loop(1), loop(2));
});

Deno.test("a wait ends with its promise, its deadline or its signal, and leaves no timer behind", async () => {
  assertEquals(await deadline(Promise.resolve(7), 60_000), 7);
  const never = new Promise<never>(() => {});
  const late = await assertRejects(() => deadline(never, 1), DOMException);
  assertEquals(late.name, "TimeoutError");
  const aborted = new AbortController();
  const waiting = abortable(never, aborted.signal);
  aborted.abort();
  assertEquals((await assertRejects(() => waiting, DOMException)).name, "AbortError");
  await assertRejects(() => delay(60_000, { signal: AbortSignal.abort() }), DOMException);
  await delay(0);
  await Promise.all([delay(1), delay(0, { persistent: false })]);
});

Deno.test("an async iterable ends with its signal", async () => {
  const controller = new AbortController();
  const { promise: never } = Promise.withResolvers<void>();
  async function* source() {
    yield 1;
    await never;
  }
  const seen: number[] = [];
  await assertRejects(async () => {
    for await (const item of abortable(source(), controller.signal)) {
      seen.push(item);
      controller.abort();
    }
  }, DOMException);
  assertEquals(seen, [1]);
});

Deno.test("retry calls again until it succeeds, and says why it gave up", async () => {
  const options = { minTimeout: 0, maxTimeout: 1, maxAttempts: 3 };
  let calls = 0;
  assertEquals(
    await retry(() => ++calls === 3 ? "third" : Promise.reject(new Error("again")), options),
    "third",
  );
  const error = await assertRejects(
    () => retry(() => Promise.reject(new Error("never")), options),
    RetryError,
  );
  assertIsError(error.cause, Error, "never");
  await assertRejects(() => retry(() => 1, { minTimeout: 2, maxTimeout: 1 }), RangeError);
});

Deno.test("a spy records calls, a stub replaces a method until disposed", () => {
  const add = spy((a: number, b: number) => a + b);
  assertEquals(add(1, 2), 3);
  assertSpyCalls(add, 1);
  assertSpyCall(add, 0, { args: [1, 2], returned: 3 });
  assertSpyCallArg(add, 0, 1, 2);
  assertThrows(() => assertSpyCalls(add, 2), AssertionError);
  assertThrows(() => assertSpyCall(add, 0, { args: [1, 3] }), AssertionError);
  assertThrows(() => assertSpyCall(add, 1), AssertionError);

  const dice = { roll: () => 6 };
  {
    using rolled = stub(dice, "roll", returnsNext([1, new RangeError("fell off")]));
    assertEquals(dice.roll(), 1);
    assertThrows(() => dice.roll(), RangeError);
    assertThrows(() => dice.roll(), MockError);
    assertSpyCalls(rolled, 3);
    assertSpyCall(rolled, 1, { error: { Class: RangeError, msgIncludes: "fell" } });
    assertThrows(() => stub(dice, "roll"), MockError);
  }
  assertEquals(dice.roll(), 6);
  const watched = spy(dice, "roll");
  assertEquals(dice.roll(), 6);
  assertSpyCalls(watched, 1);
  watched.restore();
  assertThrows(() => watched.restore(), MockError);
});

Deno.test("fake time moves only by hand, and fires what falls due in order", async () => {
  const realNow = Date.now;
  const fired: string[] = [];
  {
    using time = new FakeTime(1_000);
    assertEquals(Date.now(), 1_000);
    assertEquals(new Date().getTime(), 1_000);
    assertInstanceOf(new Date(5), Date);
    setTimeout(() => fired.push(`late ${Date.now()}`), 20);
    setTimeout((what: string) => fired.push(`${what} ${Date.now()}`), 10, "early");
    const every = setInterval(() => fired.push(`every ${Date.now()}`), 15);
    clearTimeout(setTimeout(() => fired.push("cleared"), 1));
    time.tick(5);
    assertEquals(fired, []);
    time.tick(25);
    assertEquals(fired, ["early 1010", "every 1015", "late 1020", "every 1030"]);
    clearInterval(every);
    setTimeout(() => Promise.resolve().then(() => setTimeout(() => fired.push("chained"), 5)), 5);
    await time.runAllAsync();
    assertEquals(fired.at(-1), "chained");
    assertFalse(time.next());
  }
  assertStrictEquals(Date.now, realNow);
});

Deno.test("routes answer by pattern and method", async () => {
  const handler = route([
    {
      pattern: new URLPattern({ pathname: "/users/:id" }),
      handlers: { GET: (_request, params) => new Response(params?.pathname.groups["id"] ?? null) },
    },
    {
      pattern: new URLPattern({ pathname: "/broken" }),
      handler: () => {
        throw new Error("broken");
      },
    },
  ]);
  const answer = (path: string, method = "GET") => handler(new Request(`http://a${path}`, { method }));
  assertEquals(await (await answer("/users/7")).text(), "7");
  const refused = await answer("/users/7", "POST");
  assertEquals([refused.status, refused.headers.get("allow")], [STATUS_CODE.MethodNotAllowed, "GET"]);
  assertEquals((await answer("/none")).status, STATUS_CODE.NotFound);
  assertEquals((await answer("/broken")).status, STATUS_CODE.InternalServerError);
  assertEquals(STATUS_TEXT[STATUS_CODE.NotFound], "Not Found");
});

Deno.test("files are served whole, in part, and not at all when the client has them", async () => {
  const root = await Deno.makeTempDir();
  await Deno.writeTextFile(`${root}/a.txt`, "0123456789");
  await Deno.writeTextFile(`${root}/index.html`, "<p>hi");
  await Deno.mkdir(`${root}/sub`);
  try {
    const get = (path: string, headers: HeadersInit = {}, method = "GET") =>
      serveDir(new Request(`http://a${path}`, { headers, method }), { fsRoot: root, quiet: true });
    const whole = await get("/a.txt");
    assertEquals([whole.status, whole.headers.get("content-length")], [200, "10"]);
    assertEquals(await whole.text(), "0123456789");
    assertStringIncludes((await get("/a.txt", {}, "HEAD")).headers.get("content-type") ?? "", "text/plain");
    const part = await get("/a.txt", { range: "bytes=2-4" });
    assertEquals([part.status, part.headers.get("content-range")], [206, "bytes 2-4/10"]);
    assertEquals(await part.text(), "234");
    assertEquals((await get("/a.txt", { range: "bytes=20-" })).status, 416);
    const fresh = await get("/a.txt", { "if-none-match": whole.headers.get("etag") ?? "" });
    assertEquals(fresh.status, 304);
    assertEquals(await (await get("/")).text(), "<p>hi");
    assertEquals((await get("/none.txt")).status, 404);
    assertEquals((await get("/a.txt", {}, "POST")).status, 405);
    assertEquals((await get("/sub")).status, 301);
    const file = await serveFile(new Request("http://a/"), `${root}/a.txt`);
    assertEquals(await file.text(), "0123456789");
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});

describe("a group of tests", () => {
  const trail: string[] = [];
  beforeEach(() => void trail.push("before"));
  afterEach(() => void trail.push("after"));
  it("runs what comes before each test", () => assertEquals(trail, ["before"]));
  describe("and an inner group", () => {
    beforeEach(() => void trail.push("inner"));
    it("runs the outer preparation first", () => assertEquals(trail, ["before", "after", "before", "inner"]));
  });
});
