/**
 * Picks the selector: the one asked for, else the best that is here and permitted. The only file that knows them all.
 *
 * Order of say: the `kind` option, then the environment variable `SLUICE_SELECTOR` (where reading it is permitted
 * already), then what is best. What was asked for is never replaced by something else: it opens or it is refused.
 *
 * Finding the best asks nobody for a permission: a selector that needs one which was not given is passed over, and the
 * reason says so. `native` needs none and comes last, so there always is one.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";
import type { Probe } from "./ffi/load.ts";
import { detectRuntime, readEnv, type Runtime } from "./runtime.ts";
import type { Clock, Selector } from "./selector.ts";
import { chooseFirst } from "./selector_choice.ts";
import { probeEpoll } from "./selectors/epoll.ts";
import { openNativeBun } from "./selectors/native_bun.ts";
import { openNativeDeno } from "./selectors/native_deno.ts";
import { openNativeNode } from "./selectors/native_node.ts";
import { probeUring } from "./selectors/uring.ts";

/** Ways of waiting that exist in this version. */
export type SelectorKind = "native" | "epoll" | "uring";

/** Options of `openSelector`. */
export interface OpenSelectorOptions {
  /** Which one; default: `SLUICE_SELECTOR`, else the best that is here. */
  readonly kind?: SelectorKind;
  /** The time to go by; default: the system's. */
  readonly clock?: Clock;
}

/** Which selector was opened, and why that one. */
export interface Selection {
  /** The kind that was opened. */
  readonly kind: SelectorKind;
  /** Why, in one clause for a log. */
  readonly reason: string;
}

/** A selector that knows why it was chosen. */
export interface SelectedSelector extends Selector {
  /** Which one it is, and why. */
  readonly selection: Selection;
}

/** Opens a selector, or says why it cannot open here. Neither throws nor asks for permissions. */
type Opener = (options: OpenSelectorOptions, runtime: Runtime) => Probe<Selector>;

/** The native selector of each runtime. */
const NATIVE: Readonly<Record<string, (options: { readonly clock?: Clock }) => Selector>> = {
  deno: openNativeDeno,
  node: openNativeNode,
  bun: openNativeBun,
};

/** All of them, by name. */
const OPENERS: Readonly<Record<SelectorKind, Opener>> = {
  native: (options, { name }) =>
    Object.hasOwn(NATIVE, name)
      ? { found: NATIVE[name]!(clockOf(options)), refusal: null }
      : { found: null, refusal: `there is none for the runtime "${name}" yet` },
  epoll: (options) => probeEpoll(clockOf(options)),
  uring: (options) => probeUring(clockOf(options)),
};

/** From the best to the one that always opens. */
const BY_MERIT: readonly SelectorKind[] = ["uring", "epoll", "native"];

/**
 * On Bun io_uring is for who asks for it: it costs less there and is as bounded, but whole services have run on `epoll` far
 * longer (see ARCHITECTURE.md).
 */
const BY_MERIT_ON_BUN: readonly SelectorKind[] = ["epoll", "native"];

/** The variable that overrides the choice. */
const VARIABLE = "SLUICE_SELECTOR";

/**
 * Opens the selector of this thread.
 *
 * Close it before its thread ends. The descriptors of `epoll` and `uring` are the process's, not the thread's: a worker that is
 * terminated, not asked to close, leaves them open until the process ends (its clients see nothing until then).
 *
 * @param options which kind, and the clock to go by
 * @returns the selector, with `selection` telling which it is and why; close it when done
 * @throws UnsupportedError when what was asked for is unknown or cannot open here
 * @example
 * ```ts
 * import { openSelector } from "@sluice/kit/io";
 *
 * await using selector = openSelector();
 * console.log(`${selector.selection.kind}: ${selector.selection.reason}`);
 * ```
 */
export function openSelector(options: OpenSelectorOptions = {}): SelectedSelector {
  const variable = options.kind === undefined ? readEnv(VARIABLE) : null;
  const wanted = options.kind ?? (variable === "" ? null : variable);
  const runtime = detectRuntime();
  if (wanted === null) return openBest(options, runtime);
  if (!isKind(wanted)) {
    throw new UnsupportedError(
      `Cannot open the selector "${wanted}"`,
      `it is unknown; accepted are ${Object.keys(OPENERS).map((kind) => `"${kind}"`).join(", ")}`,
    );
  }
  const { found, refusal } = OPENERS[wanted](options, runtime);
  if (found === null) throw new UnsupportedError(`Cannot open the selector "${wanted}"`, refusal);
  const by = variable === null ? "the option kind" : VARIABLE;
  return select(found, { kind: wanted, reason: `it was asked for by ${by}` });
}

function isKind(kind: string): kind is SelectorKind {
  return Object.hasOwn(OPENERS, kind);
}

function openBest(options: OpenSelectorOptions, runtime: Runtime): SelectedSelector {
  const { kind, found, reason } = chooseFirst(
    (runtime.name === "bun" ? BY_MERIT_ON_BUN : BY_MERIT).map((kind) => ({
      kind,
      open: () => OPENERS[kind](options, runtime),
    })),
  );
  return select(found, { kind, reason });
}

function select(selector: Selector, selection: Selection): SelectedSelector {
  return Object.assign(selector, { selection });
}

function clockOf({ clock }: OpenSelectorOptions): { readonly clock?: Clock } {
  return clock === undefined ? {} : { clock };
}
