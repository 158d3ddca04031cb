import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UnsupportedError } from "../../../io/errors.ts";
import { parseUpstream } from "../../../server/gateway/upstream.ts";

Deno.test("an upstream's URL says what to connect to, what Host says and what goes in front of paths", () => {
  assertEquals(parseUpstream("http://127.0.0.1:11434"), {
    name: "http://127.0.0.1:11434",
    address: { transport: "tcp", hostname: "127.0.0.1", port: 11434 },
    authority: "127.0.0.1:11434",
    basePath: "",
  });
  assertEquals(parseUpstream("http://Model.Example/api/v2/"), {
    name: "http://model.example",
    address: { transport: "tcp", hostname: "model.example", port: 80 },
    authority: "model.example",
    basePath: "/api/v2",
  });
});

Deno.test("an IPv6 upstream is connected to without brackets and named with them", () => {
  const upstream = parseUpstream(new URL("http://[::1]:8080/"));
  assertEquals(upstream.address, { transport: "tcp", hostname: "::1", port: 8080 });
  assertEquals(upstream.authority, "[::1]:8080");
});

Deno.test("a Unix socket is an upstream too", () => {
  assertEquals(parseUpstream("unix:/run/my%20model.sock"), {
    name: "unix:/run/my model.sock",
    address: { transport: "unix", path: "/run/my model.sock" },
    authority: "localhost",
    basePath: "",
  });
});

Deno.test("https is refused with what to do instead", () => {
  const error = assertThrows(() => parseUpstream("https://api.example"), UnsupportedError);
  assertStringIncludes(error.message, "not supported yet");
  assertStringIncludes(error.message, "https://api.example");
});

for (
  const url of [
    "",
    "model.example:80",
    "ftp://model.example",
    "http://user:secret@model.example",
    "http://model.example/?key=1",
    "http://model.example/#x",
    "unix:relative.sock",
  ]
) {
  Deno.test(`"${url}" is no upstream`, () => {
    const error = assertThrows(() => parseUpstream(url), TypeError);
    assertEquals(error.message.includes("secret"), false);
  });
}
