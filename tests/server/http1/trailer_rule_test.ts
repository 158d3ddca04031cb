import { assertEquals } from "@std/assert";
import { isForbiddenTrailer, isRefusedTrailer } from "../../../server/http1/trailer_rule.ts";

Deno.test("what frames or routes is refused", () => {
  for (const name of ["content-length", "transfer-encoding", "host"]) {
    assertEquals([isRefusedTrailer(name), isForbiddenTrailer(name)], [true, true]);
  }
});

Deno.test("what would change how the message was understood is dropped", () => {
  const names = [
    "authorization",
    "cookie",
    "set-cookie",
    "content-type",
    "content-encoding",
    "cache-control",
    "range",
    "te",
    "trailer",
  ];
  for (const name of names) {
    assertEquals([isRefusedTrailer(name), isForbiddenTrailer(name)], [false, true], name);
  }
});

Deno.test("anything else is kept", () => {
  for (const name of ["x-checksum", "digest", "grpc-status", "server-timing", "etag", ""]) {
    assertEquals([isRefusedTrailer(name), isForbiddenTrailer(name)], [false, false], name);
  }
});
