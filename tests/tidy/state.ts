/** State and errors: nothing mutable at module level, no anonymous errors, none swallowed. */

import { isExported, lineOf, type Project, ts, type Violation, visit } from "./project.ts";

/** Methods that change the object they are called on. */
const MUTATORS: ReadonlySet<string> = new Set([
  ...[
    "set",
    "add",
    "delete",
    "clear",
    "push",
    "pop",
    "shift",
    "unshift",
    "splice",
    "sort",
    "reverse",
    "fill",
  ],
  ...["copyWithin", "append", "encodeInto"],
]);

/**
 * Module-level `let` and `var`, static fields that are not readonly, and module-level constants that a function
 * changes. A `WeakMap` or `WeakSet` is let through: it belongs to its keys, not to the module. Tables filled while
 * the module loads are constants.
 */
export function moduleState(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const file = project.ast(path);
    const report = (node: ts.Node, message: string) =>
      violations.push({ path, line: lineOf(file, node), message });
    const names = new Set<string>();
    for (const statement of file.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const { name, initializer } of statement.declarationList.declarations) {
        if (!(statement.declarationList.flags & ts.NodeFlags.Const)) {
          report(statement, `${name.getText()} can be assigned at module level`);
        } else if (ts.isIdentifier(name) && !isWeak(initializer)) names.add(name.text);
      }
    }
    visit(file, (node) => {
      if (ts.isPropertyDeclaration(node) && isStatic(node) && !isReadonly(node)) {
        report(node, `static ${node.name.getText()} can be assigned`);
      }
      const changed = changedName(node);
      if (changed && names.has(changed) && isInFunction(node) && !isShadowed(node, changed)) {
        report(node, `${changed} is changed after the module has loaded`);
      }
    });
  }
  return violations;
}

function isWeak(initializer: ts.Expression | undefined): boolean {
  return initializer !== undefined && ts.isNewExpression(initializer) &&
    /^Weak(Map|Set)$/.test(initializer.expression.getText());
}

function hasModifier(node: ts.PropertyDeclaration, kind: ts.SyntaxKind): boolean {
  return (node.modifiers ?? []).some((modifier) => modifier.kind === kind);
}

function isStatic(node: ts.PropertyDeclaration): boolean {
  return hasModifier(node, ts.SyntaxKind.StaticKeyword);
}

function isReadonly(node: ts.PropertyDeclaration): boolean {
  return hasModifier(node, ts.SyntaxKind.ReadonlyKeyword);
}

/** The variable whose object a node changes: `x.y = 1`, `x[0]++`, `delete x.y`, `x.push(1)`. */
function changedName(node: ts.Node): string | undefined {
  if (ts.isBinaryExpression(node) && assigns(node.operatorToken.kind)) {
    return ownerOf(node.left);
  }
  if (ts.isPostfixUnaryExpression(node)) return ownerOf(node.operand);
  if (ts.isPrefixUnaryExpression(node) && /^(\+\+|--)/.test(node.getText())) return ownerOf(node.operand);
  if (ts.isDeleteExpression(node)) return ownerOf(node.expression);
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return undefined;
  if (!MUTATORS.has(node.expression.name.text)) return undefined;
  if (node.expression.name.text === "encodeInto") return node.arguments[1]?.getText();
  return ownerOf(node.expression);
}

function assigns(operator: ts.SyntaxKind): boolean {
  return operator >= ts.SyntaxKind.FirstAssignment && operator <= ts.SyntaxKind.LastAssignment;
}

/** The variable at the root of `x.y` and `x[0].z`. */
function ownerOf(target: ts.Node): string | undefined {
  let at = target;
  while (
    ts.isPropertyAccessExpression(at) || ts.isElementAccessExpression(at) || ts.isNonNullExpression(at)
  ) {
    at = at.expression;
  }
  return at !== target && ts.isIdentifier(at) ? at.text : undefined;
}

function isInFunction(node: ts.Node): boolean {
  for (let at: ts.Node | undefined = node.parent; at; at = at.parent) if (ts.isFunctionLike(at)) return true;
  return false;
}

/** Whether a function around a node has a parameter or variable of the same name. */
function isShadowed(node: ts.Node, name: string): boolean {
  for (let at: ts.Node | undefined = node.parent; at && !ts.isSourceFile(at); at = at.parent) {
    let found = false;
    const look = (inner: ts.Node): void => {
      if ((ts.isParameter(inner) || ts.isVariableDeclaration(inner)) && inner.name.getText() === name) {
        found = true;
      } else if (!ts.isFunctionLike(inner) || inner === at) ts.forEachChild(inner, look);
    };
    if (ts.isFunctionLike(at)) look(at);
    if (found) return true;
  }
  return false;
}

/** `new Error(…)` in the library: an error there has a name, a code and data. */
export function anonymousErrors(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const file = project.ast(path);
    visit(file, (node) => {
      if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return;
      if (node.expression.getText() !== "Error") return;
      violations.push({ path, line: lineOf(file, node), message: "an anonymous Error" });
    });
  }
  return violations;
}

/** Exported error classes that are not named `…Error` or do not set a stable `SLUICE_…` code. */
export function errorCodes(project: Project): Violation[] {
  const violations: Violation[] = [];
  for (const path of project.library) {
    const file = project.ast(path);
    for (const statement of file.statements) {
      if (!ts.isClassDeclaration(statement) || !isExported(statement)) continue;
      const parent = statement.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)
        ?.types[0]?.expression.getText();
      if (!parent || !/Error$/.test(parent)) continue;
      const name = statement.name?.text ?? "a class";
      const line = lineOf(file, statement);
      if (!name.endsWith("Error")) violations.push({ path, line, message: `${name} is not named …Error` });
      if (parent === "Error" && !/\bcode\b/.test(statement.getText())) {
        violations.push({ path, line, message: `${name} has no code` });
      }
    }
  }
  return violations;
}
