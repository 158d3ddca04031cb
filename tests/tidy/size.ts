/** How long a file and a function may be, what a file is called, and that it has its test. */

import { isLibrary, lineOf, type Project, ts, type Violation, visit } from "./project.ts";

/** Lines of a file, docs included: what one reads in a sitting. */
export const FILE_LINES_MAX = 500;

/** Lines of a function: what fits on a screen, and TigerBeetle's limit. */
export const FUNCTION_LINES_MAX = 70;

/** Files that are data rather than code: vectors of a protocol, and pages embedded as one string. */
const DATA = /^(tests\/vectors\/|server\/page\/)/;

/** Files that are too long. */
export function fileLengths(project: Project): Violation[] {
  return project.sources.filter((path) => !DATA.test(path)).flatMap((path) => {
    const lines = project.text(path).trimEnd().split("\n").length;
    if (lines <= FILE_LINES_MAX) return [];
    return [{ path, line: lines, message: `${lines} lines, more than ${FILE_LINES_MAX}` }];
  });
}

/**
 * Functions that are too long.
 *
 * In a test file the functions inside a function do not count towards its length: there the outer one is only a
 * list of tests.
 */
export function functionLengths(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.sources.filter((path) => !DATA.test(path))) {
    const file = project.ast(path);
    visit(file, (node) => {
      if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return;
      const lines = isLibrary(path) ? linesOf(file, node) : linesOf(file, node) - innerLines(file, node);
      if (lines > FUNCTION_LINES_MAX) {
        violations.push({ path, line: lineOf(file, node), message: `${nameOf(node)} has ${lines} lines` });
      }
    });
  }
  return violations;
}

function linesOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - lineOf(file, node);
}

/** Lines of the outermost functions within a function. */
function innerLines(file: ts.SourceFile, outer: ts.Node): number {
  let lines = 0;
  const count = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body) lines += linesOf(file, node);
    else ts.forEachChild(node, count);
  };
  ts.forEachChild(outer, count);
  return lines;
}

function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText();
  const { parent } = node;
  return ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)
    ? parent.name.getText()
    : "a function";
}

/** Names that say nothing of what is inside. */
const EMPTY_NAMES = /^(utils?|helpers?|misc|common|shared|types)\.ts$/;

/** Files that are not named in snake_case after what they hold. */
export function fileNames(project: Project): Violation[] {
  return project.sources.flatMap((path) => {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (!/^[a-z][a-z0-9]*(_[a-z0-9]+)*\.ts$/.test(name)) {
      return [{ path, line: 1, message: "not in snake_case" }];
    }
    if (EMPTY_NAMES.test(name)) {
      return [{ path, line: 1, message: "a name that does not say what is inside" }];
    }
    return [];
  });
}

/** Library files with code to run, but without a test of the same name at the same place below `tests/`. */
export function mirroredTests(project: Project): Violation[] {
  return project.library.flatMap((path) => {
    if (path.endsWith("mod.ts") && /(^|\/)mod\.ts$/.test(path)) return [];
    const test = `tests/${path.replace(/\.ts$/, "_test.ts")}`;
    if (project.files.has(test) || !runs(project.ast(path))) return [];
    return [{ path, line: 1, message: `no ${test}` }];
  });
}

/** Whether anything of a file is left when its types are erased. */
function runs(file: ts.SourceFile): boolean {
  return file.statements.some((statement) =>
    !ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement) &&
    !ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)
  );
}
