/**
 * What a run would do, without doing it.
 * @module
 */
import { availableParallelism } from 'node:os';
import type { RunConfig } from '../config/run-schema.js';
import { elementCount } from '../graph/value.js';
import { measureSpeed } from '../runtime/speed-task.js';
import { WorkerPool } from '../runtime/worker-pool.js';
import { patternName, patternSparsity, zeroCount } from '../sparsity/pattern.js';
import { bytesRead } from './estimates/bytes-read.js';
import { estimateFlops, type Flops } from './estimates/estimate-flops.js';
import { type MemoryEstimate, memoryEstimator } from './estimates/estimate-memory.js';
import { estimateSeconds, type MachineSpeed, type SecondsEstimate } from './estimates/estimate-seconds.js';
import type { BoundMethod } from './methods/method.js';
import { modelFolder, type OpenModelOptions } from './open-model.js';
import { type DiskPart, diskNeed, diskShortage } from './prepare/disk-space.js';
import { fitMemory } from './prepare/fit-memory.js';
import type { LayerPlan } from './prepare/layer-plan.js';
import { type PreparedRun, prepareRun, requireTexts } from './prepare/prepare-run.js';

export interface PlannedLayer {
  readonly name: string;
  /** [out, in] */
  readonly shape: readonly [number, number];
  readonly numel: number;
  /** The sparsity asked for. */
  readonly target: number;
  /** `unstructured`, `N:M` or `dense`. */
  readonly pattern: string;
  /** Zeros it will have at least. */
  readonly zeros: number;
}

export interface Plan {
  /** A folder, or `org/name@commit`. */
  readonly model: string;
  readonly method: string;
  readonly layers: readonly PlannedLayer[];
  readonly totals: {
    readonly prunable: number;
    readonly zeros: number;
    readonly sparsity: number;
    readonly parameters: number;
  };
  readonly bytes: {
    /** Of weights, each time that a stage of the run goes through them. */
    readonly read: number;
    readonly written: number;
    /** Beside the checkpoint, while the run works; the parts add up to it. */
    readonly scratch: number;
    readonly scratchParts: readonly DiskPart[];
  };
  readonly flops: Flops;
  readonly memory: MemoryEstimate;
  /** From a short measurement of this machine's speed, for when nothing else runs on it. */
  readonly seconds: SecondsEstimate;
  readonly workers: number;
  readonly notes: readonly string[];
}

/** @throws RequestError like a run would, before anything is written */
export async function makePlan(config: RunConfig, options: OpenModelOptions = {}): Promise<Plan> {
  await requireTexts(config);
  const located = await modelFolder(config.model, options);
  const before = process.cpuUsage();
  const prepared = await prepareRun({ ...config, model: located.folder }, undefined, options);
  const prepareSeconds = processorSeconds(before);
  const resident = process.memoryUsage.rss();
  const run = fitMemory(prepared);
  const { workers } = run.memory;
  const flops = estimateFlops(run);
  const layers = run.layers.map((layer) => plannedLayer(layer, run.method));
  const prunable = layers.reduce((sum, { numel }) => sum + numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const speed = await measureMachine(
    Math.min(workers, availableParallelism()),
    prepareSeconds,
    options.signal,
  );
  const disk = diskNeed(run);
  const shortage = diskShortage(run);
  return {
    model: located.name,
    method: run.method.name,
    layers,
    totals: {
      prunable,
      zeros,
      sparsity: zeros / prunable,
      parameters: [...run.tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0),
    },
    bytes: {
      read: bytesRead(run),
      written: run.shards.totalBytes,
      scratch: Math.max(disk.calibration, disk.evaluation),
      scratchParts: disk.scratch,
    },
    flops,
    memory: memoryEstimator(run, resident)(run.memory),
    seconds: estimateSeconds(run, flops, speed),
    workers,
    notes: [...located.notes, ...run.notes, ...goalNotes(run), ...(shortage === undefined ? [] : [shortage])],
  };
}

/** Where no fraction is asked for, nothing is known of the zeros before the weights are read. */
function goalNotes({ config, allocation, layers }: PreparedRun): string[] {
  const { sparsity, pattern } = config.prune;
  if (sparsity !== undefined || pattern !== undefined || !layers.some(({ shares }) => shares)) return [];
  return [
    `prune.${allocation.name} says what goes; how much that is, the run tells when it has read the weights`,
  ];
}

function plannedLayer({ name, linear, pattern }: LayerPlan, { comparesRows }: BoundMethod): PlannedLayer {
  const numel = linear.out * linear.in;
  const shape = [linear.out, linear.in] as const;
  if (pattern === 'dense') return { name, shape, numel, target: 0, pattern: 'dense', zeros: 0 };
  const target = patternSparsity(pattern);
  const zeros = comparesRows ? linear.out * zeroCount(linear.in, target) : zeroCount(numel, target);
  return { name, shape, numel, target, pattern: patternName(pattern), zeros };
}

/** Starts as many workers as have a core of their own, and lets them multiply matrices at the same time. */
async function measureMachine(
  threads: number,
  prepareSeconds: number,
  signal: AbortSignal | undefined,
): Promise<MachineSpeed> {
  const before = process.cpuUsage();
  const pool = new WorkerPool(threads, signal);
  try {
    await pool.ready();
    const startSeconds = processorSeconds(before) / threads;
    const tasks = Array.from({ length: threads }, () => null);
    const threadFlops = await pool.map('runtime/speed-task', measureSpeed, tasks);
    return { threadFlops, cores: availableParallelism(), prepareSeconds, startSeconds };
  } finally {
    await pool.close();
  }
}

/** Unlike the clock on the wall, the same while others use the machine. */
function processorSeconds(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
