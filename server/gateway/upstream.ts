/**
 * Where a gateway sends its requests: reads the `upstream` option once and tells what to connect to, which authority to
 * name in `Host`, and which path to put in front.
 *
 * Known limits: `http:` and `unix:` only. HTTPS needs a TLS transport, which the io layer does not have yet.
 *
 * @module
 */
import { UnsupportedError } from "../../io/errors.ts";

/** What `Selector.connect` needs to know of an upstream. */
export type UpstreamAddress =
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number }
  | { readonly transport: "unix"; readonly path: string };

/** One upstream, parsed. */
export interface Upstream {
  /** Its name for errors and logs: the URL without its path. */
  readonly name: string;
  /** What to connect to. */
  readonly address: UpstreamAddress;
  /** What `Host` says by default (RFC 9110 §7.2): host, and port unless it is 80. */
  readonly authority: string;
  /** Path in front of every request's, without a slash at the end; often empty. */
  readonly basePath: string;
}

/** Port of `http` when the URL names none (RFC 9110 §4.2.1). */
const HTTP_PORT = 80;

/**
 * Reads an upstream's URL.
 *
 * @param upstream `http://host[:port][/base]`, or `unix:/path/of/socket` (whose `Host` is then `localhost`)
 * @returns what to connect to and what to say there
 * @throws TypeError for what is not such a URL, or names credentials, a query or a fragment; UnsupportedError for `https:`
 *
 * @example
 * ```ts
 * import { parseUpstream } from "./upstream.ts";
 *
 * const upstream = parseUpstream("http://127.0.0.1:11434/api/");
 * console.assert(upstream.authority === "127.0.0.1:11434" && upstream.basePath === "/api");
 * ```
 */
export function parseUpstream(upstream: string | URL): Upstream {
  const url = toUrl(upstream);
  if (url.protocol === "https:") {
    throw new UnsupportedError(
      `Cannot use ${url.origin} as an upstream`,
      "HTTPS to upstreams is not supported yet; put a local TLS client such as stunnel between, and name its http:// address",
    );
  }
  if (url.protocol !== "http:" && url.protocol !== "unix:") {
    throw refusal(upstream, `its scheme must be http: or unix:, not ${url.protocol}`);
  }
  if (url.username !== "" || url.password !== "") {
    throw refusal(url.host, "credentials in a URL are sent to nobody; set an Authorization header instead");
  }
  if (url.search !== "" || url.hash !== "") {
    throw refusal(upstream, "it must have neither a query nor a fragment");
  }
  return url.protocol === "unix:" ? unixUpstream(upstream, url) : tcpUpstream(url);
}

function toUrl(upstream: string | URL): URL {
  if (upstream instanceof URL) return upstream;
  try {
    return new URL(upstream);
  } catch (cause) {
    throw new TypeError(
      `Cannot use "${upstream}" as an upstream: it must be a URL such as "http://host:port"`,
      {
        cause,
      },
    );
  }
}

function tcpUpstream(url: URL): Upstream {
  const isV6 = url.hostname.startsWith("[");
  return {
    name: url.origin,
    address: {
      transport: "tcp",
      hostname: isV6 ? url.hostname.slice(1, -1) : url.hostname,
      port: url.port === "" ? HTTP_PORT : Number(url.port),
    },
    authority: url.host,
    basePath: url.pathname.replace(/\/+$/, ""),
  };
}

function unixUpstream(upstream: string | URL, url: URL): Upstream {
  const path = decodeURIComponent(url.pathname);
  if (!path.startsWith("/") || url.host !== "") {
    throw refusal(upstream, "a socket's path must be absolute: unix:/path");
  }
  return { name: `unix:${path}`, address: { transport: "unix", path }, authority: "localhost", basePath: "" };
}

function refusal(upstream: string | URL, why: string): TypeError {
  return new TypeError(`Cannot use "${upstream}" as an upstream: ${why}`);
}
