/**
 * Intermediate values of the sessions between the last block and the cross-entropy.
 * @module
 */
import { headSliceRows } from '../../forward/model-stream.js';
import { peakIntermediateBytes } from '../../graph/intermediate-bytes.js';
import {
  finalNormGradientGraph,
  finalNormGraph,
  logitsGradientGraph,
  logitsGraph,
} from '../../graph/logits-graph.js';
import type { PreparedRun } from '../prepare-run.js';

/** For the last norm and the logits of a window. */
export function logitsSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const norm = peakIntermediateBytes(finalNormGraph(model, tokens));
  const chunk = Math.min(tokens, logitTokens);
  return [norm, peakIntermediateBytes(logitsGraph(chunk, model.hiddenSize, headSliceRows(model)))];
}

/** The same, and of the sessions for their gradients. */
export function headGradientSessions(run: PreparedRun, tokens: number, logitTokens: number): number[] {
  const { model } = run;
  const chunk = Math.min(tokens, logitTokens);
  return [
    ...logitsSessions(run, tokens, logitTokens),
    peakIntermediateBytes(finalNormGradientGraph(model, tokens)),
    peakIntermediateBytes(logitsGradientGraph(chunk, model.hiddenSize, headSliceRows(model))),
  ];
}
