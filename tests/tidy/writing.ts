/** What has to be written down: docs on exports, reasons beside constants, names that exist. */

import { isExported, lineOf, type Project, ts, type Violation, visit } from "./project.ts";

/** Library files that do not open with a comment on their job. */
export function fileHeaders(project: Project): Violation[] {
  return project.library.filter((path) => !/^\/[*/]/.test(project.text(path)))
    .map((path) => ({ path, line: 1, message: "does not open with a comment on its job" }));
}

/** Exported declarations of the library without a docstring. */
export function docstrings(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const file = project.ast(path);
    const documented = new Set<string>();
    for (const statement of file.statements) {
      if (!isExported(statement) || ts.isExportDeclaration(statement)) continue;
      const name = declaredNames(statement)[0] ?? "the export";
      if (hasDocs(file, statement)) documented.add(name); // the first overload's docs are enough
      else if (!documented.has(name)) {
        violations.push({ path, line: lineOf(file, statement), message: `${name} has no docstring` });
      }
    }
  }
  return violations;
}

function hasDocs(file: ts.SourceFile, statement: ts.Statement): boolean {
  const comments = ts.getLeadingCommentRanges(file.text, statement.getFullStart()) ?? [];
  const last = comments.at(-1);
  return last !== undefined && file.text.startsWith("/**", last.pos);
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText());
  }
  const { name } = statement as unknown as { name?: ts.Node };
  return name ? [name.getText()] : [];
}

/** Numbers in UPPER_CASE of the library without a comment before or beside them; a block shares its first. */
export function constants(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const file = project.ast(path);
    let explained = false;
    for (const statement of file.statements) {
      if (!isConstant(statement)) {
        explained = false;
        continue;
      }
      const before = file.text.slice(statement.getFullStart(), statement.getStart(file));
      const ownComment = /\/[/*]/.test(before) || besides(file, statement);
      explained = ownComment || (explained && !/\n\s*\n/.test(before));
      if (!explained) {
        const [name] = declaredNames(statement);
        violations.push({
          path,
          line: lineOf(file, statement),
          message: `${name} has no comment saying why`,
        });
      }
    }
  }
  return violations;
}

function isConstant(statement: ts.Statement): boolean {
  return ts.isVariableStatement(statement) &&
    statement.declarationList.declarations.some(({ name, initializer }) =>
      /^[A-Z][A-Z0-9_]*$/.test(name.getText()) && initializer !== undefined && isNumber(initializer)
    );
}

/** Whether an expression is a number or a sum of some: `64 * 1024`, `-1`, `2n ** 63n`. */
function isNumber(expression: ts.Expression): boolean {
  if (ts.isParenthesizedExpression(expression)) return isNumber(expression.expression);
  if (ts.isPrefixUnaryExpression(expression)) return isNumber(expression.operand);
  if (ts.isBinaryExpression(expression)) return isNumber(expression.left) || isNumber(expression.right);
  return ts.isNumericLiteral(expression) || ts.isBigIntLiteral(expression);
}

/** Whether a comment follows on the line a statement ends on. */
function besides(file: ts.SourceFile, statement: ts.Statement): boolean {
  const end = statement.getEnd();
  return /\/[/*]/.test(file.text.slice(end, file.text.indexOf("\n", end)));
}

/** Words that defer work instead of doing it or saying what is missing. */
const DEFERRALS = /\b(TODO|FIXME|XXX|HACK)\b/;

/** Text that is true on one machine only: absolute paths of a working place, and the hosts packages come from. */
const LOCAL = /(^|[\s"'`(=:])\/(work|root|home\/\w+|Users\/\w+)\/|\bregistry\.\w+\.(org|com)\b|\bjsr\.io\b/;

/** Deferred work, and text that is true on one machine only. */
export function texts(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const [path, text] of project.files) {
    if (path.startsWith("tests/tidy")) continue; // names what it looks for
    text.split("\n").forEach((line, index) => {
      const found = DEFERRALS.exec(line) ?? LOCAL.exec(line);
      if (found) violations.push({ path, line: index + 1, message: `says "${found[0].trim()}"` });
    });
  }
  return violations;
}

/** Modules a user can import: what the README names has to come from one of them. */
const ENTRY_POINTS: readonly string[] = [
  "mod.ts",
  "io/mod.ts",
  "server/mod.ts",
  "server/sqlite/mod.ts",
  "io/testing/mod.ts",
  "pool/mod.ts",
];

/** Names in the documents that are another project's, and not global here. */
const FOREIGN_NAMES: ReadonlySet<string> = new Set([
  ...["AsyncGenerator", "AsyncIterable", "BodyInit", "Iterable", "RequestInit", "ResponseInit"], // types only
  ...["Bun", "Dynamo", "Hono", "Mercure", "Node", "OpenAI", "Sluice", "TypeScript"], // other projects, and ours
  ...["createServer", "deadline", "delay", "describe", "it", "serveDir", "serveFile", "route", "setTimeout"],
  ...["SO_REUSEPORT", "EventSource"],
]);

/**
 * Names in backticks, `name()` or `PascalCase`, that nothing exports and no runtime knows.
 *
 * The README speaks to users, so its names come from an entry point; ARCHITECTURE.md may name what any file exports.
 */
export function documentedNames(project: Project): Violation[] {
  const internal = project.library.map((path) => declaredIn(project, path));
  const members = new Set(internal.flatMap((names) => names.members));
  return [
    ...unknownNames(project, "README.md", publicNames(project), members),
    ...unknownNames(
      project,
      "ARCHITECTURE.md",
      new Set(internal.flatMap((names) => names.exported)),
      members,
    ),
  ];
}

function unknownNames(
  project: Project,
  path: string,
  exported: Set<string>,
  members: Set<string>,
): Violation[] {
  if (!project.files.has(path)) return [];
  const isKnown = (name: string) =>
    exported.has(name) || members.has(name) || FOREIGN_NAMES.has(name) || name in globalThis;
  const violations: Violation[] = [];
  let fenced = false;
  project.text(path).split("\n").forEach((text, index) => {
    if (text.trimStart().startsWith("```")) fenced = !fenced;
    if (fenced) return;
    for (const [span, code] of text.matchAll(/`([^`]+)`/g)) {
      for (const name of namesIn(code ?? "").filter((name) => !isKnown(name))) {
        violations.push({ path, line: index + 1, message: `${span}: ${name} is not exported` });
      }
    }
  });
  return violations;
}

/** What a code span claims to exist: `name(…)`, `object.name(…)`, `PascalCase`, `PascalCase.member`. */
function namesIn(code: string): string[] {
  const call = /^(?:[\w$]+\.)*([a-z][\w$]*)\(/.exec(code);
  if (call?.[1]) return /^(globalThis|Deno|Bun|node)\b/.test(code) ? [] : [call[1]];
  const type = /^([A-Z][a-z]+[A-Za-z0-9]*)(?:\.\w+)*(?:<.*>)?$/.exec(code);
  return type?.[1] ? [type[1]] : [];
}

/** What one file declares and exports, and the members of the classes and interfaces among it. */
function declaredIn(project: Project, path: string): { exported: string[]; members: string[] } {
  const exported: string[] = [];
  const members: string[] = [];
  for (const statement of project.ast(path).statements) {
    if (!isExported(statement)) continue;
    exported.push(...declaredNames(statement));
    visit(statement, (node) => {
      if (!ts.isClassElement(node) && !ts.isTypeElement(node)) return;
      if (node.name && ts.isIdentifier(node.name)) members.push(node.name.text);
    });
  }
  return { exported, members };
}

/** The names that the entry points export, by `export *` or by name. */
function publicNames(project: Project): Set<string> {
  const names = new Set<string>();
  const waiting = ENTRY_POINTS.filter((path) => project.files.has(path));
  const seen = new Set(waiting);
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    for (const name of declaredIn(project, path).exported) names.add(name);
    for (const statement of project.ast(path).statements) {
      if (!ts.isExportDeclaration(statement)) continue;
      if (statement.exportClause && ts.isNamedExports(statement.exportClause)) {
        for (const { name } of statement.exportClause.elements) names.add(name.text);
      }
      const target = statement.exportClause ? undefined : project.target(path, statement);
      if (target !== undefined && project.files.has(target) && !seen.has(target)) {
        seen.add(target);
        waiting.push(target);
      }
    }
  }
  return names;
}
