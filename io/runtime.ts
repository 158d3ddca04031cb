/**
 * Which runtime this is and what it permits: the one place that asks, so that nothing else looks at `Deno`, `Bun` or
 * `process`.
 *
 * Asking never prompts and never throws: what may not be known is `null`.
 *
 * @module
 */

/** The part of Deno's global that is used here. */
interface DenoGlobal {
  readonly version: { readonly deno: string };
  readonly pid: number;
  readonly build: { readonly os: string; readonly arch: string };
  readonly env: { get(name: string): string | undefined };
  readonly permissions: {
    querySync(descriptor: { name: "env"; variable: string }): { readonly state: string };
  };
}

/** The part of Node's and Bun's `process` that is used here. */
interface ProcessGlobal {
  readonly pid: number;
  readonly platform: string;
  readonly arch: string;
  readonly versions: { readonly node?: string; readonly bun?: string };
  readonly env: Readonly<Record<string, string | undefined>>;
}

interface Globals {
  readonly Deno?: DenoGlobal;
  readonly process?: ProcessGlobal;
}

/** Names of the runtimes the library knows. */
export type RuntimeName = "deno" | "node" | "bun" | "unknown";

/** A runtime and where it runs. */
export interface Runtime {
  /** Which one. */
  readonly name: RuntimeName;
  /** Its version, as it tells it; empty when unknown. */
  readonly version: string;
  /** The operating system in Node's words (`"linux"`, `"darwin"`, `"win32"`); empty when unknown. */
  readonly os: string;
  /** The processor's architecture in Node's words (`"x64"`, `"arm64"`); empty when unknown. */
  readonly arch: string;
}

/** Deno's words for architectures that have others in Node. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: "x64", aarch64: "arm64" };

/**
 * Tells which runtime this is.
 *
 * @returns its name, version and system
 * @example
 * ```ts
 * import { detectRuntime } from "./runtime.ts";
 *
 * console.log(detectRuntime().name); // "deno"
 * ```
 */
export function detectRuntime(): Runtime {
  const { Deno: deno, process } = globalThis as unknown as Globals;
  if (deno !== undefined) {
    return {
      name: "deno",
      version: deno.version.deno,
      os: deno.build.os === "windows" ? "win32" : deno.build.os,
      arch: ARCHITECTURES[deno.build.arch] ?? deno.build.arch,
    };
  }
  if (process?.versions.bun !== undefined) {
    return { name: "bun", version: process.versions.bun, os: process.platform, arch: process.arch };
  }
  if (process?.versions.node !== undefined) {
    return { name: "node", version: process.versions.node, os: process.platform, arch: process.arch };
  }
  return { name: "unknown", version: "", os: "", arch: "" };
}

/**
 * Reads an environment variable if that is permitted already; never asks the user for the permission.
 *
 * @param name the variable
 * @returns its value; `null` when it is unset or may not be read
 */
export function readEnv(name: string): string | null {
  const { Deno: deno, process } = globalThis as unknown as Globals;
  if (deno === undefined) return process?.env[name] ?? null;
  if (deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") return null;
  return deno.env.get(name) ?? null;
}

/**
 * Tells the number the system gave this process.
 *
 * @returns the process id; `null` when it is unknown
 */
export function processId(): number | null {
  const { Deno: deno, process } = globalThis as unknown as Globals;
  return deno?.pid ?? process?.pid ?? null;
}
