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
import { estimateFlops, estimateMemory, type Flops, type MemoryPart } from './estimate.js';
import type { LayerPlan } from './layer-plan.js';
import { type PreparedRun, prepareRun } from './prepare-run.js';

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
  readonly model: string;
  readonly method: string;
  readonly layers: readonly PlannedLayer[];
  readonly totals: {
    readonly prunable: number;
    readonly zeros: number;
    readonly sparsity: number;
    readonly parameters: number;
  };
  readonly bytes: { readonly read: number; readonly written: number; readonly scratch: number };
  readonly flops: Flops;
  readonly memory: { readonly peakBytes: number; readonly parts: readonly MemoryPart[] };
  /** From a short measurement of this machine's speed. */
  readonly seconds: { readonly prune: number; readonly evaluation: number };
  readonly workers: number;
  readonly notes: readonly string[];
}

/** Share of the machine's GEMM speed that whole passes reach: norms, attention, conversions and waiting take the rest. */
const EFFICIENCY = 0.8;
/** Bytes of weights a second that are read, converted, masked and written, when nothing else is to be done. */
const STORAGE_BYTES_PER_SECOND = 150e6;

/** @throws RequestError like a run would, before anything is written */
export async function makePlan(config: RunConfig): Promise<Plan> {
  const run = await prepareRun(config);
  const flops = estimateFlops(run);
  const parts = estimateMemory(run);
  const layers = run.layers.map(plannedLayer);
  const prunable = layers.reduce((sum, { numel }) => sum + numel, 0);
  const zeros = layers.reduce((sum, layer) => sum + layer.zeros, 0);
  const speed = (await threadSpeed()) * Math.min(run.workers, availableParallelism()) * EFFICIENCY;
  const compute = flops.forward + flops.gram + flops.solve + flops.propagate;
  const { bytes } = run.checkpoint;
  return {
    model: run.checkpoint.folder,
    method: run.method.name,
    layers,
    totals: {
      prunable,
      zeros,
      sparsity: zeros / prunable,
      parameters: [...run.checkpoint.tensors.values()].reduce(
        (sum, { shape }) => sum + elementCount(shape),
        0,
      ),
    },
    bytes: {
      read: bytes * (config.evaluation ? 3 : 1),
      written: run.shards.totalBytes,
      scratch: scratchBytes(run),
    },
    flops,
    memory: { peakBytes: parts.reduce((sum, part) => sum + part.bytes, 0), parts },
    seconds: {
      prune: compute / speed + bytes / STORAGE_BYTES_PER_SECOND,
      evaluation: flops.evaluation / speed,
    },
    workers: run.workers,
    notes: run.notes,
  };
}

function plannedLayer({ name, linear, pattern }: LayerPlan): PlannedLayer {
  const numel = linear.out * linear.in;
  const shape = [linear.out, linear.in] as const;
  if (pattern === 'dense') return { name, shape, numel, target: 0, pattern: 'dense', zeros: 0 };
  const target = patternSparsity(pattern);
  return { name, shape, numel, target, pattern: patternName(pattern), zeros: zeroCount(numel, target) };
}

/** Hidden states on the disk while the run works. */
function scratchBytes({ model, calibration, windows, evaluation }: PreparedRun): number {
  const states = (count: number, tokens: number) => count * tokens * model.hiddenSize * 4;
  return Math.max(
    states(windows, calibration?.sequenceLength ?? 0),
    states(evaluation?.windows ?? 0, evaluation?.context ?? 0),
  );
}

async function threadSpeed(): Promise<number> {
  const pool = new WorkerPool(1);
  try {
    return await pool.run('runtime/speed-task', measureSpeed, null);
  } finally {
    await pool.close();
  }
}
