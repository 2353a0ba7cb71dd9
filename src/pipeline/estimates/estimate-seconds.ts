/**
 * How long a run will take on this machine when nothing else runs on it.
 * @module
 */
import { elementCount } from '../../graph/value.js';
import { requiredTensors } from '../../model/check-tensors.js';
import { LONE_WINDOW_THREADS } from '../../solvers/regional-optimiser.js';
import { timesPruned } from '../blocks/regional-blocks.js';
import { evaluationSets } from '../evaluation-stage.js';
import type { LayerPlan } from '../prepare/layer-plan.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { allocationWork, type Flops, methodWork } from './estimate-flops.js';
import { lossLoads } from './loss-loads.js';

/** What was measured shortly before. */
export interface MachineSpeed {
  /** Operations per second of each thread's matrix products, all threads at work. */
  readonly threadFlops: readonly number[];
  /** Threads that can work at the same time. */
  readonly cores: number;
  /** Opening the checkpoint and tokenising the texts. */
  readonly prepareSeconds: number;
  /** Starting the workers. */
  readonly startSeconds: number;
}

export interface SecondsEstimate {
  /** Everything but the evaluation. */
  readonly prune: number;
  /** Both evaluations, on held-out and on calibration text. */
  readonly evaluation: number;
  /** From the start of the command to its end. */
  readonly total: number;
}

/**
 * Shares of the speed of bare matrix products; norms, activation functions, softmax and copies take the rest. These and
 * the figures below were measured with SmolLM2-135M and blocks of Llama-2-7B's shape on two otherwise idle cores.
 */
const EFFICIENCY = { forward: 0.79, gradients: 0.7, evaluation: 0.82, gram: 0.87, errors: 0.5 };

/** Of a window's operators among two threads. */
const DIVIDED_EFFICIENCY = 0.9;

/** Products with the factor of n inputs run at n / (n + this) of full speed: their panels are narrow. */
const FACTOR_HALF_SPEED = 900;

/** Weights a second of a thread. */
const RATES = {
  check: 600e6,
  load: 350e6,
  groupMask: 350e6,
  rowMask: 130e6,
  refine: 10e6,
  /** Moved by a step, for each gradient that it adds up, and as many once more. */
  step: 300e6,
  /** From file to file, reading and writing included. */
  storedGroupMask: 280e6,
  storedTensorMask: 200e6,
  store: 250e6,
  count: 800e6,
  /** Scored and added up or counted, for an allocation. */
  allocate: 130e6,
  /** What is done to the rows beside the products of their output error. */
  errorRows: 33e6,
};

/** Operations a second of a thread on the columns of a block, one after the other. */
const COLUMN_FLOPS = 20e9;

/** The same where one column of a symmetric matrix after the other is eliminated, in f64. */
const TRIDIAGONAL_FLOPS = 4e9;

/** Bytes a second that a disk takes or, the first time, gives; slower disks make plans too short. */
const DISK_BYTES_PER_SECOND = { read: 2e9, write: 700e6 };
/** Waiting for the disk after each block. */
const SYNC_SECONDS = 0.005;
/** Loading the code; onnxruntime in every worker; stopping workers, and the report with its charts. */
const COMMAND_SECONDS = 0.35;
const RUNTIME_SECONDS = 0.3;
const FINISH_SECONDS = 0.5;

export function estimateSeconds(run: PreparedRun, flops: Flops, speed: MachineSpeed): SecondsEstimate {
  const { model, checkpoint, shards } = run;
  const threads = speed.threadFlops.length;
  const all = speed.threadFlops.reduce((sum, each) => sum + each, 0);
  const one = all / threads;
  const elements = (names: readonly { readonly shape: readonly number[] }[]) =>
    names.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const inBlocks = elements(model.blocks.flatMap(({ tensors }) => tensors));
  const load = inBlocks / RATES.load / threads;
  const inEvaluation = Object.values(evaluationSets(run)).some((set) => set !== null);

  const check =
    elements(requiredTensors(model)) / RATES.check / threads + checkpoint.bytes / DISK_BYTES_PER_SECOND.read;
  const forward =
    ((flops.forward + flops.targets + flops.propagate) / (all * EFFICIENCY.forward)) *
    imbalance(run.windows, threads);
  const { gradients } = run;
  const backward = gradients
    ? (flops.gradients / (all * EFFICIENCY.gradients)) * imbalance(gradients.windows, threads) + 2 * load
    : 0;
  const regional = regionalSeconds(run, flops, all, one, speed.cores);
  const { loss } = run;
  const loads = lossLoads(run);
  const measured = loss
    ? (flops.loss / (all * EFFICIENCY.evaluation)) * imbalance(loss.windows, threads) +
      (loads.loaded / RATES.load + loads.stored / RATES.store) / threads
    : 0;
  const gram = flops.gram / (all * EFFICIENCY.gram);
  // What no calibration needs is never loaded; its masks are chosen and its weights written in one.
  const stored = run.method.pruneStored !== undefined;
  const write =
    (stored ? 0 : inBlocks / RATES.store / threads) +
    shards.totalBytes / DISK_BYTES_PER_SECOND.write +
    model.blocks.length * SYNC_SECONDS;
  const verify = inBlocks / RATES.count / threads;
  const fixed =
    COMMAND_SECONDS +
    speed.prepareSeconds +
    speed.startSeconds +
    (run.windows > 0 || run.allocation.looks || gradients || inEvaluation ? RUNTIME_SECONDS : 0) +
    FINISH_SECONDS;
  const work =
    check +
    (stored ? 0 : load) +
    forward +
    backward +
    regional +
    gram +
    allocationSeconds(run, all, threads) +
    measured +
    solveSeconds(run, all, one) +
    write +
    verify;
  const prune = fixed + work + errorSeconds(run, flops, all, one);
  const evaluated = Object.values(evaluationSets(run)).reduce((sum, set) => sum + (set?.windows ?? 0), 0);
  const evaluation = inEvaluation
    ? (flops.evaluation / (all * EFFICIENCY.evaluation)) * imbalance(evaluated, threads) + 2 * load
    : 0;
  return { prune, evaluation, total: prune + evaluation };
}

/** A window is one worker's work: three of them take two workers as long as four. */
function imbalance(windows: number, threads: number): number {
  return windows === 0 ? 1 : (Math.ceil(windows / threads) * threads) / windows;
}

/** Windows of a step are computed at once; one alone is divided among threads, whatever the number of workers. */
function stepImbalance(batch: number, threads: number, cores: number): number {
  if (batch > 1) return imbalance(batch, threads);
  const used = Math.min(cores, LONE_WINDOW_THREADS);
  return threads / used / (used > 1 ? DIVIDED_EFFICIENCY : 1);
}

/** What is done to each block before it is pruned, but for the windows that it is pruned on then. */
function regionalSeconds(
  { regional, layers }: PreparedRun,
  flops: Flops,
  all: number,
  one: number,
  cores: number,
): number {
  if (!regional) return 0;
  const { gradients, optimisations } = regional;
  const threads = all / one;
  const speed = all * EFFICIENCY.gradients;
  const measuring = (flops.regional / speed) * imbalance(gradients?.windows ?? 0, threads);
  const weights = layers
    .filter(({ pattern }) => pattern !== 'dense')
    .reduce((sum, { linear }) => sum + linear.out * linear.in, 0);
  const visits = optimisations.reduce((sum, each) => sum + each.rounds * each.windows, 0);
  return optimisations.reduce((sum, { rounds, windows, batch }) => {
    const share = (rounds * windows) / visits;
    const moved = weights * rounds * (windows + Math.ceil(windows / batch));
    return (
      sum +
      share * (flops.steps / speed) * stepImbalance(batch, threads, cores) +
      moved / (RATES.step * threads)
    );
  }, measuring);
}

function allocationSeconds(run: PreparedRun, all: number, threads: number): number {
  const { scored, productFlops, columnFlops } = allocationWork(run);
  return (
    scored / (RATES.allocate * threads) +
    productFlops / (all * EFFICIENCY.gram) +
    columnFlops / (TRIDIAGONAL_FLOPS * threads)
  );
}

function errorSeconds({ layers, gramWindows }: PreparedRun, flops: Flops, all: number, one: number): number {
  if (gramWindows === 0) return 0;
  const weights = layers.reduce((sum, { linear }) => sum + linear.out * linear.in, 0);
  return flops.outputErrors / (all * EFFICIENCY.errors) + weights / (RATES.errorRows * (all / one));
}

/** Choosing masks, and other weights for the survivors. */
function solveSeconds(run: PreparedRun, all: number, one: number): number {
  const threads = all / one;
  const pruned = run.layers.filter(({ pattern }) => pattern !== 'dense');
  const size = ({ linear }: LayerPlan) => linear.out * linear.in;
  const weights = pruned.reduce((total, layer) => total + size(layer), 0);
  const once = pruned.reduce((total, layer) => total + size(layer) / maskRate(run, layer), 0) / threads;
  const times = timesPruned(run);
  const work = methodWork(run);
  const sum = (weigh: (work: ReturnType<typeof methodWork>[number]) => number) =>
    work.reduce((total, group) => total + weigh(group), 0);
  const slowed = (n: number) => (n + FACTOR_HALF_SPEED) / n;
  return (
    times *
    ((weights === 0 ? 0 : (once * sum(({ scored }) => scored)) / weights) +
      sum(({ refined }) => refined) / (RATES.refine * threads) +
      sum(({ size: n, factorFlops }) => (factorFlops * slowed(n)) / one) +
      sum(({ size: n, solveFlops }) => (solveFlops * slowed(n)) / all) +
      sum(({ columnFlops }) => columnFlops) / (COLUMN_FLOPS * threads))
  );
}

function maskRate({ method }: PreparedRun, { pattern }: LayerPlan): number {
  const groups = pattern !== 'dense' && pattern.kind === 'n:m';
  if (method.pruneStored) return groups ? RATES.storedGroupMask : RATES.storedTensorMask;
  return groups ? RATES.groupMask : RATES.rowMask;
}
