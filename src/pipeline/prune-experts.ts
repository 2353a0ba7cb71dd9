/**
 * The experts of a block: each pruned and written by itself, on the tokens that go to it, or what the run file has for those
 * that get too few.
 * @module
 */
import { RunError } from '../errors.js';
import type { HiddenStates } from '../forward/hidden-states.js';
import type { ExpertAtWork } from '../forward/model-stream.js';
import type { BlockPasses } from '../graph/block-passes.js';
import type { BlockDescription } from '../model/description.js';
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
  const layersOf = (unit: BlockDescription) => layers.filter((layer) => layer.unit === unit);
  const reports: LayerReport[] = [];
  await stream.runExperts(passes, states, run.locate, {
    isLast,
    plan: (unit, tokens) => prunePlan(run, unit, tokens),
    seesAll: (unit, tokens) => fallbackOf(run, layersOf(unit), tokens) === 'all_tokens',
    visit: async (expert) => {
      const own = layersOf(expert.unit);
      const fallback = fallbackOf(run, own, expert.tokens);
      const method = fallback === 'magnitude' ? byMagnitude(run) : tools.method;
      const notes = fallback ? [fallbackNote(run, expert, fallback)] : [];
      // Nothing of the block beside the dense model, nor its own gradients, is known of experts.
      const expertTools = { ...tools, method, dense: undefined, regional: undefined };
      const gramWindows = Math.ceil((expert.states.windows * run.gramWindows) / states.windows);
      const { unit, weights, passes: ownPasses } = expert;
      const block = { index, block: unit, layers: own, weights, passes: ownPasses };
      const pruned = await pruneBlock(
        expertTools,
        { ...block, gramWindows: fallback === 'magnitude' ? 0 : gramWindows },
        expert.states,
      );
      reports.push(...pruned.map((report) => ({ ...report, notes: [...notes, ...report.notes] })));
    },
  });
  return reports;
}

type Fallback = 'magnitude' | 'all_tokens';

/** What the run file has for an expert that too few tokens go to for the method; undefined where they are enough. */
function fallbackOf(
  { config, method }: PreparedRun,
  layers: readonly LayerPlan[],
  tokens: number,
): Fallback | 'error' | undefined {
  const { experts } = config.calibration ?? {};
  if (!experts || method.statistics === 'none' || tokens >= experts.minimum_tokens) return undefined;
  return layers.some(({ pattern }) => pattern !== 'dense') ? experts.fallback : undefined;
}

const NOTES: Readonly<Record<Fallback, string>> = {
  magnitude: 'pruned by magnitude',
  all_tokens: 'measured on all tokens',
};

/** What a report says of an expert that gets too few tokens. @throws RunError where the run file has nothing for it */
function fallbackNote(
  { config, windows }: PreparedRun,
  { unit, tokens }: ExpertAtWork,
  fallback: Fallback | 'error',
): string {
  const got = `${unit.prefix.replace(/\.$/, '')} gets ${tokens} tokens of ${windows} calibration windows`;
  const least = config.calibration?.experts.minimum_tokens;
  if (fallback !== 'error') return `${got}, fewer than ${least}: ${NOTES[fallback]}`;
  throw new RunError(
    `${got}, and calibration.experts.minimum_tokens is ${least}; take more samples, ` +
      'or set calibration.experts.fallback: all_tokens or magnitude',
  );
}

function byMagnitude({ config: { prune } }: PreparedRun): BoundMethod {
  return bindMethod({
    ...prune,
    method: 'magnitude',
    options: MAGNITUDE,
    refine: { name: 'none' },
    update: { name: 'none' },
  });
}

const MAGNITUDE = { scope: 'tensor' };
