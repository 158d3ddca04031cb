/**
 * The servers of the fan-out and connection benchmarks, by name: Sluice on each selector that opens here, and its
 * opponents.
 *
 * @module
 */
import { type Measured, startServer } from "./processes.ts";
import { installPackage, installRuntimes, needProgram, type Runtimes } from "./runtimes.ts";

/** Version of better-sse that the figures are taken with. */
const BETTER_SSE_VERSION = "0.16.1";
/** The core a measured server gets. */
const SERVER_CPU = 0;
/**
 * What `deno task serve` runs with, for every server on Deno, Deno's own too: a half of V8's young generation may grow to
 * 4 MiB, not 16 or more. What it costs and saves stands in the README, under "Memory".
 */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=4";
/** How long nginx gets to listen, milliseconds: it takes a few. */
const LISTEN_MS_MAX = 5_000;

/** A server that can be started. */
export interface StreamServer {
  /** Its name on the command line. */
  readonly name: string;
  /** Its name in tables. */
  readonly title: string;
  /** Where event streams are. */
  readonly path: string;
  /** Where events are POSTed. */
  readonly publishPath: string;
  /** Starts it; `null`, with the reason printed, when it cannot run here. */
  start(): Promise<Measured | null>;
}

/** All servers; nothing is started yet. `folder` is for files that only last as long as the run. */
export async function streamServers(folder: string): Promise<StreamServer[]> {
  const runtimes = await installRuntimes();
  const scripts = new URL("../servers/", import.meta.url).pathname;
  const paths = { path: "/events", publishPath: "/publish" };
  const server = (name: string, title: string, command: () => string[] | Promise<string[]>) => ({
    name,
    title,
    ...paths,
    start: async () => await startServer(withFiles(await command()), SERVER_CPU),
  });
  const deno = [runtimes.deno, "run", V8_FLAGS, "--allow-net"];
  return [
    sluice("native", runtimes, scripts, paths),
    sluice("epoll", runtimes, scripts, paths),
    sluice("uring", runtimes, scripts, paths),
    server("deno", "Deno.serve, ReadableStream", () => [...deno, `${scripts}deno_fanout.ts`]),
    server("bun", "Bun.serve, direct stream", () => [runtimes.bun, `${scripts}bun_fanout.ts`]),
    server("bun-standard", "Bun.serve, ReadableStream", () => [
      runtimes.bun,
      `${scripts}bun_fanout.ts`,
      "standard",
    ]),
    server("better-sse", "Node, better-sse", async () => [
      runtimes.node,
      "--no-warnings",
      `${scripts}better_sse.ts`,
      await installPackage("better-sse", BETTER_SSE_VERSION),
    ]),
    { name: "nginx", title: "nginx, nchan", ...paths, start: () => startNginx(folder) },
  ];
}

/** The servers asked for by name, or all but those that only repeat another; throws for a name that is none. */
export function chosen(servers: readonly StreamServer[], names: string): StreamServer[] {
  if (names === "") return servers.filter(({ name }) => name !== "bun-standard");
  return names.split(",").map((name) => {
    const found = servers.find((server) => server.name === name);
    if (found !== undefined) return found;
    const accepted = servers.map((server) => server.name).join(", ");
    throw new RangeError(`Cannot measure "${name}": accepted are ${accepted}`);
  });
}

/** The process may hold as many descriptors as the system lets it. */
function withFiles(command: readonly string[]): string[] {
  return ["sh", "-c", 'ulimit -n "$(ulimit -Hn)"; exec "$@"', "sh", ...command];
}

/** Sluice on one selector. */
function sluice(
  kind: string,
  { deno }: Runtimes,
  scripts: string,
  paths: Pick<StreamServer, "path" | "publishPath">,
): StreamServer {
  const permissions = kind === "native" ? ["--allow-net"] : ["--allow-net", "--allow-read", "--allow-ffi"];
  const command = ["env", `SLUICE_SELECTOR=${kind}`, deno, "run", V8_FLAGS, "--allow-env=SLUICE_SELECTOR"];
  return {
    name: `sluice-${kind}`,
    title: `Sluice, ${kind}`,
    ...paths,
    async start() {
      try {
        return await startServer(
          withFiles([...command, ...permissions, `${scripts}sluice_fanout.ts`]),
          SERVER_CPU,
        );
      } catch (error) {
        console.error(
          `bench: Sluice on ${kind} is left out: ${error instanceof Error ? error.message : error}`,
        );
        return null;
      }
    },
  };
}

/** nginx with nchan as one process, on a free port. */
async function startNginx(folder: string): Promise<Measured> {
  await needProgram("nginx", "nginx-light");
  await needProgram("ls /usr/lib/nginx/modules/ngx_nchan_module.so", "libnginx-mod-nchan");
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const config = `${folder}/nginx.conf`;
  await Deno.writeTextFile(config, nginxConfig(folder, port));
  const script = `echo "port ${port}"; exec nginx -c ${config} -p ${folder} -e ${folder}/error.log`;
  const server = await startServer(withFiles(["sh", "-c", script]), SERVER_CPU);
  const until = performance.now() + LISTEN_MS_MAX;
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return server;
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused) || performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** One process that does nothing but what is measured. */
function nginxConfig(folder: string, port: number): string {
  return `load_module /usr/lib/nginx/modules/ngx_nchan_module.so;
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events { worker_connections 20000; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_timeout 120s;
  keepalive_requests 1000000;
  tcp_nodelay on;
  nchan_shared_memory_size 64m;
  server {
    listen 127.0.0.1:${port} backlog=511;
    location = /plain { return 200 "Hello World!"; }
    location = /publish { nchan_publisher http; nchan_channel_id bench; nchan_message_buffer_length 16; }
    location = /events {
      nchan_subscriber eventsource;
      nchan_channel_id bench;
      nchan_subscriber_first_message newest;
      nchan_max_channel_id_length 64;
    }
  }
}
`;
}
