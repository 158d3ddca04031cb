/** Sluice's pool. */

import { createPool } from "../../pool/mod.ts";
import { measure } from "./measure.ts";

await measure((workers) => {
  const pool = createPool<typeof import("./tasks.ts")>(new URL("./tasks.ts", import.meta.url), {
    workersMax: workers,
    workersMin: workers,
    queueMax: 100_000,
  });
  return Promise.resolve({
    noop: (value) => pool.run("noop", value),
    bytes: (buffer, isTransferred) => pool.run("bytes", buffer, isTransferred ? {} : { transfer: "copy" }),
    fibonacci: (n) => pool.run("fibonacci", n),
    close: () => pool.close(),
  });
});
