import { assertEquals, assertThrows } from "@std/assert";
import { AddressNotAvailableError } from "../../../io/errors.ts";
import { checkListenOptions } from "../../../io/selectors/native_listen_options.ts";

Deno.test("what was not said gets its default", () => {
  assertEquals(checkListenOptions({ port: 80 }), {
    address: "0.0.0.0",
    port: 80,
    family: 4,
    reusePort: false,
    backlog: 511,
    connectionsMax: 16_384,
    fd: -1,
    text: "0.0.0.0:80",
  });
});

Deno.test("what was said stays, an IPv6 address in brackets in messages only", () => {
  const options = { hostname: "::1", port: 0, reusePort: true, backlog: 1, connectionsMax: 2 };
  const { text, address, family, reusePort, backlog, connectionsMax } = checkListenOptions(options);
  assertEquals([text, address, family], ["[::1]:0", "::1", 6]);
  assertEquals([reusePort, backlog, connectionsMax], [true, 1, 2]);
  assertEquals(checkListenOptions({ hostname: "localhost", port: 0 }).address, "127.0.0.1");
});

Deno.test("a Unix socket has a path and no port", () => {
  const { text, address, port, family } = checkListenOptions({ transport: "unix", path: "/run/x.sock" });
  assertEquals([text, address, port, family], ["unix:/run/x.sock", "/run/x.sock", -1, -1]);
  assertThrows(() => checkListenOptions({ transport: "unix", path: "" }), TypeError, "is empty");
});

Deno.test("a socket that listens already is known by its descriptor alone", () => {
  const { text, fd, reusePort } = checkListenOptions({ transport: "fd", fd: 3 });
  assertEquals([text, fd, reusePort], ["descriptor 3", 3, false]);
  for (const wrong of [-1, 0.5, NaN]) {
    assertThrows(() => checkListenOptions({ transport: "fd", fd: wrong }), RangeError, `${wrong}`);
  }
});

Deno.test("numbers outside their range and names are refused", () => {
  for (const port of [-1, 65_536, 0.5, NaN]) {
    assertThrows(() => checkListenOptions({ port }), RangeError, `${port}`);
  }
  assertThrows(() => checkListenOptions({ port: 0, backlog: 0 }), RangeError, "backlog");
  assertThrows(() => checkListenOptions({ port: 0, connectionsMax: 0.5 }), RangeError, "connectionsMax");
  assertThrows(() => checkListenOptions({ hostname: "example.com", port: 0 }), AddressNotAvailableError);
});
