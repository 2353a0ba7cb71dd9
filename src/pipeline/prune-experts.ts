/**
 * The experts of a block: each pruned and written by itself, on the tokens that go to it.
 * @module
 */
import { RunError } from '../errors.js';
import type { HiddenStates } from '../forward/hidden-states.js';
import type { ExpertAtWork } from '../forward/model-stream.js';
import type { BlockPasses } from '../graph/block-passes.js';
import type { LayerReport } from '../report/report-schema.js';
import type { LayerPlan } from './layer-plan.js';
import { bindMethod } from './methods/bind-method.js';
import type { BoundMethod } from './methods/method.js';
import type { PreparedRun } from './prepare-run.js';
import { type BlockTools, pruneBlock } from './prune-block.js';
import { prunePlan } from './prune-plans.js';

export interface ExpertsAtWork {
  readonly index: number;
  /** Of the block itself, which has been run. */
  readonly passes: BlockPasses;
  /** The linears of the block and its experts. */
  readonly layers: readonly LayerPlan[];
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
  const { run, stream } = tools;
  const { index, passes, layers, states, isLast } = work;
  const reports: LayerReport[] = [];
  await stream.runExperts(passes, states, run.locate, {
    isLast,
    plan: (unit, tokens) => prunePlan(run, unit, tokens),
    visit: async (expert) => {
      const own = layers.filter(({ unit }) => unit === expert.unit);
      const prunes = own.some(({ pattern }) => pattern !== 'dense');
      const fallback = prunes ? fallbackOf(run, expert) : undefined;
      const method = fallback?.method ?? tools.method;
      // Nothing of the block beside the dense model, nor its own gradients, is known of experts.
      const expertTools = { ...tools, method, dense: undefined, regional: undefined };
      const gramWindows = Math.ceil((expert.states.windows * run.gramWindows) / states.windows);
      const { unit, weights, passes: ownPasses } = expert;
      const block = { index, block: unit, layers: own, weights, passes: ownPasses };
      const pruned = await pruneBlock(
        expertTools,
        { ...block, gramWindows: fallback ? 0 : gramWindows },
        expert.states,
      );
      const notes = fallback ? [fallback.note] : [];
      reports.push(...pruned.map((report) => ({ ...report, notes: [...notes, ...report.notes] })));
    },
  });
  return reports;
}

/** What an expert is pruned by when it gets too few tokens for the method. */
function fallbackOf(
  { config, method, windows }: PreparedRun,
  { unit, tokens }: ExpertAtWork,
): { readonly method: BoundMethod; readonly note: string } | undefined {
  const { experts } = config.calibration ?? {};
  if (!experts || method.statistics === 'none' || tokens >= experts.minimum_tokens) return undefined;
  const got = `${unit.prefix.replace(/\.$/, '')} gets ${tokens} tokens of ${windows} calibration windows`;
  if (experts.fallback === 'error') {
    throw new RunError(
      `${got}, and calibration.experts.minimum_tokens is ${experts.minimum_tokens}; take more samples, ` +
        'or set calibration.experts.fallback: magnitude',
    );
  }
  const { prune } = config;
  return {
    method: bindMethod({
      ...prune,
      method: 'magnitude',
      options: MAGNITUDE,
      refine: { name: 'none' },
      update: { name: 'none' },
    }),
    note: `${got}, fewer than ${experts.minimum_tokens}: pruned by magnitude`,
  };
}

const MAGNITUDE = { scope: 'tensor' };
