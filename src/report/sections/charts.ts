/**
 * The page's sections that hold a drawing each.
 * @module
 */
import { type BeforeAfter, beforeAfterBars, type Figure } from '../charts/before-after-bars.js';
import { outputErrorLines } from '../charts/output-error-lines.js';
import { type Chart, renderSvg } from '../charts/render-svg.js';
import { RAMP_STEPS, sparsityMap, sparsityRange } from '../charts/sparsity-map.js';
import { timeBars } from '../charts/time-bars.js';
import {
  formatCount,
  formatPercent,
  formatPerplexityWithError,
  formatScaled,
  formatSeconds,
  formatSmall,
} from '../format.js';
import { type Html, html } from '../html.js';
import type { LayerGrid } from '../layer-grid.js';
import type { EvaluationReport, Report } from '../report-schema.js';
import { keptZeros, prunedLayers } from '../run-summary.js';

/** Perplexities, MACs and weights of the dense beside the pruned model. */
export function beforeAfterSection(report: Report): Html {
  const { totals } = report;
  const measured = [report.evaluation, report.calibration_evaluation].filter((each) => each !== null);
  const errors = measured.flatMap(({ dense, pruned }) =>
    [dense, pruned].flatMap((side) => side?.standard_error ?? []),
  );
  const panels: BeforeAfter[] = [
    ...perplexityPanels('Perplexity, held-out text', report.evaluation),
    ...perplexityPanels('Perplexity, calibration text', report.calibration_evaluation),
    {
      title: 'Multiply–accumulates a token',
      before: figureOf(totals.macs_per_token.dense, formatScaled),
      after: figureOf(totals.macs_per_token.effective, formatScaled),
    },
    {
      title: 'Non-zero weights in the prunable linears',
      before: figureOf(totals.prunable - keptZeros(report.layers), formatScaled),
      after: figureOf(totals.prunable - totals.zeros, formatScaled),
    },
  ];
  return html`<section>
    <h2>Before and after</h2>
    <p class="about">${
      measured.length === 0
        ? 'Perplexity was not measured: the run file has no evaluation.'
        : html`Lower is better for all of them.${errors.length > 0 && ' Whiskers are one standard error, from the spread between windows.'}`
    } MACs count only what a kernel that skips zeros would do; the file itself stays dense.</p>
    <div class="panels">${panels.map(
      (panel) => html`<div class="panel"><h3>${panel.title}</h3>${renderSvg(beforeAfterBars(panel))}</div>`,
    )}</div>
    ${[evaluationLine('Held-out', report.evaluation), evaluationLine('Calibration', report.calibration_evaluation)]}
  </section>`;
}

function perplexityPanels(title: string, evaluation: EvaluationReport | null): BeforeAfter[] {
  if (!evaluation || (!evaluation.dense && !evaluation.pruned)) return [];
  const side = (result: EvaluationReport['dense']): Figure | null =>
    result && {
      value: result.perplexity,
      standardError: result.standard_error,
      text: formatPerplexityWithError(result.perplexity, result.standard_error),
    };
  return [{ title, before: side(evaluation.dense), after: side(evaluation.pruned) }];
}

function figureOf(value: number, format: (value: number) => string): Figure {
  return { value, text: format(value) };
}

function evaluationLine(name: string, evaluation: EvaluationReport | null): Html | null {
  return (
    evaluation &&
    html`<p class="key">${name} text: ${evaluation.data}, ${formatCount(evaluation.windows)} windows of ${formatCount(evaluation.context)} tokens${evaluation.bos_token_id !== undefined && ', each beginning with BOS'}, ${formatCount(evaluation.tokens)} predicted.</p>`
  );
}

/** Heat map of sparsity with its colour key. */
export function sparsitySection(report: Report, grid: LayerGrid): Html | null {
  if (grid.cells.length === 0) return null;
  const pruned = prunedLayers(report.layers);
  const [low, high] = sparsityRange(grid.cells);
  const reached = pruned.map((layer) => layer.sparsity);
  const lowest = reached.reduce((least, value) => Math.min(least, value), 1);
  const highest = reached.reduce((most, value) => Math.max(most, value), 0);
  const words =
    reached.length === 0
      ? 'Every linear was kept dense.'
      : highest - lowest < 5e-5
        ? `Every pruned linear has ${formatPercent(highest)} zeros.`
        : `Pruned linears have between ${formatPercent(lowest)} and ${formatPercent(highest)} zeros.`;
  return html`<section>
    <h2>Sparsity by layer</h2>
    <p class="about">${words}${reached.length > 0 && ' Counted in the written file; point at a cell for its value.'}</p>
    ${twoLayouts((layout) => sparsityMap(grid, layout))}
    <div class="key">
      ${
        reached.length > 0 &&
        html`<span class="scale">${formatPercent(low)}<span class="steps" aria-hidden="true">${Array.from(
          { length: RAMP_STEPS },
          (_, i) => html`<i style="background:var(--ramp-${i})"></i>`,
        )}</span>${formatPercent(high)} zeros</span>`
      }
      ${grid.cells.some((cell) => cell.pruned === 0) && html`<span><i class="swatch"></i>kept dense</span>`}
    </div>
  </section>`;
}

/** Lines of output error, or a sentence where there is nothing to draw. */
export function outputErrorSection(report: Report, grid: LayerGrid): Html | null {
  if (grid.cells.length === 0) return null;
  const chart = outputErrorLines(grid, 'wide');
  const measured = report.layers.filter((layer) => layer.output_error !== null);
  const worst = measured.reduce(
    (most, layer) => ((layer.output_error ?? 0) > (most?.output_error ?? 0) ? layer : most),
    measured[0],
  );
  const absent =
    measured.length === 0
      ? 'Not measured: this run used no calibration activations.'
      : 'Every layer reproduces its outputs exactly.';
  return html`<section>
    <h2>Output error by layer</h2>
    <p class="about">${
      chart && worst
        ? html`How far each linear’s outputs moved on the calibration text, ‖(W−Ŵ)X‖² / ‖WX‖², logarithmic. Largest: ${worst.name}, ${formatSmall(worst.output_error ?? 0)}.${grid.cells.some((cell) => cell.layers > 1) && ' Of experts the lines show the mean.'}`
        : absent
    }</p>
    ${chart && twoLayouts((layout) => outputErrorLines(grid, layout) ?? chart)}
  </section>`;
}

/** Bars of seconds by phase. */
export function timeSection(report: Report): Html | null {
  const chart = timeBars(report, 'wide');
  if (!chart) return null;
  const accounted = report.phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const rest = report.run.seconds - accounted;
  const { earlier } = report.run;
  return html`<section>
    <h2>Where the time went</h2>
    <p class="about">${formatSeconds(report.run.seconds)} in all, ${formatSeconds(report.run.prune_seconds)} of it pruning.${
      rest > Math.max(0.5, report.run.seconds * 0.01) && ` ${formatSeconds(rest)} fell between the phases.`
    }${earlier && ` Before the run was resumed, what it went on from took ${formatSeconds(earlier.seconds)}.`}</p>
    ${twoLayouts((layout) => timeBars(report, layout) ?? chart)}
  </section>`;
}

function twoLayouts(draw: (layout: 'wide' | 'narrow') => Chart): Html {
  return html`<div class="chart wide">${renderSvg(draw('wide'))}</div><div class="chart narrow">${renderSvg(draw('narrow'))}</div>`;
}
