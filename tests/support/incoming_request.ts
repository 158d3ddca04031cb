/** Requests as `serve()` makes them, from the text of a head and without a socket. */

import type { RequestHead } from "../../server/http1/message.ts";
import { RequestParser } from "../../server/http1/parser.ts";
import { IncomingBody, type IncomingBodyOwner } from "../../server/incoming_body.ts";
import { createRequest, type RequestSource } from "../../server/request.ts";

/** UTF-8 of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A retained head from its lines, without the empty one. */
export function parseHead(...lines: string[]): RequestHead {
  let head: RequestHead | undefined;
  const parser = new RequestParser({
    head: (seen) => head = seen.retain(),
    body: () => {},
    end: () => {},
    error: (error) => {
      throw error;
    },
  });
  parser.feed(utf8(lines.join("\r\n") + "\r\n\r\n"));
  if (head === undefined) throw new TypeError(`no whole head in ${JSON.stringify(lines)}`);
  return head;
}

/** Records what a body asks of the connection. */
export class RecordingOwner implements IncomingBodyOwner {
  /** As in `"wanted"`, `"cancelled Error: why"`. */
  readonly calls: string[] = [];

  bodyWanted(): void {
    this.calls.push("wanted");
  }
  bodyPaused(): void {
    this.calls.push("paused");
  }
  bodyResumed(): void {
    this.calls.push("resumed");
  }
  bodyCancelled(_body: IncomingBody, reason: Error | null): void {
    this.calls.push(`cancelled ${reason}`);
  }
}

/** A request and what the connection has of it. */
export interface IncomingRequest {
  readonly request: Request;
  readonly body: IncomingBody;
  readonly owner: RecordingOwner;
  readonly source: RequestSource;
  /** Makes the client leave. */
  leave(reason: Error): void;
}

/** A request whose body is still to come: `body.push(…)`, `body.end(null)`. */
export function incomingRequest(...lines: string[]): IncomingRequest {
  const head = parseHead(...lines);
  const owner = new RecordingOwner();
  const length = head.framing.kind === "length" ? head.framing.length : null;
  const body = new IncomingBody(owner, length);
  const disconnected = new AbortController();
  const source: RequestSource = {
    head,
    scheme: "http",
    authority: "127.0.0.1:8000",
    body: head.framing.kind === "none" ? null : body,
    disconnected: disconnected.signal,
  };
  return {
    request: createRequest(source),
    body,
    owner,
    source,
    leave: (reason) => disconnected.abort(reason),
  };
}

/** A POST whose body is all there. */
export function postRequest(text: string | Uint8Array, ...fields: string[]): IncomingRequest {
  const bytes = typeof text === "string" ? utf8(text) : text;
  const incoming = incomingRequest(
    "POST /path?query HTTP/1.1",
    "Host: example.com",
    `Content-Length: ${bytes.length}`,
    ...fields,
  );
  if (bytes.length > 0) incoming.body.push(bytes);
  incoming.body.end(null);
  return incoming;
}

/** A GET without a body. */
export function getRequest(target: string, ...fields: string[]): Request {
  return incomingRequest(`GET ${target} HTTP/1.1`, "Host: example.com", ...fields).request;
}
