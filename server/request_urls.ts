/**
 * Makes the URLs of a server's requests: what was found out for one is kept for the next.
 *
 * Strategy: requests that follow each other nearly always have the same Host, so its normal form is worked out once and
 * not by two regular expressions a request; and requests that share a head (see `http1/known_head.ts`) share the URL,
 * too. Only what the request itself says is kept, nothing that depends on the connection.
 *
 * Bounds: one host and one URL.
 *
 * @module
 */
import type { RequestHead } from "./http1/message.ts";
import { normalOrigin, normalTarget, requestUrl } from "./request_url.ts";

/** A request, as far as its URL depends on it. */
export interface RequestUrlSource {
  /** The head. */
  readonly head: RequestHead;
  /** Scheme of the connection. */
  readonly scheme: "http" | "https";
  /** Own host and port, for when Host says nothing of use. */
  readonly authority: string;
}

/** See the module's text. */
export class RequestUrls {
  #head: RequestHead | null = null;
  #url = "";
  #scheme = "";
  #host = "";
  #origin = "";

  /**
   * The URL of a request, as `requestUrl` makes it.
   *
   * @param source the request
   */
  urlOf(source: RequestUrlSource): string {
    const { head, scheme } = source;
    if (head === this.#head && scheme === this.#scheme) return this.#url;
    const host = head.get("host") ?? "";
    if (head.targetForm !== "origin" || !this.#knows(host, scheme)) {
      return requestUrl(head, scheme, source.authority);
    }
    this.#head = head;
    return this.#url = this.#origin + normalTarget(head.target);
  }

  /** Whether `#origin` is that of the host, or can be. */
  #knows(host: string, scheme: "http" | "https"): boolean {
    if (host === this.#host && scheme === this.#scheme) return true;
    const origin = normalOrigin(scheme, host);
    if (origin === null) return false;
    this.#head = null;
    this.#scheme = scheme;
    this.#host = host;
    this.#origin = origin;
    return true;
  }
}
