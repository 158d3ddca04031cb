/** The thread of `raw.ts`. */

import { parentPort } from "node:worker_threads";
import * as tasks from "./tasks.ts";

const port = parentPort!;
port.on("message", ([id, name, input]: [number, keyof typeof tasks, never]) => {
  port.postMessage([id, tasks[name](input)]);
});
