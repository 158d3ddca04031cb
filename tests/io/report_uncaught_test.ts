import { assertEquals } from "@std/assert";
import { reportUncaught } from "../../io/report_uncaught.ts";

Deno.test("an error is uncaught, and who reports it goes on", async () => {
  const error = new Error("nobody waits for this");
  const reported: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
    done.resolve();
  };
  globalThis.addEventListener("error", listen);
  try {
    reportUncaught(error);
    assertEquals(reported, []);
    await done.promise;
    assertEquals(reported, [error]);
  } finally {
    globalThis.removeEventListener("error", listen);
  }
});
