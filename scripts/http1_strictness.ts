/**
 * Writes docs/http1-strictness.md from the engine's own tables of what it refuses and lets through.
 *
 * Run: `deno run --allow-write=docs scripts/http1_strictness.ts`. A test fails while the document is not what this makes.
 *
 * @module
 */
import { LENIENCIES } from "../server/http1/leniencies.ts";
import { REFUSALS } from "../server/http1/refusals.ts";

/** Where the document is, from the repository's root. */
export const DOCUMENT_PATH = "docs/http1-strictness.md";

/** Characters of an example that are shown. */
const EXAMPLE_CHARS_MAX = 70;

/** Lines that most examples begin with, and what is shown instead. */
const PREFIXES: readonly (readonly [string, string])[] = [
  ["POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "… "],
  ["POST / HTTP/1.1\r\nHost: a\r\n", "… "],
  ["GET / HTTP/1.1\r\nHost: a\r\n", "… "],
];

/** An example as code in a table's cell. */
function shown(example: string): string {
  const [prefix, short] = PREFIXES.find(([start]) => example.startsWith(start)) ?? ["", ""];
  const text = JSON.stringify(example.slice(prefix.length)).slice(1, -1).replaceAll('\\"', '"')
    .replace(/[\x7f-\xff]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`)
    .replace(/\{(\d+)\}/g, "(a × $1)");
  const cut = text.length > EXAMPLE_CHARS_MAX ? text.slice(0, EXAMPLE_CHARS_MAX) + "…" : text;
  const fence = cut.includes("`") ? "``" : "`";
  return fence + (short + cut).replace(/^ | $/g, "␠") + fence;
}

/** A table with its columns lined up, as the formatter wants it. */
function table(texts: readonly (readonly string[])[]): string {
  const rows = texts.map((cells) => cells.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => [...row[column]!].length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell + " ".repeat(widths[column]! - [...cell].length)).join(" | ")} |`;
  const [head, ...body] = rows;
  return [line(head!), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}

/** The whole document. */
export function strictnessDocument(): string {
  const refused = REFUSALS.map((row) => [
    `\`${row.id}\``,
    row.rule,
    row.role === "response" ? "(502)" : String(row.status),
    row.section,
    row.examples.slice(0, 2).map(shown).join(" "),
  ]);
  const accepted = LENIENCIES.map((
    row,
  ) => [row.accepted, row.reason, row.section, row.examples.map(shown).join(" ")]);
  return `# What Sluice's HTTP/1.1 engine refuses, and why

Made from \`server/http1/refusals.ts\` and \`server/http1/leniencies.ts\` by \`scripts/http1_strictness.ts\`; each example is a
test.

A server answers the status and closes, and nothing that came after is parsed. The rules hold for requests and
responses alike where both have the thing ruled; a gateway answers 502 for a response that breaks one. The code of the
error is \`SLUICE_HTTP_\` and the rule's name in capitals.

## Refused

${table([["Rule", "Refused is", "Status", "Source", "As in"], ...refused])}

## Let through on purpose

${table([["Accepted is", "Because", "Source", "As in"], ...accepted])}
`;
}

if (import.meta.main) {
  Deno.writeTextFileSync(new URL(`../${DOCUMENT_PATH}`, import.meta.url), strictnessDocument());
}
