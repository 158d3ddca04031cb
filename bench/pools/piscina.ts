/** piscina (Node). The first argument is where it is installed. */

import { createRequire } from "node:module";
import process from "node:process";
import { measure } from "./measure.ts";

/** The part of piscina that is used here. */
interface Piscina {
  run(input: unknown, options: { name: string; transferList?: ArrayBuffer[] }): Promise<unknown>;
  destroy(): Promise<void>;
}

type PiscinaClass = new (options: object) => Piscina;

const { Piscina }: { Piscina: PiscinaClass } = createRequire(`${process.argv[2]}/`)("piscina");

await measure((workers) => {
  const pool = new Piscina({
    filename: new URL("./tasks.ts", import.meta.url).href,
    minThreads: workers,
    maxThreads: workers,
    maxQueue: 100_000,
  });
  return Promise.resolve({
    noop: (value) => pool.run(value, { name: "noop" }),
    bytes: (buffer, isTransferred) =>
      pool.run(buffer, { name: "bytes", ...(isTransferred ? { transferList: [buffer] } : {}) }),
    fibonacci: (n) => pool.run(n, { name: "fibonacci" }),
    close: () => pool.destroy(),
  });
});
