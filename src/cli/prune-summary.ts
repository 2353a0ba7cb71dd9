/**
 * What a finished run comes to, in a dozen lines.
 * @module
 */
import {
  formatBytes,
  formatCount,
  formatPercent,
  formatPerplexityWithError,
  formatRatio,
  formatSeconds,
} from '../report/format.js';
import { reportFiles } from '../report/report-files.js';
import type { EvaluationReport, Report } from '../report/report-schema.js';
import { distinct, modelName, prunedLayers } from '../report/run-summary.js';
import type { Colours } from './colours.js';
import { displayPath } from './display-path.js';
import type { PruneResult } from './library.js';
import { facts } from './table.js';

/** The phases named in the line about time; the rest are in the report. */
const SHOWN_PHASES = 4;

/** Words for people, several lines without a newline at the end. */
export function pruneSummary(result: PruneResult, cwd: string, colours: Colours): string {
  const { report, output, alreadyDone } = result;
  const { earlier } = report.run;
  const pruned = prunedLayers(report.layers);
  const title =
    pruned.length === 0
      ? `${modelName(report)}, no layer pruned`
      : `${modelName(report)} pruned with ${distinct(report.layers, 'method')}, ${distinct(report.layers, 'pattern')}`;
  const rows: (readonly [string, string])[] = [
    ...perplexityRow('perplexity, held-out text', report.evaluation),
    ...perplexityRow('perplexity, calibration text', report.calibration_evaluation),
    [
      'sparsity',
      `${formatPercent(report.totals.sparsity)}: ${formatCount(report.totals.zeros)} zeros in ${formatCount(report.totals.prunable)} prunable weights`,
    ],
    ['linears', `${formatCount(pruned.length)} of ${formatCount(report.layers.length)} pruned`],
    [
      'time',
      `${formatSeconds(report.run.seconds)}, of which pruning ${formatSeconds(report.run.prune_seconds)}`,
    ],
    ...phaseRow(report),
    ...(earlier ? [['', `${formatSeconds(earlier.seconds)} before it was resumed`] as const] : []),
    [
      'peak memory',
      formatBytes(report.run.peak_rss_bytes) +
        (earlier ? `, before it was resumed ${formatBytes(earlier.peak_rss_bytes)}` : ''),
    ],
    ['checkpoint', `${displayPath(output, cwd)} (${formatBytes(report.totals.bytes)})`],
    ['report', displayPath(reportFiles(output).html, cwd)],
    ...(report.notes.length === 0
      ? []
      : [['notes', `${formatCount(report.notes.length)}, in the report`] as const]),
  ];
  const done = alreadyDone
    ? `${displayPath(output, cwd)} is finished already; nothing was done. Use --fresh to prune again.\n\n`
    : '';
  return `\n${done}${colours.bold(title)}\n${facts(rows)}`;
}

function perplexityRow(name: string, evaluation: EvaluationReport | null): (readonly [string, string])[] {
  if (!evaluation) return [];
  const { dense, pruned } = evaluation;
  const sides = [dense, pruned].flatMap((side) =>
    side ? [formatPerplexityWithError(side.perplexity, side.standard_error)] : [],
  );
  const ratio = dense && pruned ? `   ${formatRatio(pruned.perplexity / dense.perplexity)}` : '';
  return sides.length === 0 ? [] : [[name, `${sides.join(' → ')}${ratio}`]];
}

/** The largest phases of pruning as shares of all of them. */
function phaseRow(report: Report): (readonly [string, string])[] {
  const phases = report.phases.filter((phase) => phase.stage === 'prune' && phase.seconds > 0);
  if (phases.length === 0) return [];
  const total = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const largest = [...phases].sort((a, b) => b.seconds - a.seconds).slice(0, SHOWN_PHASES);
  return [
    ['', largest.map((phase) => `${phase.phase} ${formatPercent(phase.seconds / total, 0)}`).join(', ')],
  ];
}
