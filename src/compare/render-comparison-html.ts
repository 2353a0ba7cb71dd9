/**
 * A comparison as one HTML page that needs nothing beside it.
 * @module
 */
import { basename } from 'node:path';
import { renderSvg } from '../report/charts/render-svg.js';
import {
  formatBytes,
  formatCount,
  formatExactPercent,
  formatPercent,
  formatPerplexityWithError,
  formatPlural,
  formatSeconds,
} from '../report/format.js';
import { type Html, html } from '../report/html.js';
import { renderPage } from '../report/render-page.js';
import type { Comparison, ComparisonRow } from './comparison.js';
import { comparisonChart } from './comparison-chart.js';

/** Draws `comparison` as a complete HTML document. The same comparison always gives the same text. */
export function renderComparisonHtml(comparison: Comparison): string {
  const { rows, dense, evaluation, secateur } = comparison;
  const model = basename(comparison.model);
  const goals = [...new Set(rows.map(({ goal }) => goal))];
  return renderPage(
    `${model}: methods compared – secateur`,
    html`<header>
<p class="overline">secateur comparison</p>
<h1>${model}</h1>
<p class="lead">${formatPlural(rows.length, 'run')}, perplexity on ${formatCount(evaluation.tokens)} tokens of ${basename(evaluation.data)} in windows of ${formatCount(evaluation.context)}${evaluation.bos_token_id !== undefined && ', each beginning with BOS'}. The dense model has ${formatPerplexityWithError(dense.perplexity, dense.standard_error)}.</p>
</header>
${goals.map((goal) =>
  goalSection(
    goal,
    rows.filter((row) => row.goal === goal),
    dense,
  ),
)}
<footer>Written by secateur ${secateur}. The same figures, for programs, are in compare.json beside this page; each run has its own report. Times and memory are those of a method by itself: where it took what another run had measured of the dense model, measuring is counted as well.</footer>`,
  );
}

function goalSection(goal: string, rows: readonly ComparisonRow[], dense: Comparison['dense']): Html {
  return html`<section>
<h2>${goal.includes(':') ? goal : formatExactPercent(Number(goal))}</h2>
<p class="muted">Perplexity, the smaller the better${rows.some((row) => row.standard_error !== null) && ', with one standard error'}. The dashed line is the dense model.</p>
${renderSvg(comparisonChart(goal, rows, dense))}
<div class="scroll"><table>
<thead><tr><th class="text">Method</th><th>Perplexity</th><th>Sparsity</th><th>Output error</th><th>Pruning</th><th>Peak memory</th></tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr><td class="text"><a href="${row.folder}/secateur/report.html">${row.method}</a></td><td>${formatPerplexityWithError(row.perplexity, row.standard_error)}</td><td>${formatPercent(row.sparsity, 2)}</td><td>${row.output_error === null ? '–' : row.output_error.toFixed(4)}</td><td>${formatSeconds(row.seconds)}</td><td>${formatBytes(row.peak_rss_bytes)}</td></tr>`,
  )}</tbody>
</table></div>
</section>`;
}
