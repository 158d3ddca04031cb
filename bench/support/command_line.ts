/**
 * What the benchmarks' command lines and headlines have in common.
 *
 * @module
 */
import { machine } from "./report.ts";
import { installRuntimes, output } from "./runtimes.ts";

/**
 * Reads `--name value` pairs, and `--name` alone where the default is `false`.
 *
 * @param args the arguments
 * @param defaults what there is, with its default
 * @throws RangeError for a flag there is not, or one without its value
 */
export function flags<T extends Record<string, string | boolean>>(args: readonly string[], defaults: T): T {
  const values: Record<string, string | boolean> = { ...defaults };
  for (let i = 0; i < args.length; i++) {
    const name = (args[i] as string).replace(/^--/, "");
    if (!Object.hasOwn(defaults, name)) {
      const accepted = Object.keys(defaults).map((flag) => `--${flag}`).join(", ");
      throw new RangeError(`Cannot run: "${args[i]}" is unknown; accepted are ${accepted}`);
    }
    if (typeof defaults[name] === "boolean") values[name] = true;
    else {
      const value = args[++i];
      if (value === undefined) throw new RangeError(`Cannot run: --${name} has no value`);
      values[name] = value;
    }
  }
  return values as T;
}

/** A figure with as many digits as it is good for. */
export function fixed(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
}

/** Date, versions and machine in one line. */
export async function versionLine(): Promise<string> {
  const { node, bun } = await installRuntimes();
  const nodeVersion = (await output(node, ["--version"])).trim();
  const bunVersion = (await output(bun, ["--version"])).trim();
  const date = new Date().toISOString().slice(0, 10);
  return `${date}; Deno ${Deno.version.deno}, Node ${nodeVersion}, Bun ${bunVersion}; ${machine()}.`;
}
