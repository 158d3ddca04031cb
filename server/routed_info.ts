/**
 * What a handler behind a route is told: all its server told, and the values of the route's named parts.
 *
 * Strategy: a small object that passes every question on. It cannot inherit from the server's: servers keep their state
 * where only their own objects reach it.
 *
 * @module
 */
import type { Addr } from "../io/selector.ts";
import type { HijackedConnection, ServeInfo } from "./handler.ts";

/** A `ServeInfo` with parameters; under a foreign server what that does not know is `undefined`. */
export class RoutedInfo implements ServeInfo {
  /** Values of the route's named parts. */
  readonly params: Readonly<Record<string, string>>;
  readonly #info: ServeInfo;

  /** Makes one. @param info what the server told @param params values of the route's named parts */
  constructor(info: ServeInfo, params: Readonly<Record<string, string>>) {
    this.#info = info;
    this.params = params;
  }

  /** See `ServeInfo`. */
  get remoteAddr(): Addr {
    return this.#info.remoteAddr;
  }

  /** See `ServeInfo`. */
  get localAddr(): Addr {
    return this.#info.localAddr;
  }

  /** See `ServeInfo`. */
  get disconnected(): AbortSignal {
    return this.#info.disconnected;
  }

  /** See `ServeInfo`. */
  get draining(): AbortSignal {
    return this.#info.draining;
  }

  /** See `ServeInfo`. */
  get completed(): Promise<void> {
    return this.#info.completed;
  }

  /** See `ServeInfo`. */
  get trailers(): Promise<Headers> {
    return this.#info.trailers;
  }

  /** See `ServeInfo`. */
  earlyHints(headers: HeadersInit): void {
    this.#info.earlyHints(headers);
  }

  /** See `ServeInfo`. */
  hijack(): HijackedConnection {
    return this.#info.hijack();
  }
}
