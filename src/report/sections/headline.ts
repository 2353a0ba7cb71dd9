/**
 * Top of the page: what was done and the figures that decide whether it was worth it.
 * @module
 */
import {
  formatBytes,
  formatCount,
  formatInstant,
  formatPercent,
  formatPerplexity,
  formatPerplexityWithError,
  formatPlural,
  formatRatio,
  formatScaled,
  formatSeconds,
} from '../format.js';
import { type Html, html } from '../html.js';
import type { EvaluationReport, Report } from '../report-schema.js';
import { distinct, keptZeros, modelName, prunedLayers, targetSparsity } from '../run-summary.js';

/** Title, headline figures and the row of smaller ones. */
export function headline(report: Report): Html {
  const { run, totals, layers } = report;
  const { earlier } = run;
  const evaluations = [
    report.evaluation && perplexityFigure('Perplexity on held-out text', report.evaluation),
    report.calibration_evaluation &&
      perplexityFigure('Perplexity on the calibration text', report.calibration_evaluation),
  ].filter((figure) => figure !== null);
  const sparsity = sparsityFigure(report);
  return html`<header>
    <p class="overline">secateur report</p>
    <h1>${modelName(report)}</h1>
    <p class="lead">${sentence(report)}</p>
    <p class="muted">${formatInstant(run.started)}</p>
  </header>
  <div class="${evaluations.length === 0 ? 'headline single' : 'headline'}">
    ${evaluations[0]}${sparsity}${evaluations.slice(1)}
    ${
      evaluations.length > 1 &&
      figure(
        'Linears pruned',
        html`${formatCount(prunedLayers(layers).length)} <span class="was">of ${formatCount(layers.length)}</span>`,
        `${formatCount(totals.zeros)} zeros in ${formatCount(totals.prunable)} prunable weights`,
      )
    }
  </div>
  <dl class="figures">
    ${tile(
      'Pruning',
      formatSeconds(run.prune_seconds),
      `${formatSeconds(run.seconds)} ${evaluations.length > 0 ? 'with evaluation' : 'in all'}${before(earlier && formatSeconds(earlier.seconds))}`,
    )}
    ${tile(
      'Peak memory',
      formatBytes(run.peak_rss_bytes),
      `resident, ${formatPlural(run.machine.workers, 'worker')}${before(earlier && formatBytes(earlier.peak_rss_bytes))}`,
    )}
    ${tile('Checkpoint', formatBytes(totals.bytes), `${formatScaled(totals.parameters)} parameters, stored dense`)}
    ${tile(
      'Effective MACs a token',
      formatScaled(totals.macs_per_token.effective),
      totals.macs_per_token.dense > 0 &&
        `${formatPercent(totals.macs_per_token.effective / totals.macs_per_token.dense, 1)} of ${formatScaled(totals.macs_per_token.dense)} dense`,
    )}
  </dl>`;
}

/** What a figure was in the processes that this one went on from. */
function before(figure: string | undefined): string {
  return figure === undefined ? '' : `; before it was resumed ${figure}`;
}

function sentence(report: Report): Html {
  const pruned = prunedLayers(report.layers);
  if (pruned.length === 0) return html`No layer was pruned.`;
  const pattern = distinct(report.layers, 'pattern');
  return html`Pruned with ${distinct(report.layers, 'method')}, ${pattern}, to
    <span class="nowrap">${formatPercent(report.totals.sparsity)}</span> zeros in the prunable linears.`;
}

function perplexityFigure(name: string, evaluation: EvaluationReport): Html {
  const { dense, pruned } = evaluation;
  const value = html`${dense && html`<span class="was">${formatPerplexity(dense.perplexity)}</span>`}${
    dense && pruned && html`<span class="arrow">→</span>`
  }${pruned && formatPerplexity(pruned.perplexity)}${!dense && !pruned && '–'}`;
  const sides = [
    dense && `dense ${formatPerplexityWithError(dense.perplexity, dense.standard_error)}`,
    pruned && `pruned ${formatPerplexityWithError(pruned.perplexity, pruned.standard_error)}`,
    dense && pruned && formatRatio(pruned.perplexity / dense.perplexity),
  ].filter((side) => side !== null);
  return figure(name, value, sides.join(', ') || 'not measured');
}

function sparsityFigure(report: Report): Html {
  const target = targetSparsity(report.layers);
  const prunedCount = prunedLayers(report.layers).length;
  const kept = keptZeros(report.layers);
  return figure(
    'Sparsity reached',
    html`${formatPercent(report.totals.sparsity)}`,
    prunedCount === report.layers.length
      ? `asked for ${formatPercent(target)} in ${formatPlural(report.layers.length, 'linear')}`
      : `asked for ${formatPercent(target)}; ${formatCount(report.layers.length - prunedCount)} of ${formatPlural(report.layers.length, 'linear')} kept dense${kept > 0 ? `, with ${formatCount(kept)} zeros that they had` : ''}`,
  );
}

function figure(name: string, value: Html, detail: string): Html {
  return html`<div class="figure"><div class="name">${name}</div><div class="value">${value}</div><div class="detail">${detail}</div></div>`;
}

function tile(name: string, value: string, detail: string | false): Html {
  return html`<div><dt>${name}</dt><dd><div class="value">${value}</div><div class="detail">${detail}</div></dd></div>`;
}
