/**
 * The arithmetic of a run.
 * @module
 */

import { blockGradientGraph } from '../../graph/block-gradient-graph.js';
import {
  type BlockPasses,
  outputPasses,
  planKey,
  planWholeBlock,
  pruningPasses,
} from '../../graph/block-passes.js';
import type { Graph } from '../../graph/graph-builder.js';
import { graphFlops, passFlops } from '../../graph/graph-flops.js';
import {
  blockOutputGraph,
  type RegionalLoss,
  regionalGradientGraph,
} from '../../graph/regional-gradient-graph.js';
import { targetedAfter, targetRanges } from '../../graph/target-ranges.js';
import { elementCount } from '../../graph/value.js';
import { type BlockDescription, inputGroups, unitsOf, weightCount } from '../../model/description.js';
import { gramStrips, stripElements } from '../../statistics/gram-layout.js';
import { type AllocationWork, NO_ALLOCATION_WORK } from '../allocations/allocation.js';
import { rehearsals, targetWindows } from '../blocks/regional-blocks.js';
import { prunedLinears, unitLayers } from '../blocks/unit-layers.js';
import { evaluationSets } from '../evaluation-stage.js';
import type { GroupWork } from '../methods/method.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { measuringPlans, prunePlans } from '../prepare/prune-plans.js';
import {
  differentiatedExperts,
  expertFlops,
  measuredExperts,
  pruningExperts,
  wholeExperts,
} from './expert-plans.js';

/** Floating-point operations (a multiply and an add are two). */
export interface Flops {
  readonly forward: number;
  /** What an allocation computes of the dense model, beside its forward. */
  readonly allocation: number;
  readonly gram: number;
  /** The windows in the dense model, and what linears lack beside it. */
  readonly targets: number;
  /** Forward and backward of the windows whose gradients a method asks for. */
  readonly gradients: number;
  /** Each block's forward and backward for its own gradients, and its dense outputs. */
  readonly regional: number;
  /** Forward and backward of the steps of each block's optimisation. */
  readonly steps: number;
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
  const { model, windows, gramWindows } = run;
  const sum = (f: (unit: BlockDescription) => number) =>
    model.blocks.flatMap(unitsOf).reduce((total, unit) => total + f(unit), 0);
  const plans = prunePlans(run);
  const experts = pruningExperts(run);
  const measured = measuredExperts(run);
  const work = methodWork(run);
  const rehearsed = rehearsals(run).reduce((total, each) => total + each, 0);
  const inGrams = gramWindows + (run.method.statistics === 'gram' ? rehearsed : 0);
  const fits = fitFlops(run, plans);
  const sharing = allocationWork(run);

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
          expertFlops(wholeExperts(model, set.windows, set.tokens), forwardFlops) +
          2 * elementCount(model.head.shape) * set.tokens),
    0,
  );
  const updates = sum((block) =>
    block.linears.reduce((total, linear) => total + linear.out * linear.in ** 2, 0),
  );
  return {
    forward:
      (windows + rehearsed) * (sumPlans(plans, measuringFlops) + expertFlops(experts, measuringFlops)) +
      run.allocation.windows *
        (sumPlans(measuringPlans(run), forwardFlops) + expertFlops(measured, forwardFlops)),
    allocation: sharing.productFlops + sharing.columnFlops,
    gram: 2 * inGrams * (sumPlans(plans, gramElements) + expertFlops(experts, gramElements)),
    targets: run.recovery > 0 ? windows * sumPlans(plans, targetFlops) : 0,
    gradients: gradientFlops(run),
    ...regionalFlops(run),
    factor: work.reduce((total, { factorFlops }) => total + factorFlops, 0) + fits.factor,
    solve: work.reduce((total, { solveFlops }) => total + solveFlops, 0) + fits.solve,
    loss: estimateLossFlops(run),
    // Two quadratic forms.
    outputErrors: gramWindows > 0 ? 2 * updates : 0,
    propagate: windows * (sumPlans(plans, outputFlops) + expertFlops(experts, outputFlops)),
    evaluation: evaluationFlops,
  };
}

/** Of a window: the forward of a block, the forwards of its linears side by side, and the products of what they lack. */
function targetFlops(planned: BlockPasses): number {
  return pruningPasses(planned).reduce(
    (total, pass) => {
      const linears = targetedAfter(planned, pass);
      if (linears.length === 0) return total;
      const graphs = targetRanges(planned, pass).reduce((sum, range) => sum + graphFlops(range.graph()), 0);
      return total + graphs + 2 * weightCount(linears) * planned.tokens;
    },
    passFlops(planned, planned.passes),
  );
}

/** An inverse (4/3·n³) for every group that writes into the residual stream, and its product with what each linear lacks. */
function fitFlops(run: PreparedRun, plans: readonly BlockPasses[]) {
  if (run.recovery === 0) return { factor: 0, solve: 0 };
  const targeted = (planned: BlockPasses) =>
    pruningPasses(planned).map((pass) => targetedAfter(planned, pass));
  return {
    factor: sumPlans(plans, (planned) =>
      targeted(planned)
        .flatMap((linears) => [...new Map(linears.map((linear) => [linear.inputGroup, linear.in])).values()])
        .reduce((sum, size) => sum + (4 / 3) * size ** 3, 0),
    ),
    solve: sumPlans(plans, (planned) =>
      targeted(planned)
        .flat()
        .reduce((sum, linear) => sum + 2 * linear.out * linear.in ** 2, 0),
    ),
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
  const experts = expertFlops(
    differentiatedExperts(run),
    (planned) =>
      forwardFlops(planned) +
      graphFlops(
        blockGradientGraph(
          planned.block,
          planned.tokens,
          prunedLinears(run, planned.block).map(({ name }) => name),
        ),
      ),
    (unit) =>
      prunedLinears(run, unit)
        .map(({ name }) => name)
        .join(' '),
  );
  return windows * (forward + backward + experts + 6 * elementCount(model.head.shape) * tokens);
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
    total += windows * rest * lossMeasurements(run, model.blocks[index] as BlockDescription);
  }
  return total;
}

/** For the linears of a block, with once the block as it is for every input group. */
export function lossMeasurements(run: PreparedRun, block: BlockDescription): number {
  const { loss } = run;
  const pruned = unitLayers(run, block);
  const counts = pruned.map(({ linear, pattern }) =>
    pattern === 'dense' || !loss ? 0 : loss.measurements(linear, pattern),
  );
  const groups = new Set(
    pruned.filter((_, at) => (counts[at] ?? 0) > 0).map(({ linear }) => linear.inputGroup),
  );
  return counts.reduce((sum, count) => sum + count, groups.size);
}

function forwardFlops(planned: BlockPasses): number {
  return passFlops(planned, planned.passes);
}

function measuringFlops(planned: BlockPasses): number {
  return passFlops(planned, pruningPasses(planned));
}

function outputFlops(planned: BlockPasses): number {
  return passFlops(planned, outputPasses(planned));
}

/** Elements of Gram matrices that tokens of a window are added to. */
function gramElements({ passes, tokens }: BlockPasses): number {
  const groups = passes.flatMap((pass) => pass.groups);
  return groups.reduce((total, { size }) => total + tokens * stripElements(gramStrips(size)), 0);
}

/** A graph, with how many blocks it is for. */
export interface CountedGraph {
  readonly graph: Graph;
  readonly blocks: number;
}

/** The graphs of the backward of blocks. */
export function gradientGraphs(run: PreparedRun): CountedGraph[] {
  const { gradients } = run;
  if (!gradients) return [];
  return blockGraphs(run, (block, names) => blockGradientGraph(block, gradients.tokens, names));
}

/** The same of each block's own loss. */
export function regionalGraphs(run: PreparedRun, loss: RegionalLoss): CountedGraph[] {
  const { regional } = run;
  if (!regional || (loss === 'output norm' ? !regional.gradients : regional.optimisations.length === 0))
    return [];
  return blockGraphs(run, (block, names) =>
    names.length === 0 ? undefined : regionalGradientGraph(block, regional.tokens, names, loss),
  );
}

/** The graphs of the dense outputs that blocks are optimised for. */
export function targetGraphs(run: PreparedRun): CountedGraph[] {
  const { regional } = run;
  if (!regional || regional.optimisations.length === 0) return [];
  return blockGraphs(run, (block, names) =>
    names.length === 0 ? undefined : blockOutputGraph(block, regional.tokens),
  );
}

function regionalFlops(run: PreparedRun): { readonly regional: number; readonly steps: number } {
  const { regional } = run;
  const sum = (graphs: readonly CountedGraph[]) =>
    graphs.reduce((total, { graph, blocks }) => total + blocks * graphFlops(graph), 0);
  const { gradients, optimisations = [] } = regional ?? {};
  const visits = optimisations.reduce((total, each) => total + each.rounds * each.windows, 0);
  return {
    regional:
      (gradients?.windows ?? 0) * sum(regionalGraphs(run, 'output norm')) +
      targetWindows(run) * sum(targetGraphs(run)),
    steps: visits * sum(regionalGraphs(run, 'output error')),
  };
}

/** @param build from the names of the linears that are pruned; undefined where there is nothing to do */
function blockGraphs(
  run: PreparedRun,
  build: (block: BlockDescription, pruned: readonly string[]) => Graph | undefined,
): CountedGraph[] {
  const known = new Map<string, { readonly graph: Graph | undefined; blocks: number }>();
  for (const block of run.model.blocks) {
    const names = prunedLinears(run, block).map(({ name }) => name);
    const key = [block.graphKey, ...names].join(' ');
    const same = known.get(key);
    if (same) same.blocks++;
    else known.set(key, { graph: build(block, names), blocks: 1 });
  }
  return [...known.values()].flatMap(({ graph, blocks }) => (graph ? [{ graph, blocks }] : []));
}

/** What sharing the sparsity takes. @param workers threads at work */
export function allocationWork(
  { allocation, layers, memory }: PreparedRun,
  workers: number = memory.workers,
): AllocationWork {
  const sharing = layers.filter(({ shares }) => shares).map(({ linear }) => linear);
  if (!allocation.looks || sharing.length === 0) return NO_ALLOCATION_WORK;
  return allocation.work(sharing, workers);
}

/** What the method does to each group of linears that are pruned. */
export function methodWork(run: PreparedRun): (GroupWork & { readonly size: number })[] {
  const { model, method } = run;
  return model.blocks.flatMap(unitsOf).flatMap((unit) =>
    inputGroups(unit).flatMap(({ name, size }) => {
      const linears = prunedLinears(run, unit).filter(({ inputGroup }) => inputGroup === name);
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
