/**
 * The `native` selector of Deno: `node:net`, which Deno has natively, with checks that this Deno has what it needs.
 *
 * @module
 */
import { canListen } from "./native_listener.ts";
import { type NativeOptions, NativeSelector } from "./native_net.ts";
import { probeReadMode } from "./native_socket.ts";
import { UnsupportedError } from "../errors.ts";

/**
 * Opens the selector on Deno's own sockets.
 *
 * @param options the clock to go by
 * @returns a selector that holds nothing yet
 * @throws UnsupportedError when this Deno cannot bind synchronously
 * @example
 * ```ts
 * import { openNativeDeno } from "./native_deno.ts";
 *
 * await using selector = openNativeDeno();
 * console.log(selector.kind);
 * ```
 */
export function openNativeDeno(options: NativeOptions = {}): NativeSelector {
  if (!canListen()) {
    throw new UnsupportedError(
      "Cannot open the native selector",
      "this Deno's node:net has no _createServerHandle; Deno 2.9.6 has it",
    );
  }
  return new NativeSelector({ ...options, readMode: options.readMode ?? probeReadMode() });
}
