/**
 * Perplexity of one checkpoint of a run, on held-out text and on the calibration windows.
 * @module
 */
import { textOverlap } from '../calibration/overlap.js';
import { evaluateModel, type TokenWindows } from '../evaluation/evaluate-model.js';
import { perplexity } from '../evaluation/perplexity.js';
import type { ModelStream } from '../forward/model-stream.js';
import type { Locate } from '../forward/model-tensors.js';
import type { EvaluationReport, Perplexity } from '../report/report-schema.js';
import type { PreparedRun } from './prepare/prepare-run.js';
import type { PhaseSeconds } from './progress/phase-timer.js';
import type { ProgressListener, Stage } from './progress/progress.js';
import { StageClock } from './progress/stage-clock.js';

/** What is evaluated: null for a part that the run file doesn't ask for. */
export interface EvaluationSets {
  readonly heldOut: EvaluatedWindows | null;
  readonly calibration: EvaluatedWindows | null;
}

interface EvaluatedWindows extends TokenWindows {
  /** The token that was put before every window; undefined for none. */
  readonly bosTokenId: number | undefined;
}

/** Share of the evaluation's 13-grams found in the calibration text above which the report says so. */
const OVERLAP_NOTE = 0.01;

export function evaluationSets({ config, evaluation, calibration }: PreparedRun): EvaluationSets {
  if (!config.evaluation || !evaluation) return { heldOut: null, calibration: null };
  const windows = Math.min(config.evaluation.calibration_windows, calibration?.samples ?? 0);
  const length = calibration?.sequenceLength ?? 0;
  return {
    heldOut: {
      ids: evaluation.tokens,
      windows: evaluation.windows,
      tokens: evaluation.context,
      bosTokenId: evaluation.bosTokenId,
    },
    calibration:
      calibration && windows > 0
        ? {
            ids: calibration.tokens.subarray(0, windows * length),
            windows,
            tokens: length,
            bosTokenId: calibration.bosTokenId,
          }
        : null,
  };
}

/** A note when the evaluation text was seen in calibration, else none. */
export function overlapNotes({ evaluation, calibration }: PreparedRun): string[] {
  if (!evaluation || !calibration) return [];
  const overlap = textOverlap(calibration.tokens, evaluation.tokens);
  if (overlap < OVERLAP_NOTE) return [];
  const percent = (overlap * 100).toFixed(1);
  return [
    `${percent} % of the evaluation text's 13-token runs also occur in the calibration text: its perplexity flatters the result`,
  ];
}

export interface SetPerplexities {
  readonly heldOut: Perplexity | null;
  readonly calibration: Perplexity | null;
}

/** Evaluates the sets that there are, in one pass. */
export async function evaluateStage(
  stage: Stage,
  stream: ModelStream,
  locate: Locate,
  sets: EvaluationSets,
  options: { folder: string; onProgress: ProgressListener },
): Promise<{ result: SetPerplexities; phases: PhaseSeconds[] }> {
  const present = [sets.heldOut, sets.calibration].filter((set) => set !== null);
  const tokens = present.reduce((sum, set) => sum + set.windows * set.tokens, 0);
  const clock = new StageClock(stage, stream.model.blocks.length, tokens, options.onProgress);
  const losses = await evaluateModel(stream, locate, present, {
    folder: options.folder,
    onStep: (phase, block, done, total) => clock.step(phase, block, done, total),
    onBlock: (block, seconds) => clock.block(block, seconds),
    onSeconds: (phase, seconds) => clock.add(phase, seconds),
  });
  const estimates = losses.map(perplexity);
  const heldOut = sets.heldOut ? (estimates.shift() ?? null) : null;
  return { result: { heldOut, calibration: estimates.shift() ?? null }, phases: clock.end() };
}

/** The report's entry for one set. */
function evaluationReport(
  data: string,
  set: EvaluatedWindows | null,
  dense: Perplexity | null,
  pruned: Perplexity | null,
): EvaluationReport | null {
  if (!set) return null;
  const { windows, tokens } = set;
  return {
    data,
    context: tokens,
    ...bosReport(set),
    windows,
    tokens: windows * (tokens - 1),
    dense,
    pruned,
  };
}

/** The report's entry for the token that windows begin with, where one was put. */
export function bosReport(
  set: { readonly bosTokenId: number | undefined } | undefined,
): Pick<EvaluationReport, 'bos_token_id'> {
  return set?.bosTokenId === undefined ? {} : { bos_token_id: set.bosTokenId };
}

/** The report's entries for what is evaluated, as far as it is known. */
export function evaluationReports(
  run: PreparedRun,
  dense: SetPerplexities,
  pruned: SetPerplexities,
): readonly [heldOut: EvaluationReport | null, calibration: EvaluationReport | null] {
  const sets = evaluationSets(run);
  const calibrationData = run.calibration?.sources.map(({ source }) => source).join(', ') ?? '';
  return [
    evaluationReport(run.evaluation?.source.source ?? '', sets.heldOut, dense.heldOut, pruned.heldOut),
    evaluationReport(calibrationData, sets.calibration, dense.calibration, pruned.calibration),
  ];
}
