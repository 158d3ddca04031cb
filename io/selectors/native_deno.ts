/**
 * The `native` selector of Deno: `node:net`, which Deno has natively, with checks that this Deno has what it needs.
 *
 * Why not `Deno.listen`: measured with one protocol on both (Deno 2.9.6, Linux), the CPU per request is the same; but at
 * 256 busy connections the p99 was 3 ms, and 16 to 180 ms with `Deno.Conn`, which is unfair between connections; a
 * fan-out delivery cost 7.5 µs against 9.5, a connection with its client 24 KiB against 40; and only `node:net` stops
 * reading for real and sends RST. Node then needs nearly nothing of its own.
 *
 * Known limits: a process that runs out of descriptors while accepting is not told so by Deno 2.9.6 (`acceptErrors` stays
 * 0), and its sockets stop accepting. They are set going again whenever a connection of this selector closed; one that
 * has no connection at all, because others hold all descriptors, waits until it had one.
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
  return new NativeSelector({ ...options, relistens: true, readMode: options.readMode ?? probeReadMode() });
}
