/** A router over `URLPattern`s, as a plain handler. */

/** What answers a request on a route. */
export type Handler = (
  request: Request,
  params?: URLPatternResult,
  info?: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

/** What answers when a handler throws. */
export type ErrorHandler = (
  error: unknown,
  request: Request,
  params?: URLPatternResult,
  info?: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

/** Handlers by method. */
export type HandlersByMethods = { [method in string]: Handler };

/** One route: a pattern, and a handler for every method or one for each. */
export type Route =
  | { pattern: URLPattern; handler: Handler; handlers?: never }
  | { pattern: URLPattern; handler?: never; handlers: HandlersByMethods };

/** Makes a handler that answers with the first route whose pattern matches, else 404, or 405 for the method. */
export function route(
  routes: Route[],
  errorHandler: ErrorHandler = () => new Response("Internal Server Error", { status: 500 }),
): (request: Request, info?: Deno.ServeHandlerInfo) => Response | Promise<Response> {
  return (request, info) => {
    for (const { pattern, handler: any, handlers } of routes) {
      const match = pattern.exec(request.url);
      if (!match) continue;
      const handler = any ?? handlers?.[request.method];
      if (!handler) {
        const headers = { Allow: Object.keys(handlers ?? {}).join(", ") };
        return new Response("Method Not Allowed", { status: 405, headers });
      }
      try {
        return handler(request, match, info);
      } catch (error) {
        return errorHandler(error, request, match, info);
      }
    }
    return new Response("Not Found", { status: 404 });
  };
}
