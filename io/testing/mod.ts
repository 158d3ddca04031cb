/**
 * For tests of what is built on Sluice: a network in memory with seeded faults, and a clock that is moved by hand.
 *
 * @module
 */
export * from "./fault_plan.ts";
export * from "./memory_selector.ts";
export * from "./prng.ts";
export * from "./virtual_clock.ts";
