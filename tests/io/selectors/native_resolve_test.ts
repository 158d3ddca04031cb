import { assert, assertEquals } from "@std/assert";
import { resolveHost } from "../../../io/selectors/native_resolve.ts";

function resolve(hostname: string): Promise<{ error: unknown; addresses: readonly string[] }> {
  return new Promise((done) => {
    let isInCall = true;
    resolveHost(hostname, (error, addresses) => {
      assertEquals(isInCall, false);
      done({ error, addresses });
    });
    isInCall = false;
  });
}

Deno.test("an address is its own", async () => {
  for (const address of ["127.0.0.1", "::1"]) {
    assertEquals(await resolve(address), { error: null, addresses: [address] });
  }
});

Deno.test("localhost has the loopback address", async () => {
  const { error, addresses } = await resolve("localhost");
  assertEquals(error, null);
  assert(addresses.includes("127.0.0.1") || addresses.includes("::1"), `${addresses}`);
});

Deno.test("a name that nobody has is the runtime's error", async () => {
  const { error, addresses } = await resolve("nobody.invalid");
  assertEquals([error instanceof Error, addresses], [true, []]);
});
