/**
 * How much of a long suite a runtime runs: all of it on Deno, a sample elsewhere.
 *
 * Fuzz, seeds and splits look for mistakes of ours, which are the same whatever engine runs them. What differs between
 * runtimes (sockets, timers, web classes) is seen by the first seeds as well as by a million of them.
 *
 * @module
 */
import process from "node:process";

/**
 * The number of inputs or seeds to run; always the first ones, so that a sample sees what Deno saw.
 *
 * @param all on Deno
 * @param sample on Node and Bun
 */
export function sampleSize(all: number, sample: number): number {
  return process.versions["deno"] === undefined ? sample : all;
}
