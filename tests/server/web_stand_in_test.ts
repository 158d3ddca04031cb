import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { forwardMembers } from "../../server/web_stand_in.ts";

/** A stand-in for `URLSearchParams` that counts how often it was made real. */
class Standing {
  #real: URLSearchParams | null = null;
  made = 0;
  get size(): number {
    return -1;
  }
  static realOf(self: object): URLSearchParams {
    const standing = self as Standing;
    if (standing.#real === null) standing.made++;
    return standing.#real ??= new URLSearchParams("a=1&b=2");
  }
}
Object.setPrototypeOf(Standing.prototype, URLSearchParams.prototype);
forwardMembers<URLSearchParams>(Standing.prototype, new URLSearchParams(), Standing.realOf);

function standIn(): URLSearchParams & Standing {
  return new Standing() as unknown as URLSearchParams & Standing;
}

Deno.test("a stand-in is an instance, and is not made real by being asked that", () => {
  const standing = standIn();
  assertInstanceOf(standing, URLSearchParams);
  assertEquals(standing.made, 0);
});

Deno.test("what the class does not define is forwarded to the real object, which is made once", () => {
  const standing = standIn();
  assertEquals(standing.get("a"), "1");
  standing.append("c", "3");
  assertEquals([...standing.keys()], ["a", "b", "c"]);
  assertEquals(String(standing), "a=1&b=2&c=3");
  assertEquals(standing.made, 1);
});

Deno.test("what the class defines stays its own", () => {
  assertEquals(standIn().size, -1);
});

Deno.test("setting what is read-only throws, as on the real object in strict mode", () => {
  class Sized {
    static realOf(): URLSearchParams {
      return new URLSearchParams();
    }
  }
  Object.setPrototypeOf(Sized.prototype, URLSearchParams.prototype);
  forwardMembers<URLSearchParams>(Sized.prototype, new URLSearchParams(), Sized.realOf);
  const sized = new Sized() as unknown as { size: number };
  assertEquals(sized.size, 0);
  assertThrows(() => sized.size = 1, TypeError, "read-only");
});

Deno.test("every member of Request, Response and Headers is forwarded or defined", () => {
  for (const sample of [new Request("http://localhost/"), new Response(), new Headers()]) {
    const target = {};
    const web: object = Object.getPrototypeOf(sample);
    Object.setPrototypeOf(target, web);
    forwardMembers<object>(target, sample, () => sample);
    for (const key of Reflect.ownKeys(web)) {
      const { get, value } = Object.getOwnPropertyDescriptor(web, key)!;
      if (get !== undefined || typeof value === "function") assert(Object.hasOwn(target, key), String(key));
    }
    for (const slot of Object.getOwnPropertySymbols(sample)) {
      assert(Object.hasOwn(target, slot), String(slot));
    }
  }
});

Deno.test("Deno keeps the state of its web objects where a stand-in can offer it", () => {
  for (const sample of [new Request("http://localhost/"), new Response(), new Headers()]) {
    assert(Object.getOwnPropertySymbols(sample).length > 0);
  }
});
