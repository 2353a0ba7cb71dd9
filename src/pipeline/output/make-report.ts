/**
 * What a run reports.
 * @module
 */
import { cpus, totalmem } from 'node:os';
import { elementCount } from '../../graph/value.js';
import type { Cost, LayerReport, Report } from '../../report/report-schema.js';
import { onnxruntimeVersion } from '../../runtime/onnxruntime-version.js';
import { peakRssBytes } from '../../system/peak-rss-bytes.js';
import { version } from '../../version.js';
import type { Reuse } from '../dense/reuse.js';
import { bosReport, evaluationReports, type SetPerplexities } from '../evaluation-stage.js';
import { fingerprint } from '../prepare/fingerprint.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import type { PhaseSeconds } from '../progress/phase-timer.js';
import { macsPerToken } from './macs-per-token.js';

/** What a run has found out and done. */
export interface RunOutcome {
  readonly layers: readonly LayerReport[];
  readonly dense: SetPerplexities;
  readonly pruned: SetPerplexities;
  readonly phases: readonly PhaseSeconds[];
  readonly pruneSeconds: number;
  /** Of what was found out on the way. */
  readonly notes: readonly string[];
}

function readTexts({ calibration, evaluation }: PreparedRun) {
  return [
    ...(calibration?.sources ?? []).map((text) => ({
      use: 'calibration' as const,
      ...text,
      ...bosReport(calibration),
    })),
    ...(evaluation ? [{ use: 'evaluation' as const, ...evaluation.source, ...bosReport(evaluation) }] : []),
  ].map((text) => ({ ...text, files: [...text.files] }));
}

/** What stands beside it in the report. */
export interface ReportContext {
  readonly notes: readonly string[];
  readonly reuse: Reuse | undefined;
  readonly earlier: Cost | undefined;
  readonly started: Date;
}

/** The report of a run that has pruned everything; seconds and memory are those up to here. */
export async function makeReport(
  run: PreparedRun,
  work: RunOutcome,
  { notes, reuse, earlier, started }: ReportContext,
): Promise<Report> {
  const reused = reuse?.taken;
  const { layers, dense, pruned, phases } = work;
  const [evaluation, calibrationEvaluation] = evaluationReports(run, dense, pruned);
  const prunable = layers.reduce((sum, { numel }) => sum + numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const parameters = [...run.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  return {
    version: 1,
    run: {
      config: JSON.parse(JSON.stringify(run.config)),
      fingerprint: fingerprint(run.fingerprintParts),
      source: { path: run.checkpoint.folder, hash: await run.checkpoint.hash() },
      texts: readTexts(run),
      versions: { secateur: version, node: process.versions.node, onnxruntime: onnxruntimeVersion },
      machine: {
        platform: `${process.platform} ${process.arch}`,
        cpu: cpus()[0]?.model.trim() ?? 'unknown',
        cores: cpus().length,
        memory_bytes: totalmem(),
        workers: run.memory.workers,
      },
      started: started.toISOString(),
      prune_seconds: work.pruneSeconds,
      ...(earlier && { earlier }),
      ...(reused && { reused }),
      ...resourcesUsed(started),
    },
    layers: [...layers],
    totals: {
      prunable,
      zeros,
      sparsity: zeros / prunable,
      parameters,
      macs_per_token: macsPerToken(run, layers),
      bytes: run.shards.totalBytes,
    },
    phases: [...phases],
    evaluation,
    calibration_evaluation: calibrationEvaluation,
    notes: [...notes, ...work.notes, ...(reuse?.notes ?? [])],
  };
}

/** Of this process. */
export function resourcesUsed(started: Date) {
  return {
    seconds: (Date.now() - started.getTime()) / 1000,
    peak_rss_bytes: peakRssBytes(),
  };
}
