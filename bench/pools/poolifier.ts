/** poolifier-web-worker (Deno, Bun). The first argument is where it is installed. */

import process from "node:process";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { measure } from "./measure.ts";

/** The part of poolifier-web-worker that is used here. */
interface Poolifier {
  execute(
    input: unknown,
    name: string,
    signal?: AbortSignal,
    transferList?: readonly ArrayBuffer[],
  ): Promise<unknown>;
  destroy(): Promise<void>;
}

type PoolifierClass = new (workers: number, url: URL, options: object) => Poolifier;

const folder = process.argv[2];
const home = pathToFileURL(`${folder}/node_modules/poolifier-web-worker/esm/mod.js`).href;
const { FixedThreadPool }: { FixedThreadPool: PoolifierClass } = await import(home);

/** Its worker, which has to import it from where it is installed. */
const worker = `${folder}/poolifier_worker.js`;
const tasks = new URL("./tasks.ts", import.meta.url).href;
writeFileSync(
  worker,
  `import { ThreadWorker } from ${JSON.stringify(home)};
import { bytes, fibonacci, noop } from ${JSON.stringify(tasks)};
export default new ThreadWorker({ bytes, fibonacci, noop });
`,
);

await measure((workers) => {
  const pool = new FixedThreadPool(workers, pathToFileURL(worker), { errorEventHandler: console.error });
  return Promise.resolve({
    noop: (value) => pool.execute(value, "noop"),
    bytes: (buffer, isTransferred) => pool.execute(buffer, "bytes", undefined, isTransferred ? [buffer] : []),
    fibonacci: (n) => pool.execute(n, "fibonacci"),
    close: () => pool.destroy(),
  });
});
