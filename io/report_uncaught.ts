/**
 * Reports an error as uncaught, on every runtime: for what nobody waits for and hiding would help no one.
 *
 * The web's `reportError` does that at once, but Node has none; an error thrown from a microtask of its own is uncaught
 * everywhere (`error` event, `uncaughtException`), and the caller goes on.
 *
 * @module
 */

/**
 * Reports an error as uncaught.
 *
 * @param error what was thrown; reported before the next macrotask
 */
export function reportUncaught(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
