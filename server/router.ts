/**
 * Chooses a handler by method and path.
 *
 * Strategy: patterns are literals, `:name` for one segment and `*` for the rest; literal beats name beats rest, whatever
 * the order of registration (see `route_tree.ts`). Paths are compared as the request's URL has them, trailing slash
 * included. Under `serve()` neither a URL nor a regular expression is made on the way; under any other server
 * `request.url` is read.
 *
 * The rest is answered by rule: HEAD by the GET handler (the server drops the body, RFC 9110 §9.3.2), a method no route
 * of the path has by 405 with `Allow` (§15.5.6), OPTIONS by 204 with `Allow` (§9.3.7), a named part that is no
 * percent-encoded UTF-8 by 400, anything else by `notFound`.
 *
 * @module
 */
import type { Handler, ServeInfo } from "./handler.ts";
import type { RequestHead } from "./http1/message.ts";
import { problem } from "./problem.ts";
import { Reply } from "./reply.ts";
import { headOf, pathOf } from "./request.ts";
import { requestPath } from "./request_url.ts";
import { type LimitedHandler, ROUTE_LIMITS, type RouteLimits } from "./route_limits.ts";
import { ANY_METHOD, RouteTree, type TreeMatch } from "./route_tree.ts";
import { RoutedInfo } from "./routed_info.ts";

/** Names of a pattern's parts: `"id" | "*"` for `"/users/:id/*"`; any string for a pattern not known in advance. */
export type ParamNames<Pattern extends string> = string extends Pattern ? string
  : Pattern extends `${infer Head}/${infer Rest}` ? ParamNames<Head> | ParamNames<Rest>
  : Pattern extends `:${infer Name}` ? Name
  : Pattern extends "*" ? "*"
  : Pattern extends `*${infer Name}` ? Name
  : never;

/** A handler whose `info.params` has the pattern's names. */
export type RouteHandler<Pattern extends string> = (
  request: Request,
  info: ServeInfo & { readonly params: Readonly<Record<ParamNames<Pattern>, string>> },
) => Response | Promise<Response>;

/** What may be said about a route besides its pattern and handler. */
export type RouteOptions = RouteLimits;

/** Adds a route for one method (or all); returns the router. */
export interface AddRoute {
  /** @param pattern as in `"/users/:id"` @param handler answers it */
  <Pattern extends string>(pattern: Pattern, handler: RouteHandler<Pattern>): Router;
  /** @param pattern as in `"/users/:id"` @param options limits of the route @param handler answers it */
  <Pattern extends string>(pattern: Pattern, options: RouteOptions, handler: RouteHandler<Pattern>): Router;
}

/** Options of a `Router`. */
export interface RouterOptions {
  /** Answers requests no route is for. Default: a problem document with 404. */
  readonly notFound?: Handler;
}

/** A route as the tree holds it. */
interface Route {
  readonly handler: Handler;
  readonly options: RouteOptions;
}

/** A method (RFC 9110 §9.1): a token. */
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** How the well-known methods are looked up; any other is tried as itself, then as any. */
const LOOKUPS: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ["HEAD", ["HEAD", "GET", ANY_METHOD]],
  ...["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) =>
    [method, [method, ANY_METHOD]] as const
  ),
]);

/** The parameters of a route without any. */
const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({});

/**
 * Routes requests to handlers.
 *
 * A handler sees the request as it came: a mounted one finds what follows its prefix in `info.params["*"]`, and
 * `request.url` keeps the prefix.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Router } from "./router.ts";
 * import { Reply } from "./reply.ts";
 *
 * const api = new Router().get("/users/:id", (_request, info) => new Reply(`user ${info.params.id}`));
 * const { handler } = new Router().get("/", () => new Reply("home")).mount("/api", api);
 *
 * const request = new Request("http://localhost/api/users/7");
 * const response = await handler(request, {} as Parameters<typeof handler>[1]);
 * assert(await response.text() === "user 7");
 * ```
 */
export class Router {
  /** Routes GET, and HEAD where that has no route of its own. */
  readonly get: AddRoute;
  /** Routes HEAD, where GET's handler is not to answer it. */
  readonly head: AddRoute;
  /** Routes POST. */
  readonly post: AddRoute;
  /** Routes PUT. */
  readonly put: AddRoute;
  /** Routes PATCH. */
  readonly patch: AddRoute;
  /** Routes DELETE. */
  readonly delete: AddRoute;
  /** Routes OPTIONS, where the default answer will not do. */
  readonly options: AddRoute;
  /** Routes every method the pattern has no route of its own for. */
  readonly all: AddRoute;
  /** The service: chooses and calls. Works under `serve()` and any server that passes a `Request`. */
  readonly handler: Handler;
  readonly #tree = new RouteTree<Route>();
  readonly #notFound: Handler;
  #isMounted = false;

  /** Makes a router without routes. @param options what to do when nothing fits */
  constructor(options: RouterOptions = {}) {
    this.#notFound = options.notFound ?? (() => problem(404));
    this.get = this.#adder("GET");
    this.head = this.#adder("HEAD");
    this.post = this.#adder("POST");
    this.put = this.#adder("PUT");
    this.patch = this.#adder("PATCH");
    this.delete = this.#adder("DELETE");
    this.options = this.#adder("OPTIONS");
    this.all = this.#adder(ANY_METHOD);
    const handler: LimitedHandler = Object.assign(
      (request: Request, info: ServeInfo) => this.#handle(request, info),
      { [ROUTE_LIMITS]: (head: RequestHead) => this.#limitsOf(head) },
    );
    this.handler = handler;
  }

  /**
   * Routes any method.
   *
   * @param method case-sensitive, as in `"PROPFIND"`
   * @param pattern as in `"/users/:id"`
   * @param handler answers it
   * @param options limits of the route
   * @throws {TypeError} the method is no token, the pattern is malformed or has a route for the method
   */
  on<Pattern extends string>(
    method: string,
    pattern: Pattern,
    handler: RouteHandler<Pattern>,
    options: RouteOptions = {},
  ): this {
    if (!METHOD.test(method)) {
      throw new TypeError(`Cannot add a route: ${JSON.stringify(method)} is no method`);
    }
    this.#add(method, pattern, { handler: handler as Handler, options });
    return this;
  }

  /**
   * Puts a router's routes, or a handler for everything, below a prefix. The router's "/" is the prefix itself; once
   * mounted it takes no more routes, and its own `notFound` is not asked.
   *
   * @param prefix as in `"/api"`; named parts are fine
   * @param service a router, or a handler, which then gets what follows the prefix as `info.params["*"]`
   * @param options limits of a handler's routes
   * @throws {TypeError} the prefix is malformed or ends with "/", or a route is there already
   */
  mount(prefix: string, service: Router | Handler, options: RouteOptions = {}): this {
    if (prefix.endsWith("/") || prefix.includes("*")) {
      throw new TypeError(
        `Cannot mount at ${JSON.stringify(prefix)}: a prefix has neither "/" at its end nor "*"`,
      );
    }
    if (typeof service === "function") {
      const route = { handler: service, options };
      if (prefix !== "") this.#add(ANY_METHOD, prefix, route);
      this.#add(ANY_METHOD, `${prefix}/*`, route);
      return this;
    }
    if (service === this) throw new TypeError("Cannot mount a router below itself");
    service.#isMounted = true;
    for (const { method, pattern, value } of service.#tree.routes) {
      this.#add(method, pattern === "/" && prefix !== "" ? prefix : prefix + pattern, value);
    }
    return this;
  }

  #adder(method: string): AddRoute {
    return (pattern: string, ...rest: [RouteHandler<string>] | [RouteOptions, RouteHandler<string>]) => {
      const [options, handler] = rest.length === 1 ? [{}, rest[0]] : rest;
      this.#add(method, pattern, { handler: handler as Handler, options });
      return this;
    };
  }

  #add(method: string, pattern: string, route: Route): void {
    if (this.#isMounted) {
      throw new TypeError(`Cannot add the route ${pattern}: its router was mounted before`);
    }
    if (typeof route.handler !== "function") {
      throw new TypeError(`Cannot add the route ${pattern}: it has no handler`);
    }
    const { bodyBytesMax = 0 } = route.options;
    if (!(bodyBytesMax >= 0)) {
      throw new RangeError(`Cannot add the route ${pattern}: its bodyBytesMax is ${bodyBytesMax}`);
    }
    this.#tree.add(method, pattern, route);
  }

  #handle(request: Request, info: ServeInfo): Response | Promise<Response> {
    const { method } = request;
    if (headOf(request)?.targetForm === "asterisk") return this.#answerOptions(this.#allMethods());
    const path = pathOf(request);
    const match = this.#tree.find(lookupOf(method), path);
    if (match === null) return this.#handleUnmatched(request, info, path);
    if (match.values.length === 0 && info?.params !== undefined) {
      return match.route.value.handler(request, info);
    }
    const params = paramsOf(match, info?.params ?? NO_PARAMS);
    if (params === null) {
      return problem(400, { detail: "The path has a part that is no percent-encoded UTF-8" });
    }
    return match.route.value.handler(request, new RoutedInfo(info, params));
  }

  #handleUnmatched(request: Request, info: ServeInfo, path: string): Response | Promise<Response> {
    const methods = this.#tree.methodsOf(path);
    if (methods.size === 0) return this.#notFound(request, info);
    if (request.method === "OPTIONS") return this.#answerOptions(methods);
    return problem(405, { headers: { allow: allowOf(methods) } });
  }

  #answerOptions(methods: Set<string>): Response {
    return new Reply(null, { status: 204, headers: { allow: allowOf(methods) } });
  }

  #allMethods(): Set<string> {
    return new Set(this.#tree.routes.map(({ method }) => method).filter((method) => method !== ANY_METHOD));
  }

  #limitsOf(head: RequestHead): RouteLimits | null {
    return this.#tree.find(lookupOf(head.method), requestPath(head))?.route.value.options ?? null;
  }
}

function lookupOf(method: string): readonly string[] {
  return LOOKUPS.get(method) ?? [method, ANY_METHOD];
}

/** The value of `Allow` (RFC 9110 §10.2.1). */
function allowOf(methods: Set<string>): string {
  const all = new Set(methods).add("OPTIONS");
  if (all.has("GET")) all.add("HEAD");
  return [...all].sort().join(", ");
}

/** Decodes what stood for the names; `null` when it cannot be decoded. */
function paramsOf(
  { route, values }: TreeMatch<Route>,
  outer: Readonly<Record<string, string>>,
): Record<string, string> | null {
  const params: Record<string, string> = { ...outer };
  try {
    route.names.forEach((name, index) => {
      const isRest = route.hasRest && index === values.length - 1;
      params[name] = isRest ? decodeRest(values[index]!) : decodePart(values[index]!);
    });
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
  return params;
}

function decodePart(text: string): string {
  return text.includes("%") ? decodeURIComponent(text) : text;
}

/** Leaves `%2F` as it is: decoded, it could not be told from the rest's own boundaries. */
function decodeRest(text: string): string {
  return text.includes("%") ? decodeURIComponent(text.replace(/%2f/gi, "%252F")) : text;
}
