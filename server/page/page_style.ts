/**
 * The page's style sheet, as text; see `page.ts`.
 *
 * @module
 */

/** CSS of the page: two panels side by side and one below, stacked on narrow screens, light or dark as the system says. */
export const PAGE_STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d4d9df, #38414c); --panel: light-dark(#fff, #171c22);
  --ground: light-dark(#f3f5f7, #0e1216); --text: light-dark(#1c2530, #dfe6ee); --soft: light-dark(#5b6876, #93a1b0);
  --accent: light-dark(#0a6b7c, #3cc0d4); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
header, main { max-width: 68rem; margin: 0 auto; padding: 1rem 1.25rem; }
header { padding-top: 2rem; }
h1 { margin: 0; font-size: 1.75rem; letter-spacing: -0.02em; }
h2 { margin: 0 0 0.25rem; font-size: 1.05rem; }
header p, .hint, .status { margin: 0.25rem 0; color: var(--soft); font-size: 0.9rem; }
a { color: var(--accent); }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); }
section { background: var(--panel); border: 1px solid var(--line); border-radius: 0.75rem; padding: 1rem 1.25rem;
  display: flex; flex-direction: column; min-height: 24rem; }
.output { flex: 1 1 12rem; height: 14rem; overflow-y: auto; margin: 0.5rem 0; padding: 0.75rem;
  border: 1px solid var(--line); border-radius: 0.5rem; white-space: pre-wrap; overflow-wrap: anywhere; }
ol.output { list-style: none; }
ol.output li + li { border-top: 1px solid var(--line); }
ol.output small { color: var(--soft); margin-right: 0.5rem; font-family: ui-monospace, monospace; }
form { display: flex; gap: 0.5rem; }
input { flex: 1; min-width: 0; }
.wide { grid-column: 1 / -1; min-height: 12rem; }
#jobs { list-style: none; margin: 0.5rem 0 0; padding: 0; }
#jobs li { border-top: 1px solid var(--line); padding: 0.5rem 0; display: grid; gap: 0.25rem 0.75rem;
  grid-template-columns: 1fr auto; align-items: center; }
#jobs progress { width: 100%; }
#jobs .said { grid-column: 1 / -1; max-height: 6rem; overflow-y: auto; white-space: pre-wrap; overflow-wrap: anywhere;
  color: var(--soft); font-size: 0.9rem; }
input, button, select { font: inherit; padding: 0.45rem 0.75rem; border: 1px solid var(--line); border-radius: 0.5rem;
  background: var(--ground); color: inherit; }
button[type=submit] { background: var(--accent); border-color: var(--accent); color: light-dark(#fff, #06232a); }
button:disabled { opacity: 0.5; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;
