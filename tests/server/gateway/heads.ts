/** Heads for tests, made by the engine from text. */

import type { RequestHead, ResponseHead } from "../../../server/http1/message.ts";
import { RequestParser, ResponseParser } from "../../../server/http1/parser.ts";
import type { InboundRequest } from "../../../server/gateway/inbound_request.ts";

/** A request's head; `text` is the start line and the field lines. */
export function requestHead(...lines: string[]): RequestHead {
  let seen: RequestHead | undefined;
  const parser = new RequestParser({
    head: (head) => seen = head.retain(),
    body() {},
    end() {},
    error(error) {
      throw error;
    },
  });
  parser.feed(latin1(lines.join("\r\n") + "\r\n\r\n"));
  return seen!;
}

/** A response's head. */
export function responseHead(method: string, ...lines: string[]): ResponseHead {
  let seen: ResponseHead | undefined;
  const parser = new ResponseParser({
    head: (head) => seen = head.retain(),
    body() {},
    end() {},
    error(error) {
      throw error;
    },
  });
  parser.expectResponseTo(method);
  parser.feed(latin1(lines.join("\r\n") + "\r\n\r\n"));
  return seen!;
}

/** A request as the gateway sees it. */
export function inbound(...lines: string[]): InboundRequest {
  const head = requestHead(...lines);
  const { method, target, minorVersion, framing, expectsContinue } = head;
  return {
    method,
    target,
    host: head.get("host"),
    fields: head,
    minorVersion,
    framing,
    expectsContinue,
    body: null,
  };
}

function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}
