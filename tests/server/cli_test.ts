import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { cliHelp, parseCli } from "../../server/cli.ts";

Deno.test("no arguments mean the documented defaults", () => {
  assertEquals(parseCli([]), {
    ok: true,
    options: { port: 8000, hostname: "127.0.0.1", fd: null, workers: 1, upstream: null, help: false },
  });
});

Deno.test("flags are taken as two words and with an equals sign", () => {
  const result = parseCli(["--port", "0", "--hostname=::1", "--upstream", "http://127.0.0.1:1/base"]);
  assert(result.ok);
  assertEquals(result.options, {
    port: 0,
    hostname: "::1",
    fd: null,
    workers: 1,
    upstream: "http://127.0.0.1:1/base",
    help: false,
  });
});

Deno.test("every wrong argument is refused in one line that says what is accepted", () => {
  const cases: [string[], string, string][] = [
    [["--prot", "1"], 'unknown argument "--prot"', "--port N"],
    [["serve"], 'unknown argument "serve"', "--upstream URL"],
    [["--port"], "--port has no value", "0 to 65535"],
    [["--port", "65536"], '--port cannot be "65536"', "0 to 65535"],
    [["--port", "8e3"], '--port cannot be "8e3"', "0 to 65535"],
    [["--port", "-1"], '--port cannot be "-1"', "0 to 65535"],
    [["--port="], '--port cannot be ""', "0 to 65535"],
    [["--port", "1", "--port", "2"], "--port is given twice", "once"],
    [["--fd", "-1"], '--fd cannot be "-1"', "descriptor"],
    [["--workers", "0"], '--workers cannot be "0"', "1 to 256"],
    [["--workers", "257"], '--workers cannot be "257"', "1 to 256"],
    [["--workers", "2", "--fd", "3"], "--workers cannot be combined with --fd", "one of the two"],
    [["--hostname", "a b"], '--hostname cannot be "a b"', "127.0.0.1"],
    [["--hostname", "example.com"], '--hostname cannot be "example.com"', "127.0.0.1"],
    [["--hostname", "256.1.1.1"], '--hostname cannot be "256.1.1.1"', "127.0.0.1"],
    [["--hostname", "[::1]"], '--hostname cannot be "[::1]"', '"::1"'],
    [["--fd", "3", "--port", "8000"], "--port is given beside --fd", "one of them"],
    [["--hostname", "::1", "--fd", "3"], "--hostname is given beside --fd", "one of them"],
    [["--upstream", "http://a/?b"], "--upstream cannot be", "query"],
    [["--upstream", "http://a/#b"], "--upstream cannot be", "fragment"],
    [["--upstream", "http://u:p@a/"], "--upstream cannot be", "credentials"],
    [["--upstream", "https://example.org"], "--upstream cannot be", "http:// URL"],
    [["--upstream", "example.org"], "--upstream cannot be", "http:// URL"],
    [["--po\nrt"], "--po?rt", "--port N"],
  ];
  for (const [args, what, accepts] of cases) {
    const result = parseCli(args);
    assertFalse(result.ok, args.join(" "));
    assertStringIncludes(result.message, what);
    assertStringIncludes(result.message, "accepted: ");
    assertStringIncludes(result.message, accepts);
    assertFalse(result.message.includes("\n"));
  }
});

Deno.test("addresses of both families and localhost are taken", () => {
  for (const hostname of ["0.0.0.0", "127.0.0.1", "::", "::1", "localhost"]) {
    const result = parseCli(["--hostname", hostname]);
    assert(result.ok && result.options.hostname === hostname, hostname);
  }
});

Deno.test("a socket that was handed over is taken unless an address or another socket is asked for", () => {
  const fdOf = (...args: string[]) => {
    const result = parseCli(args, 3);
    assert(result.ok, args.join(" "));
    return result.options.fd;
  };
  assertEquals(fdOf(), 3);
  assertEquals(fdOf("--upstream", "http://a/"), 3);
  assertEquals(fdOf("--fd", "4"), 4);
  assertEquals([fdOf("--port", "0"), fdOf("--hostname", "::1")], [null, null]);
});

Deno.test("the help text names every flag, and asking for it is no error", () => {
  const result = parseCli(["--help"]);
  assert(result.ok && result.options.help);
  for (const flag of ["--port", "--hostname", "--upstream", "--help"]) assertStringIncludes(cliHelp(), flag);
});
