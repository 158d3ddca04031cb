/**
 * The `native` selector of Node: `node:net`, with checks that this Node has what it needs.
 *
 * @module
 */
import { UnsupportedError } from "../errors.ts";
import { canListen } from "./native_listener.ts";
import { type NativeOptions, NativeSelector } from "./native_net.ts";
import { probeReadMode } from "./native_socket.ts";

/**
 * Opens the selector on Node's own sockets.
 *
 * @param options the clock to go by
 * @returns a selector that holds nothing yet
 * @throws UnsupportedError when this Node cannot bind synchronously
 * @example
 * ```ts
 * import { openNativeNode } from "./native_node.ts";
 *
 * await using selector = openNativeNode();
 * console.log(selector.kind);
 * ```
 */
export function openNativeNode(options: NativeOptions = {}): NativeSelector {
  if (!canListen()) {
    throw new UnsupportedError(
      "Cannot open the native selector",
      "this Node's node:net has no _createServerHandle; Node 24 has it",
    );
  }
  return new NativeSelector({ ...options, readMode: options.readMode ?? probeReadMode() });
}
