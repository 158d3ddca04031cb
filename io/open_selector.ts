/**
 * Picks the selector: the one asked for, else the best that is here and permitted. The only file that knows them all.
 *
 * Order of say: the `kind` option, then the environment variable `SLUICE_SELECTOR` (where reading it is permitted
 * already), then what is best. What was asked for is never replaced by something else: it opens or it is refused.
 *
 * @module
 */
import { UnsupportedError } from "./errors.ts";
import { detectRuntime, readEnv, type Runtime } from "./runtime.ts";
import type { Clock, Selector } from "./selector.ts";
import { openNativeBun } from "./selectors/native_bun.ts";
import { openNativeDeno } from "./selectors/native_deno.ts";
import { openNativeNode } from "./selectors/native_node.ts";

/** Ways of waiting that exist in this version. */
export type SelectorKind = "native";

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

interface Opener {
  /** Why it cannot open here; `null` when it can. */
  refusal(runtime: Runtime): string | null;
  open(options: OpenSelectorOptions, runtime: Runtime): Selector;
}

/** The native selector of each runtime. */
const NATIVE: Readonly<Record<string, (options: { readonly clock?: Clock }) => Selector>> = {
  deno: openNativeDeno,
  node: openNativeNode,
  bun: openNativeBun,
};

const OPENERS: Readonly<Record<SelectorKind, Opener>> = {
  native: {
    refusal: ({ name }) => Object.hasOwn(NATIVE, name) ? null : `there is none for the runtime "${name}" yet`,
    open: ({ clock }, { name }) => NATIVE[name]!(clock === undefined ? {} : { clock }),
  },
};

/** The variable that overrides the choice. */
const VARIABLE = "SLUICE_SELECTOR";

/**
 * Opens the selector of this thread.
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
  if (wanted === null) return openAs("native", "it is the best one here", options, runtime);
  if (!isKind(wanted)) {
    throw new UnsupportedError(
      `Cannot open the selector "${wanted}"`,
      `it is unknown; accepted are ${Object.keys(OPENERS).map((kind) => `"${kind}"`).join(", ")}`,
    );
  }
  const reason = variable === null
    ? "it was asked for by the option kind"
    : `it was asked for by ${VARIABLE}`;
  return openAs(wanted, reason, options, runtime);
}

function isKind(kind: string): kind is SelectorKind {
  return Object.hasOwn(OPENERS, kind);
}

function openAs(
  kind: SelectorKind,
  reason: string,
  options: OpenSelectorOptions,
  runtime: Runtime,
): SelectedSelector {
  const opener = OPENERS[kind];
  const refusal = opener.refusal(runtime);
  if (refusal !== null) throw new UnsupportedError(`Cannot open the selector "${kind}"`, refusal);
  const selection: Selection = { kind, reason };
  return Object.assign(opener.open(options, runtime), { selection });
}
