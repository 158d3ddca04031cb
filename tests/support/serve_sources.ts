/** The repository's sources over http, as a host of modules would serve them: no import map, no configuration. */

/** A running server of sources; `await using` stops it. */
export interface SourceServer extends AsyncDisposable {
  /** Where it is, without a slash at the end. */
  readonly url: string;
  /** Host and port, as `--allow-import` takes them. */
  readonly host: string;
}

/** Where the repository is. */
const ROOT = new URL("../../", import.meta.url);

/** Serves every file of the repository that ends in `.ts`, and the `extra` ones, by path. */
export function serveSources(extra: (url: string) => Record<string, string> = () => ({})): SourceServer {
  const options = { hostname: "127.0.0.1", port: 0, onListen() {} };
  const server: Deno.HttpServer<Deno.NetAddr> = Deno.serve(options, async (request) => {
    const { pathname } = new URL(request.url);
    const headers = { "content-type": "application/typescript" };
    const text = extra(url)[pathname];
    if (text !== undefined) return new Response(text, { headers });
    if (!/^(\/\w+)+\.ts$/.test(pathname)) return new Response("not a source", { status: 404 });
    try {
      return new Response(await Deno.readTextFile(new URL(`.${pathname}`, ROOT)), { headers });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Response("no such source", { status: 404 });
      throw error;
    }
  });
  const host = `127.0.0.1:${server.addr.port}`;
  const url = `http://${host}`;
  return { url, host, [Symbol.asyncDispose]: () => server.shutdown() };
}
