/** The selector in memory runs the whole contract, with and without faults. */

import { MemorySelector } from "../../../io/testing/memory_selector.ts";
import { selectorContract } from "../../contracts/selector_contract.ts";

let last = new MemorySelector();

function open(): MemorySelector {
  last = new MemorySelector();
  return last;
}

async function countSends(run: () => Promise<void>): Promise<number> {
  const before = last.sends;
  await run();
  return last.sends - before;
}

selectorContract("memory selector", open, { hasSockets: false, countSends });
