/**
 * The contract of io/selector.ts as tests: every selector runs it, bare and inside the checking wrapper.
 *
 * @module
 */
import { closingContract } from "./selector/closing.ts";
import { type OpenSelector, type SelectorAbilities, type Subject, subject } from "./selector/harness.ts";
import { openingContract } from "./selector/opening.ts";
import { readingContract } from "./selector/reading.ts";
import { socketsContract } from "./selector/sockets.ts";
import { tortureContract } from "./selector/torture.ts";
import { writingContract } from "./selector/writing.ts";

export type { OpenSelector, SelectorAbilities };

/**
 * Registers the tests of one selector.
 *
 * @param name what the tests' names begin with
 * @param open opens the selector; each test gets one of its own
 * @param abilities what it can do that not every one can
 */
export function selectorContract(name: string, open: OpenSelector, abilities: SelectorAbilities): void {
  for (const isChecked of [false, true]) {
    const one: Subject = subject(isChecked ? `${name}, checked` : name, open, isChecked, abilities);
    writingContract(one);
    readingContract(one);
    closingContract(one);
    openingContract(one);
    socketsContract(one);
    tortureContract(one);
  }
}
