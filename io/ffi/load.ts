/**
 * Loads a C library through the runtime's foreign function interface: `Deno.dlopen` on Deno, `bun:ffi` on Bun, behind one
 * interface.
 *
 * Loading is a probe: it returns the library or the reason why there is none, and never throws, prompts or loads at
 * import. A library is looked for by absolute path only, because Deno permits by path: `--allow-ffi=libc.so.6` means a file
 * below the current folder.
 *
 * What the permission for one path does not cover (`UnsafePointer`, `UnsafePointerView`, callbacks) is not needed:
 * - the address of a buffer is what a C function returns that returns its argument (`memmove` of no bytes, as a number);
 * - a pointer of a given value is what `labs` returns (a C function that returns its argument, as a pointer);
 * - C memory is read by copying it into a buffer with `memcpy`.
 * Only `viewOf`, which lays a buffer over C memory, needs the permission for all of FFI.
 *
 * Widths: a C `size_t`, `long` or pointer is 64 bits wide here, and must be declared so. Declared as 32 bits, its upper half is
 * whatever the register held before. A *result* may be declared `i32` where its value is known to fit: the lower half of
 * the register is then the value.
 *
 * Cost on Deno: about 11 ns a call, 25 to 45 with a buffer, 155 with a 64-bit integer among the parameters. The type
 * `size` avoids the latter: it stands for `size_t`, and is passed as a pointer made once by `makeSize`.
 *
 * @module
 */
import process from "node:process";

/** Types of parameters and results. `size` is a parameter only, see the module's text; `buffer` too: a view's memory. */
export type CType = "void" | "i32" | "u32" | "i64" | "u64" | "usize" | "size" | "buffer" | "pointer";

/** How a function of the library is called. */
export interface Signature {
  /** Its name in the library, where that is not the key: one function may be declared in several ways. */
  readonly name?: string;
  /** Types of its parameters. */
  readonly parameters: readonly CType[];
  /** Type of its result. `i64` comes as a number: what is above 2^53 loses its last digits. */
  readonly result: CType;
  /** Whether it runs on another thread and returns a promise; on Deno only, elsewhere the function is not there. */
  readonly isThreaded?: boolean;
}

/** A C pointer; what it is depends on the runtime, `null` is NULL. */
export type Pointer = { readonly brand: "pointer" } | null;

/** A `size_t` for parameters of the type `size`; what it is depends on the runtime. */
export type Size = { readonly brand: "size" };

/** A loaded library. `F` maps names to the functions' types, which the signatures must match. */
export interface Library<F> {
  /** Where it was loaded from. */
  readonly path: string;
  /** Its functions. */
  readonly functions: F;
  /** Whether `viewOf` is permitted. */
  readonly canView: boolean;
  /** The address of a view's first byte. The memory stays where it is while its ArrayBuffer is referenced and not transferred. */
  addressOf(view: ArrayBufferView<ArrayBuffer>): number;
  /** The pointer to an address. */
  pointerTo(address: number): Pointer;
  /** A size to pass as a parameter of the type `size`. */
  makeSize(bytes: number): Size;
  /** Copies C memory into `target`, all of it. */
  copyFrom(pointer: Pointer, target: Uint8Array): void;
  /** A buffer over C memory, which must outlive it. Only if `canView`. */
  viewOf(pointer: Pointer, bytes: number): ArrayBuffer;
  /** Unloads it: none of its functions may be called afterwards. */
  close(): void;
}

/** The result of a probe: what was found, or why there is none (one clause, without a full stop). */
export type Probe<T> =
  | { readonly found: T; readonly refusal: null }
  | { readonly found: null; readonly refusal: string };

/** Loads the first of several paths that is there and permitted; `tryLibrary` is the one that asks the system. */
export type TryLibrary = <F>(
  paths: readonly string[],
  signatures: Readonly<Record<keyof F & string, Signature>>,
) => Probe<Library<F>>;

type Signatures = Readonly<Record<string, Signature>>;
type Functions = Record<string, (...parameters: unknown[]) => unknown>;

/** What every library must have for this file: all are part of libc. */
const OWN: Signatures = {
  slAddress: { name: "memmove", parameters: ["buffer", "buffer", "size"], result: "u64" },
  slPointer: { name: "labs", parameters: ["i64"], result: "pointer" },
  slCopy: { name: "memcpy", parameters: ["buffer", "pointer", "usize"], result: "pointer" },
};

/**
 * Loads a library.
 *
 * @param paths absolute paths of it, the likeliest first
 * @param signatures how its functions are called
 * @returns the library, or the reason why none of the paths can be loaded
 */
export const tryLibrary: TryLibrary = <F>(
  paths: readonly string[],
  signatures: Readonly<Record<keyof F & string, Signature>>,
): Probe<Library<F>> => {
  const { Deno: deno } = globalThis as unknown as { readonly Deno?: DenoFfi };
  if (deno !== undefined) return tryDeno(deno, paths, signatures);
  const bun = process.getBuiltinModule?.("bun:ffi") as unknown as BunFfi | undefined;
  if (bun !== undefined) return tryBun(bun, paths, signatures);
  return { found: null, refusal: "this runtime has no FFI of its own (Deno and Bun have)" };
};

/** The message of whatever was thrown, in one line. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, " ");
}

// ---- Deno --------------------------------------------------------------------------------------------------------

/** The part of Deno's global that is used here. */
interface DenoFfi {
  dlopen(path: string, symbols: Readonly<Record<string, DenoSymbol>>): {
    readonly symbols: Functions;
    close(): void;
  };
  readonly permissions: { querySync(descriptor: { name: "ffi"; path?: string }): { readonly state: string } };
  readonly UnsafePointerView: { getArrayBuffer(pointer: unknown, bytes: number): ArrayBuffer };
}

interface DenoSymbol {
  readonly name?: string;
  readonly parameters: readonly string[];
  readonly result: string;
  readonly nonblocking?: boolean;
}

function tryDeno<F>(deno: DenoFfi, paths: readonly string[], signatures: Signatures): Probe<Library<F>> {
  const isPermitted = (path?: string) =>
    deno.permissions.querySync(path === undefined ? { name: "ffi" } : { name: "ffi", path }).state ===
      "granted";
  const permitted = paths.filter((path) => isPermitted(path));
  if (permitted.length === 0) {
    return {
      found: null,
      refusal: `FFI is not permitted (run with --allow-ffi=${paths[0]}, or --allow-ffi for io_uring, too)`,
    };
  }
  let refusal = "";
  for (const path of permitted) {
    try {
      const { symbols, close } = openDeno(deno, path, { ...signatures, ...OWN });
      return { found: denoLibrary<F>(deno, path, symbols, close, isPermitted()), refusal: null };
    } catch (error) {
      refusal ||= messageOf(error);
    }
  }
  return { found: null, refusal: `none of ${permitted.join(", ")} can be loaded: ${refusal}` };
}

function openDeno(
  deno: DenoFfi,
  path: string,
  signatures: Signatures,
): { symbols: Functions; close: () => void } {
  const symbols: Record<string, DenoSymbol> = {};
  for (const [key, { name, parameters, result, isThreaded }] of Object.entries(signatures)) {
    symbols[key] = {
      name: name ?? key,
      parameters: parameters.map((type) => type === "size" ? "pointer" : type),
      result,
      ...(isThreaded === true ? { nonblocking: true } : {}),
    };
  }
  const library = deno.dlopen(path, symbols);
  const wide = Object.entries(signatures).filter(([, { result, isThreaded }]) =>
    isThreaded !== true && (result === "i64" || result === "u64" || result === "usize")
  );
  const functions: Functions = { ...library.symbols };
  for (const [key] of wide) {
    const call = library.symbols[key]!;
    functions[key] = (...parameters) => Number(call(...parameters)); // They come as bigints.
  }
  return { symbols: functions, close: () => library.close() };
}

function denoLibrary<F>(
  deno: DenoFfi,
  path: string,
  functions: Functions,
  close: () => void,
  canView: boolean,
): Library<F> {
  const { slAddress, slPointer, slCopy } = functions as {
    slAddress(a: ArrayBufferView, b: ArrayBufferView, bytes: null): number;
    slPointer(address: number): Pointer;
    slCopy(target: Uint8Array, source: Pointer, bytes: number): Pointer;
  };
  return {
    path,
    functions: functions as F,
    canView,
    // `buffer` first: the bytes of a short view are within the garbage collector's heap, and move, until it is asked for.
    addressOf: (view) => (void view.buffer, slAddress(view, view, null)),
    pointerTo: (address) => slPointer(address),
    makeSize: (bytes) => slPointer(bytes) as unknown as Size,
    copyFrom: (pointer, target) => void slCopy(target, pointer, target.length),
    viewOf: (pointer, bytes) => deno.UnsafePointerView.getArrayBuffer(pointer, bytes),
    close,
  };
}

// ---- Bun ---------------------------------------------------------------------------------------------------------

/** The part of `bun:ffi` that is used here. */
interface BunFfi {
  dlopen(path: string, symbols: Readonly<Record<string, { args: readonly string[]; returns: string }>>): {
    readonly symbols: Functions;
    close(): void;
  };
  ptr(view: ArrayBufferView): number;
  toArrayBuffer(pointer: number, offset: number, bytes: number): ArrayBuffer;
}

const BUN_TYPES: Readonly<Record<CType, string>> = {
  void: "void",
  i32: "i32",
  u32: "u32",
  i64: "i64_fast",
  u64: "u64_fast",
  usize: "u64_fast",
  size: "u64_fast",
  buffer: "ptr",
  pointer: "ptr",
};

function tryBun<F>(bun: BunFfi, paths: readonly string[], signatures: Signatures): Probe<Library<F>> {
  let refusal = "";
  for (const path of paths) {
    try {
      return { found: openBun<F>(bun, path, signatures), refusal: null };
    } catch (error) {
      refusal ||= messageOf(error);
    }
  }
  return { found: null, refusal: `none of ${paths.join(", ")} can be loaded: ${refusal}` };
}

/** `bun:ffi` declares a function under its own name only, so every other way to call it is a library of its own. */
function openBun<F>(bun: BunFfi, path: string, signatures: Signatures): Library<F> {
  const functions: Functions = {};
  const opened = [bun.dlopen(path, { memmove: { args: ["ptr", "ptr", "u64"], returns: "ptr" } })]; // It is libc, or throws.
  for (const [key, { name = key, parameters, result, isThreaded }] of Object.entries(signatures)) {
    if (isThreaded === true) continue;
    const declared = { args: parameters.map((type) => BUN_TYPES[type]), returns: BUN_TYPES[result] };
    const library = bun.dlopen(path, { [name]: declared });
    opened.push(library);
    functions[key] = library.symbols[name]!;
  }
  return {
    path,
    functions: functions as F,
    canView: true,
    addressOf: (view) => (void view.buffer, bun.ptr(view)),
    pointerTo: (address) => address as unknown as Pointer,
    makeSize: (bytes) => bytes as unknown as Size,
    copyFrom: (pointer, target) =>
      target.set(new Uint8Array(bun.toArrayBuffer(pointer as unknown as number, 0, target.length))),
    viewOf: (pointer, bytes) => bun.toArrayBuffer(pointer as unknown as number, 0, bytes),
    close: () => {
      for (const library of opened) library.close();
    },
  };
}
