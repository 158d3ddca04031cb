import { assertEquals, assertStringIncludes } from "@std/assert";
import { curl } from "../support/curl.ts";
import { handOver } from "../support/hand_over.ts";
import { spawnChild } from "../support/spawn_child.ts";
import { taskArguments } from "../support/spawn_serve.ts";

/** Where the repository is. */
const ROOT = new URL("../../", import.meta.url);

/** The ready-made server on a socket that was handed over. */
function spawnActivated(unixPath: string, ...flags: string[]) {
  const [program, args] = handOver(unixPath, [Deno.execPath(), ...taskArguments("serve"), ...flags]);
  return spawnChild(program, args, { cwd: ROOT });
}

Deno.test("the server takes over a listening socket, answers on it, and says where that is", async () => {
  await using server = spawnActivated("", "--fd", "3");
  const [, url = ""] = await server.stdout.match(/listening on (http:\/\/127\.0\.0\.1:\d+)\n/);
  assertEquals((await curl(`${url}/healthz`)).stdout, '{"status":"ok"}');
  assertEquals((await server.stop("SIGTERM")).code, 0);
});

Deno.test("what systemd hands over is listened on without being asked to, unless the command line names an address", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await using server = spawnActivated(`${folder}/http.sock`);
    await server.stdout.match(/listening on unix:/);
    await using other = spawnActivated(`${folder}/other.sock`, "--port", "0");
    await other.stdout.match(/listening on http:/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a Unix socket is handed over as well", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/http.sock`;
  try {
    await using server = spawnActivated(path, "--fd", "3");
    await server.stdout.match(/listening on unix:/);
    assertEquals((await curl("--unix-socket", path, "http://x/healthz")).stdout, '{"status":"ok"}');
    assertEquals((await server.stop("SIGTERM")).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a descriptor that is no listening socket is one line and exit code 1", async () => {
  await using server = spawnActivated("", "--fd", "1");
  assertEquals((await server.status).code, 1);
  await server.stderr.ended;
  assertStringIncludes(server.stderr.text, "error: Cannot listen on descriptor 1: ");
});
