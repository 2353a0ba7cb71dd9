/**
 * The experts of a block: pruned, written and run one after the other, each on the tokens that go to it.
 * @module
 */
import type { HiddenStates } from '../../forward/hidden-states.js';
import type { BlockPasses } from '../../graph/block-passes.js';
import type { BlockDescription } from '../../model/description.js';
import type { LayerReport } from '../../report/report-schema.js';
import { prunePlan } from '../prepare/prune-plans.js';
import { type BlockTools, pruneBlock } from './prune-block.js';
import {
  byMagnitude,
  type ExpertTokens,
  fallbackNote,
  fallbackOf,
  gradientTokensOf,
} from './starved-experts.js';
import { unitLayers } from './unit-layers.js';

export interface ExpertsAtWork {
  readonly index: number;
  /** Of the block itself, which has been run. */
  readonly passes: BlockPasses;
  /** After the last of the block's passes. */
  readonly states: HiddenStates;
  readonly isLast: boolean;
}

/**
 * Prunes, writes and runs the experts of a block.
 *
 * @throws RunError naming an expert that gets too few tokens, where the run file has nothing for it
 */
export async function pruneExperts(tools: BlockTools, work: ExpertsAtWork): Promise<LayerReport[]> {
  const { run, stream, gradients } = tools;
  const { index, passes, states, isLast } = work;
  const magnitude = { ...tools, method: byMagnitude(run), gradients: undefined };
  /** What is least, of what the method learns from. */
  const leastOf = ({ prefix }: BlockDescription, tokens: number): ExpertTokens => {
    const starved = gradients?.starved.get(prefix);
    if (starved !== undefined && starved < tokens) return gradientTokensOf(run, starved);
    return { tokens, of: `${states.windows} calibration windows` };
  };
  const windowTokens = states.windows * states.tokens;
  const reports: LayerReport[] = [];
  await stream.runExperts(passes, states, run.locate, {
    isLast,
    plan: (unit, tokens) => prunePlan(run, unit, tokens),
    seesAll: (unit, tokens) => fallbackOf(run, unit, leastOf(unit, tokens)) === 'all_tokens',
    visit: async ({ unit, weights, passes: ownPasses, states: own, tokens }) => {
      const least = leastOf(unit, tokens);
      const fallback = fallbackOf(run, unit, least);
      const notes = fallback ? [fallbackNote(run, unit, least, fallback)] : [];
      const gramWindows = Math.ceil((own.windows * run.gramWindows) / states.windows);
      const pruned = await pruneBlock(
        // Nothing of the block beside the dense model, nor its own gradients, is known of experts.
        { ...(fallback === 'magnitude' ? magnitude : tools), dense: undefined, regional: undefined },
        {
          index,
          block: unit,
          layers: unitLayers(run, unit),
          weights,
          passes: ownPasses,
          gramWindows: fallback === 'magnitude' ? 0 : gramWindows,
          tokens: fallback === 'all_tokens' ? windowTokens : tokens,
          windowTokens,
        },
        own,
      );
      reports.push(...pruned.map((report) => ({ ...report, notes: [...notes, ...report.notes] })));
    },
  });
  return reports;
}
