/** Which file may import which: the layers, the bare specifiers, the runtimes' own names, and no cycles. */

import { isLibrary, lineOf, type Project, ts, type Violation, visit } from "./project.ts";

interface Layer {
  /** Start of the paths that make up the layer. */
  readonly folder: string;
  /** Starts of the paths its files may import. */
  readonly mayImport: readonly string[];
}

/** The layers, innermost folder first: the first whose folder a path starts with is the path's own. */
const LAYERS: readonly Layer[] = [
  { folder: "server/main.ts", mayImport: ["server/", "io/", "pool/"] }, // the program that puts them together
  { folder: "server/http1/", mayImport: ["server/http1/"] },
  { folder: "server/", mayImport: ["server/", "io/"] },
  { folder: "io/", mayImport: ["io/"] },
  { folder: "pool/", mayImport: ["pool/"] },
  { folder: "mod.ts", mayImport: ["io/", "server/", "pool/"] },
];

/** Files besides selectors themselves that may import from `io/selectors/`, and what they may. */
const SELECTOR_IMPORTERS: Readonly<Record<string, RegExp>> = {
  "io/open_selector.ts": /./,
  "io/mod.ts": /\/(checked|poll_set|epoll_set)\.ts$/, // public by themselves: the wrapper, and the low level
};

/** Imports that cross a layer the wrong way. */
export function layers(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const layer = LAYERS.find(({ folder }) => path.startsWith(folder));
    for (const { target, line } of project.imports(path)) {
      if (target === undefined) continue;
      if (!layer?.mayImport.some((folder) => target.startsWith(folder))) {
        violations.push({ path, line, message: `${layer?.folder ?? path} must not import ${target}` });
      }
      if (target.startsWith("io/selectors/") && !path.startsWith("io/selectors/")) {
        if (!SELECTOR_IMPORTERS[path]?.test(target)) {
          violations.push({
            path,
            line,
            message: `only io/open_selector.ts imports a selector, not ${target}`,
          });
        }
      }
    }
  }
  return violations;
}

/** Specifiers other than `./x.ts` and `node:x`: a user's import map, not ours, would resolve them. */
export function specifiers(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    for (const { specifier, line, target } of project.imports(path)) {
      if (target !== undefined && specifier.endsWith(".ts")) {
        if (!project.files.has(target)) violations.push({ path, line, message: `${target} does not exist` });
      } else if (!/^(node|bun):/.test(specifier)) {
        violations.push({ path, line, message: `"${specifier}" is neither ./x.ts nor node:x` });
      }
    }
  }
  return violations;
}

/** Files whose job is a runtime: only they name one. */
const RUNTIME_FILES: readonly RegExp[] = [
  /^io\/runtime\.ts$/,
  /^io\/ffi\/load\.ts$/,
  /^io\/selectors\/native_\w+\.ts$/,
  /^io\/tls\.ts$/,
  /^pool\/worker\w*\.ts$/,
  /^server\/(?:\w+\/)*sqlite_\w+\.ts$/, // stores on node:sqlite
  /^server\/workers\/thread_\w+\.ts$/, // what opens a thread, and what runs in it
  /^server\/main\.ts$/,
  /^server\/error_handler\.ts$/, // prints what nobody else would hear of
];

/** Names that exist on one runtime only, or that print or exit. */
const RUNTIME_NAMES: ReadonlySet<string> = new Set([
  "Deno",
  "Bun",
  "process",
  "Buffer",
  "require",
  "console",
]);

/** `Deno`, `Bun`, `process`, `node:*`, … outside the files whose job is a runtime. */
export function runtimes(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    if (RUNTIME_FILES.some((allowed) => allowed.test(path))) continue;
    for (const { specifier, line } of project.imports(path)) {
      if (/^(node|bun):/.test(specifier)) violations.push({ path, line, message: `imports ${specifier}` });
    }
    const file = project.ast(path);
    visit(file, (node) => {
      if (!ts.isIdentifier(node) || !RUNTIME_NAMES.has(node.text) || isOnlyAName(node)) return;
      violations.push({ path, line: lineOf(file, node), message: `uses ${node.text}` });
    });
  }
  return violations;
}

/** Whether an identifier merely labels something of ours: a property of another object, a key, a declaration. */
function isOnlyAName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return !/\bglobalThis\b/.test(parent.expression.getText());
  }
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isPropertyAssignment(parent)) return parent.name === node;
  return (ts.isPropertySignature(parent) || ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) || ts.isBindingElement(parent) || ts.isParameter(parent)) &&
    parent.name === node;
}

/** Rings of imports, type-only ones included. */
export function cycles(project: Project): Violation[] {
  const violations: Violation[] = [];
  const finished = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      const ring = [...trail.slice(at), path].join(" → ");
      violations.push({ path, line: 1, message: `import cycle: ${ring}` });
      return;
    }
    if (finished.has(path)) return;
    for (const { target } of project.imports(path)) {
      if (target !== undefined && isLibrary(target) && project.files.has(target)) {
        walk(target, [...trail, path]);
      }
    }
    finished.add(path);
  };
  for (const path of project.library) walk(path, []);
  return violations;
}
