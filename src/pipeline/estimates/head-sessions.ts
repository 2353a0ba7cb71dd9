/**
 * Intermediate values of the sessions between the last block and the cross-entropy.
 * @module
 */
import { headSliceRows } from '../../forward/model-stream.js';
import { peakIntermediateBytes } from '../../graph/intermediate-bytes.js';
import {
  logitsGradientGraph,
  logitsGraph,
  stageGradientGraph,
  stageGraph,
} from '../../graph/logits-graph.js';
import type { PreparedRun } from '../prepare/prepare-run.js';

/** For what lies before the head, and the logits of a window. */
export function logitsSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const norm = peakIntermediateBytes(stageGraph(model.closing, tokens, model.hiddenSize));
  const chunk = Math.min(tokens, logitTokens);
  return [norm, peakIntermediateBytes(logitsGraph(model, chunk, headSliceRows(model)))];
}

/** The same, and of the sessions for their gradients. */
export function headGradientSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const chunk = Math.min(tokens, logitTokens);
  return [
    ...logitsSessions(run, tokens, logitTokens),
    peakIntermediateBytes(stageGradientGraph(model.closing, tokens, model.hiddenSize)),
    peakIntermediateBytes(logitsGradientGraph(model, chunk, headSliceRows(model))),
  ];
}
