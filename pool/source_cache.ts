/**
 * Functions made from their source, for `exec`: compiled once, kept while they are in use.
 *
 * @module
 */

/** Functions that are kept: a program has a handful; one that makes up sources forever must not fill the worker. */
const SOURCES_MAX = 128;

/** What `exec` sends. */
export interface SourceCall {
  /** The function's source text. */
  readonly source: string;
  /** What it is called with. */
  readonly args: readonly unknown[];
}

type AnyFunction = (...args: readonly unknown[]) => unknown;

/** Functions by their source; the one that was added first goes first. */
export class SourceCache {
  readonly #functions = new Map<string, AnyFunction>();

  /** Calls a function by its source. @param call a `SourceCall` @throws what the function throws, or SyntaxError for its source */
  call(call: unknown): unknown {
    const { source, args } = call as SourceCall;
    let run = this.#functions.get(source);
    if (run === undefined) {
      run = (0, eval)(`(${source}\n)`) as AnyFunction; // in the global scope, where the source sees nothing of ours
      if (this.#functions.size >= SOURCES_MAX) {
        for (const oldest of this.#functions.keys()) {
          this.#functions.delete(oldest);
          break;
        }
      }
      this.#functions.set(source, run);
    }
    return run(...args);
  }
}
