import { assertEquals } from "@std/assert";
import { AddressCounter } from "../../server/address_counter.ts";

const at = (hostname: string, port = 1) => ({ transport: "tcp", hostname, port }) as const;

Deno.test("an address gets as many places as it may, whatever its ports, and others do not count for it", () => {
  const counter = new AddressCounter(2);
  assertEquals([counter.enter(at("10.0.0.1", 1)), counter.enter(at("10.0.0.1", 2))], [true, true]);
  assertEquals(counter.enter(at("10.0.0.1", 3)), false);
  assertEquals(counter.enter(at("10.0.0.2")), true);
});

Deno.test("who was refused takes no place, and each who leaves gives back one", () => {
  const counter = new AddressCounter(1);
  for (let round = 0; round < 3; round++) {
    assertEquals([counter.enter(at("::1")), counter.enter(at("::1")), counter.enter(at("::1"))], [
      true,
      false,
      false,
    ]);
    counter.leave(at("::1"));
  }
});

Deno.test("the last one to leave empties the place, one of several does not", () => {
  const counter = new AddressCounter(2);
  counter.enter(at("10.0.0.1"));
  counter.enter(at("10.0.0.1"));
  counter.leave(at("10.0.0.1"));
  assertEquals([counter.enter(at("10.0.0.1")), counter.enter(at("10.0.0.1"))], [true, false]);
});

Deno.test("Unix sockets have no address to be bounded by, and Infinity bounds nobody", () => {
  const bounded = new AddressCounter(1);
  const unbounded = new AddressCounter(Infinity);
  for (let i = 0; i < 5; i++) {
    assertEquals(bounded.enter({ transport: "unix", path: "/run/s" }), true);
    assertEquals(unbounded.enter(at("10.0.0.1")), true);
  }
  unbounded.leave(at("10.0.0.1"));
  bounded.leave({ transport: "unix", path: "/run/s" });
  assertEquals([bounded.enter(at("10.0.0.1")), bounded.enter(at("10.0.0.1"))], [true, false]);
});

Deno.test("a bound of zero lets nobody in", () => {
  assertEquals(new AddressCounter(0).enter(at("10.0.0.1")), false);
});
