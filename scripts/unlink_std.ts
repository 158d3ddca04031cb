/**
 * Writes `deno.jsr.json`: the package's configuration without the stand-ins for `@std`.
 *
 * With it (`deno task test:jsr`) the same tests run on the published packages, which shows that the stand-ins in
 * `tests/std/` promise nothing else. It is derived on every run, so that it cannot drift from `deno.json`.
 */

/** The configuration without its links, as JSON text. */
export function unlinked(config: string): string {
  const { links: _standIns, ...rest } = JSON.parse(config) as Record<string, unknown>;
  return `${JSON.stringify(rest, null, 2)}\n`;
}

if (import.meta.main) {
  Deno.writeTextFileSync("deno.jsr.json", unlinked(Deno.readTextFileSync("deno.json")));
}
