import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { cliHelp, parseCli } from "../../server/cli.ts";

Deno.test("no arguments mean the documented defaults", () => {
  assertEquals(parseCli([]), {
    ok: true,
    options: { port: 8000, hostname: "127.0.0.1", fd: null, upstream: null, help: false },
  });
});

Deno.test("flags are taken as two words and with an equals sign", () => {
  const result = parseCli(["--port", "0", "--hostname=::1", "--upstream", "http://127.0.0.1:1/base"]);
  assert(result.ok);
  assertEquals(result.options, {
    port: 0,
    hostname: "::1",
    fd: null,
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
    [["--hostname", "a b"], '--hostname cannot be "a b"', "127.0.0.1"],
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

Deno.test("the help text names every flag, and asking for it is no error", () => {
  const result = parseCli(["--help"]);
  assert(result.ok && result.options.help);
  for (const flag of ["--port", "--hostname", "--upstream", "--help"]) assertStringIncludes(cliHelp(), flag);
});
