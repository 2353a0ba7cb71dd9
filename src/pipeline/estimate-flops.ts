/**
 * The arithmetic of a run.
 * @module
 */

import { blockGradientGraph } from '../graph/block-gradient-graph.js';
import {
  type BlockPasses,
  outputPasses,
  planKey,
  planWholeBlock,
  pruningPasses,
} from '../graph/block-passes.js';
import type { Graph } from '../graph/graph-builder.js';
import { graphFlops, passFlops } from '../graph/graph-flops.js';
import { elementCount } from '../graph/value.js';
import { type BlockDescription, inputGroups } from '../model/description.js';
import { gramStrips, stripElements } from '../statistics/gram-layout.js';
import { evaluationSets } from './evaluation-stage.js';
import { prunedLinears } from './measure-gradients.js';
import type { GroupWork } from './methods/method.js';
import type { PreparedRun } from './prepare-run.js';
import { measuringPlans, prunePlans } from './prune-plans.js';

/** Floating-point operations (a multiply and an add are two). */
export interface Flops {
  readonly forward: number;
  readonly gram: number;
  /** Forward and backward of the windows whose gradients a method asks for. */
  readonly gradients: number;
  /** Forward through the rest of the model for everything whose loss a method measures. */
  readonly loss: number;
  /** Factors of the inverse Hessians. */
  readonly factor: number;
  /** What the surviving weights make up for. */
  readonly solve: number;
  readonly outputErrors: number;
  readonly propagate: number;
  readonly evaluation: number;
}

export function estimateFlops(run: PreparedRun): Flops {
  const { model, calibration, windows, gramWindows } = run;
  const tokens = calibration?.sequenceLength ?? 0;
  const sum = (f: (block: BlockDescription) => number) =>
    model.blocks.reduce((total, block) => total + f(block), 0);
  const plans = prunePlans(run);
  const work = methodWork(run);

  const evaluated = Object.values(evaluationSets(run)).filter((set) => set !== null);
  const evaluationFlops = evaluated.reduce(
    (total, set) =>
      total +
      2 *
        set.windows *
        (sumPlans(
          model.blocks.map((block) => planWholeBlock(block, set.tokens)),
          forwardFlops,
        ) +
          2 * elementCount(model.head.shape) * set.tokens),
    0,
  );
  const updates = sum((block) =>
    block.linears.reduce((total, linear) => total + linear.out * linear.in ** 2, 0),
  );
  return {
    forward:
      windows * sumPlans(plans, (planned) => passFlops(planned, pruningPasses(planned))) +
      run.allocation.windows * sumPlans(measuringPlans(run), (planned) => passFlops(planned, planned.passes)),
    gram: sum((block) =>
      inputGroups(block).reduce(
        (total, { size }) => total + 2 * stripElements(gramStrips(size)) * gramWindows * tokens,
        0,
      ),
    ),
    gradients: gradientFlops(run),
    loss: estimateLossFlops(run),
    factor: work.reduce((total, { factorFlops }) => total + factorFlops, 0),
    solve: work.reduce((total, { solveFlops }) => total + solveFlops, 0),
    // Two quadratic forms.
    outputErrors: gramWindows > 0 ? 2 * updates : 0,
    propagate: windows * sumPlans(plans, (planned) => passFlops(planned, outputPasses(planned))),
    evaluation: evaluationFlops,
  };
}

/** The forward of all windows, and the backward of each block with its forward. The head takes four products. */
function gradientFlops(run: PreparedRun): number {
  const { model, gradients } = run;
  if (!gradients) return 0;
  const { windows, tokens } = gradients;
  const forward = sumPlans(
    model.blocks.map((block) => planWholeBlock(block, tokens)),
    forwardFlops,
  );
  const backward = gradientGraphs(run).reduce(
    (sum, { graph, blocks }) => sum + blocks * graphFlops(graph),
    0,
  );
  return windows * (forward + backward + 6 * elementCount(model.head.shape) * tokens);
}

/** Each measurement takes its windows through the block, those behind it and the head; so does the block as it is. */
export function estimateLossFlops(run: PreparedRun): number {
  const { loss, model } = run;
  if (!loss) return 0;
  const { windows, tokens } = loss;
  const blocks = model.blocks.map((block) => sumPlans([planWholeBlock(block, tokens)], forwardFlops));
  let rest = 2 * elementCount(model.head.shape) * tokens;
  let total = 0;
  for (let index = blocks.length - 1; index >= 0; index--) {
    rest += blocks[index] ?? 0;
    total += windows * rest * lossMeasurements(run, index);
  }
  return total;
}

/** For the linears of a block, with twice the block as it is for every input group. */
export function lossMeasurements({ loss, layers }: PreparedRun, block: number): number {
  const pruned = layers.filter((layer) => layer.block === block);
  const counts = pruned.map(({ linear, pattern }) =>
    pattern === 'dense' || !loss ? 0 : loss.measurements(linear, pattern),
  );
  const groups = new Set(
    pruned.filter((_, at) => (counts[at] ?? 0) > 0).map(({ linear }) => linear.inputGroup),
  );
  return counts.reduce((sum, count) => sum + count, 2 * groups.size);
}

function forwardFlops(planned: BlockPasses): number {
  return passFlops(planned, planned.passes);
}

/** The graphs of the backward of blocks, with how many blocks each is for. */
export function gradientGraphs(run: PreparedRun): { readonly graph: Graph; readonly blocks: number }[] {
  const { model, gradients } = run;
  if (!gradients) return [];
  const known = new Map<string, { readonly graph: Graph; blocks: number }>();
  for (const [index, block] of model.blocks.entries()) {
    const names = prunedLinears(run, index).map(({ name }) => name);
    const key = [block.graphKey, ...names].join(' ');
    const same = known.get(key);
    if (same) same.blocks++;
    else known.set(key, { graph: blockGradientGraph(block, gradients.tokens, names), blocks: 1 });
  }
  return [...known.values()];
}

/** What the method does to each group of linears that are pruned. */
export function methodWork({
  model,
  layers,
  method,
}: PreparedRun): (GroupWork & { readonly size: number })[] {
  return model.blocks.flatMap((block, index) =>
    inputGroups(block).flatMap(({ name, size }) => {
      const linears = layers
        .filter(({ block: own, pattern }) => own === index && pattern !== 'dense')
        .map(({ linear }) => linear)
        .filter(({ inputGroup }) => inputGroup === name);
      return linears.length === 0 ? [] : [{ ...method.work({ size, linears }), size }];
    }),
  );
}

/** The sum over plans, counting equal ones once. */
function sumPlans(plans: readonly BlockPasses[], flops: (planned: BlockPasses) => number): number {
  const known = new Map<string, number>();
  return plans.reduce((total, planned) => {
    const key = planKey(planned);
    const each = known.get(key) ?? flops(planned);
    known.set(key, each);
    return total + each;
  }, 0);
}
