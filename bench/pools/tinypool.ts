/** tinypool (Node). The first argument is where it is installed. */

import process from "node:process";
import { pathToFileURL } from "node:url";
import { measure } from "./measure.ts";

/** The part of tinypool that is used here. */
interface Tinypool {
  run(input: unknown, options: { name: string; transferList?: ArrayBuffer[] }): Promise<unknown>;
  destroy(): Promise<void>;
}

type TinypoolClass = new (options: object) => Tinypool;

const home = `${process.argv[2]}/node_modules/tinypool/dist/index.js`;
const { default: Tinypool }: { default: TinypoolClass } = await import(pathToFileURL(home).href);

await measure((workers) => {
  const pool = new Tinypool({
    filename: new URL("./tasks.ts", import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
  });
  return Promise.resolve({
    noop: (value) => pool.run(value, { name: "noop" }),
    bytes: (buffer, isTransferred) =>
      pool.run(buffer, { name: "bytes", ...(isTransferred ? { transferList: [buffer] } : {}) }),
    fibonacci: (n) => pool.run(n, { name: "fibonacci" }),
    close: () => pool.destroy(),
  });
});
