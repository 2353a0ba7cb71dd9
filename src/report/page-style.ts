/**
 * The style of the report page: light, dark, narrow and paper.
 * @module
 */
import { RAMP_STEPS } from './charts/sparsity-map.js';

const ramp = Array.from({ length: RAMP_STEPS }, (_, i) => {
  const share = i / (RAMP_STEPS - 1);
  const [from, to, percent] =
    share < 0.5 ? ['low', 'mid', share * 200] : ['mid', 'high', (share - 0.5) * 200];
  return `--ramp-${i}: color-mix(in oklab, var(--ramp-${to}) ${percent.toFixed(1)}%, var(--ramp-${from}));`;
}).join(' ');

/** Content of the page's only `<style>`. */
export const pageStyle = `
:root {
  color-scheme: light;
  --paper: #fcfbf8; --panel: #f5f4ef; --ink: #1c211e; --muted: #66706a; --line: #e2e1da;
  --accent: #2f7d58; --accent-ink: #1f6344; --before: #b7bcb5; --dense: #e9e8e1;
  --note: #a05a12; --note-panel: #fbf3e4;
  --ramp-low: #cfe6d3; --ramp-mid: #57a27b; --ramp-high: #12482d;
  --line-0: #2f7d58; --line-1: #3566b0; --line-2: #c2692f; --line-3: #8656ad;
  --line-4: #b83f5b; --line-5: #3a8b9b; --line-6: #8a7a1f; --line-7: #62686a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --paper: #121513; --panel: #1a1e1b; --ink: #e7ebe8; --muted: #96a19a; --line: #2a302c;
    --accent: #5cb98a; --accent-ink: #7fd3a8; --before: #59625c; --dense: #232825;
    --note: #e3b067; --note-panel: #241e14;
    --ramp-low: #1f3f2f; --ramp-mid: #3f9168; --ramp-high: #c3f2d8;
    --line-0: #63c294; --line-1: #7aa5ec; --line-2: #e79a63; --line-3: #bb93e0;
    --line-4: #ee8199; --line-5: #6cc3d3; --line-6: #cdbb55; --line-7: #a5adaf;
  }
}
:root { ${ramp} }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, Inter, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
main { max-width: 984px; margin: 0 auto; padding: 56px 32px 72px; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.02em; font-weight: 650; margin: 4px 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 20px; letter-spacing: -0.01em; font-weight: 620; margin: 0 0 4px; }
section { margin-top: 56px; }
p { margin: 0; }
.overline { color: var(--accent-ink); font-weight: 600; font-size: 14px; }
.lead { font-size: 18px; color: var(--ink); }
.about { color: var(--muted); max-width: 68ch; margin-bottom: 18px; }
.muted { color: var(--muted); }
.nowrap { white-space: nowrap; }
svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
.narrow svg { max-width: 460px; }

.headline { display: grid; grid-template-columns: 1.5fr 1fr; gap: 16px 40px; margin-top: 36px; padding: 28px 0 24px; border-top: 1px solid var(--line); }
.headline.single { grid-template-columns: 1fr; }
.figure .name { color: var(--muted); font-size: 14px; }
.figure .value { font-size: 44px; line-height: 1.15; letter-spacing: -0.025em; font-weight: 600; white-space: nowrap; }
.figure .value .arrow { color: var(--muted); font-weight: 300; padding: 0 0.12em; }
.figure .value .was { color: var(--muted); font-weight: 450; }
.figure .detail { color: var(--muted); font-size: 14px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 22px 28px; margin: 0; padding: 22px 0; border: solid var(--line); border-width: 1px 0; }
.figures dt { color: var(--muted); font-size: 14px; }
.figures dd { margin: 0; }
.figures .value { font-size: 21px; font-weight: 600; letter-spacing: -0.01em; }
.figures .detail { color: var(--muted); font-size: 13.5px; line-height: 1.4; }

.notes { margin-top: 32px; padding: 16px 22px; background: var(--note-panel); border-radius: 8px; }
.notes h2 { font-size: 15px; color: var(--note); }
.notes ul { margin: 4px 0 0; padding-left: 1.1em; }
.notes li { overflow-wrap: anywhere; }

.panels { display: grid; grid-template-columns: 1fr 1fr; gap: 30px 44px; }
.panels h3 { font-size: 14px; font-weight: 600; margin: 0 0 6px; }

.key { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 20px; margin-top: 10px; color: var(--muted); font-size: 13.5px; }
.key .scale { display: flex; align-items: center; gap: 8px; }
.key .steps { display: flex; border-radius: 2px; overflow: hidden; }
.key .steps i { width: 9px; height: 12px; }
.key .swatch { display: inline-block; width: 12px; height: 12px; border-radius: 2px; background: var(--dense); vertical-align: -1px; margin-right: 7px; }

h2 + details { margin-top: 14px; }
details { border-top: 1px solid var(--line); }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: 14px 0; font-weight: 600; list-style: none; display: flex; align-items: baseline; gap: 12px; }
summary::-webkit-details-marker { display: none; }
summary::before { content: ""; flex: none; width: 7px; height: 7px; border: solid var(--muted); border-width: 0 1.5px 1.5px 0; transform: translateY(-2px) rotate(-45deg); }
details[open] > summary::before { transform: translateY(-3px) rotate(45deg); }
summary .muted { font-weight: 400; font-size: 14px; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.scroll { overflow-x: auto; margin: 0 0 24px; }

table { border-collapse: collapse; font-size: 13px; line-height: 1.35; width: 100%; }
th, td { text-align: right; padding: 4px 0 4px 14px; white-space: nowrap; vertical-align: top; }
th { color: var(--muted); font-weight: 500; border-bottom: 1px solid var(--line); padding-bottom: 7px; }
th.text, td.text { text-align: left; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0; background: var(--paper); }
tbody + tbody tr:first-child > * { border-top: 1px solid var(--line); padding-top: 8px; }
tbody tr:last-child > * { padding-bottom: 8px; }
tr.note td { color: var(--note); white-space: normal; text-align: left; padding-top: 0; padding-left: 0; }
td.dense { color: var(--muted); }

pre { margin: 0 0 24px; padding: 16px 20px; background: var(--panel); border-radius: 8px; overflow-x: auto; font: 13px/1.55 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 0 0 24px; font-size: 14px; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--muted); font-size: 13.5px; }

@media screen and (max-width: 680px) {
  main { padding: 28px 18px 48px; }
  h1 { font-size: 27px; }
  .lead { font-size: 16.5px; }
  section { margin-top: 44px; }
  .wide { display: none; }
  .narrow { display: block; }
  .headline { grid-template-columns: 1fr; gap: 22px; margin-top: 24px; padding: 22px 0; }
  .figure .value { font-size: clamp(30px, 9.4vw, 40px); }
  .figures { grid-template-columns: 1fr 1fr; gap: 18px; }
  .panels { grid-template-columns: 1fr; gap: 24px; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: 8px; }
  summary { flex-wrap: wrap; gap: 0 12px; }
}
@media print {
  @page { margin: 16mm 14mm; }
  body { background: none; font-size: 10.5pt; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  main { padding: 0; max-width: none; }
  section { margin-top: 28px; }
  .headline { margin-top: 18px; padding: 16px 0 14px; }
  .figure .value { font-size: 30px; }
  .figures { padding: 14px 0; grid-template-columns: repeat(4, 1fr); }
  .figures .value { font-size: 16px; }
  .chart, .panels, .notes, .figures { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
  summary::before { display: none; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  table { font-size: 7pt; }
  th, td { padding-left: 8px; }
  th:first-child, td:first-child { position: static; background: none; }
  tr { break-inside: avoid; }
}
`;
