/**
 * The repository as the tidy rules see it: a map from path to text, parsed when a rule asks.
 *
 * Strategy: rules are pure functions of a `Project`, so that each can be tried on a broken project made in memory.
 * Syntax comes from the TypeScript parser; nothing is type-checked and nothing is resolved but relative paths.
 */

import ts from "npm:typescript@5.9.3";

export { ts };

/** One place where a rule is broken. */
export interface Violation {
  readonly path: string;
  /** Line, from 1. */
  readonly line: number;
  readonly message: string;
}

/** A rule: what is wrong with a project. */
export type Rule = (project: Project) => Violation[];

/** One import, export-from or `import()` of a file. */
export interface Import {
  readonly specifier: string;
  /** The path in the project it resolves to, or `undefined` for anything but a relative specifier. */
  readonly target: string | undefined;
  readonly line: number;
}

/** Folders that make up the published library, besides `mod.ts`. */
export const LIBRARY_FOLDERS: readonly string[] = ["io/", "server/", "pool/"];

/** Whether a path belongs to the published library. */
export function isLibrary(path: string): boolean {
  return path === "mod.ts" ||
    (path.endsWith(".ts") && LIBRARY_FOLDERS.some((folder) => path.startsWith(folder)));
}

/** The files of a repository, with what the rules ask about them. */
export class Project {
  readonly files: ReadonlyMap<string, string>;
  readonly #parsed = new Map<string, ts.SourceFile>();

  constructor(files: Record<string, string> | ReadonlyMap<string, string>) {
    this.files = files instanceof Map ? files : new Map(Object.entries(files));
  }

  /** Paths of the published library, in order. */
  get library(): string[] {
    return [...this.files.keys()].filter(isLibrary).sort();
  }

  /** Paths of every TypeScript file, in order. */
  get sources(): string[] {
    return [...this.files.keys()].filter((path) => path.endsWith(".ts")).sort();
  }

  /** The text of a file that is there. */
  text(path: string): string {
    const text = this.files.get(path);
    if (text === undefined) throw new RangeError(`Cannot read ${path}: not in the project`);
    return text;
  }

  /** The syntax tree of a TypeScript file. */
  ast(path: string): ts.SourceFile {
    let parsed = this.#parsed.get(path);
    if (!parsed) {
      parsed = ts.createSourceFile(path, this.text(path), ts.ScriptTarget.Latest, true, ts.ScriptKind.TS);
      this.#parsed.set(path, parsed);
    }
    return parsed;
  }

  /** The path that an import or export-from of a file refers to, if it is relative. */
  target(path: string, node: ts.Node): string | undefined {
    const specifier = specifierOf(node);
    return specifier === undefined ? undefined : resolved(path, specifier);
  }

  /** Everything a file imports, type-only imports included. */
  imports(path: string): Import[] {
    const file = this.ast(path);
    const found: Import[] = [];
    visit(file, (node) => {
      const specifier = specifierOf(node);
      if (specifier !== undefined) {
        found.push({ specifier, target: resolved(path, specifier), line: lineOf(file, node) });
      }
    });
    return found;
  }
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    return node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)
      ? node.moduleSpecifier.text
      : undefined;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return ts.isStringLiteral(node.argument.literal) ? node.argument.literal.text : undefined;
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [argument] = node.arguments;
    return argument && ts.isStringLiteralLike(argument) ? argument.text : undefined;
  }
  return undefined;
}

function resolved(from: string, specifier: string): string | undefined {
  if (!/^\.\.?\//.test(specifier)) return undefined;
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** Calls back for a node and all below it. */
export function visit(node: ts.Node, found: (node: ts.Node) => void): void {
  found(node);
  ts.forEachChild(node, (child) => visit(child, found));
}

/** The line a node begins on, from 1. */
export function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

/** Whether a declaration carries the `export` keyword. */
export function isExported(node: ts.Node): boolean {
  return ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);
}

/** Folders that hold no source of ours. */
const SKIPPED_FOLDERS = new Set([".git", "node_modules", "coverage", "out"]);

/** Endings of the files that are text. */
const TEXT_ENDINGS =
  /\.(ts|js|mjs|json|jsonc|md|sh|html|css|yml|yaml|txt|sql|conf)$|(^|\/)(run|LICENSE|\.gitignore)$/;

/** Reads the repository below a folder. */
export async function readProject(root: URL): Promise<Project> {
  const files = new Map<string, string>();
  async function read(folder: string): Promise<void> {
    for await (const entry of Deno.readDir(new URL(folder, root))) {
      const path = `${folder === "./" ? "" : folder}${entry.name}`;
      if (entry.isDirectory && !SKIPPED_FOLDERS.has(entry.name)) await read(`${path}/`);
      if (entry.isFile && TEXT_ENDINGS.test(path)) {
        files.set(path, await Deno.readTextFile(new URL(path, root)));
      }
    }
  }
  await read("./");
  files.delete("deno.jsr.json"); // derived, not kept
  return new Project(files);
}
