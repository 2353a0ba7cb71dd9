/**
 * The `inspect` command's work: zeros and patterns of a checkpoint as it lies on the disk.
 * @module
 */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js';
import { checkpointModel } from '../forward/checkpoint-model.js';
import type { Locate } from '../forward/model-tensors.js';
import { floatTensor, isFloatDtype, type StoredFloatTensor } from '../forward/stored-tensor.js';
import { elementCount } from '../graph/value.js';
import { groupBy } from '../group-by.js';
import { describedTensors, storedName } from '../model/check-tensors.js';
import { unitsOf, weightName } from '../model/description.js';
import { type ReadableTensor, readableTensors, storedTensors } from '../quantization/readable-tensors.js';
import { automaticWorkers, settle, WorkerPool } from '../runtime/worker-pool.js';
import { countZeros } from '../sparsity/count-stored-zeros.js';
import { parsePattern } from '../sparsity/pattern.js';
import { checkpointFolder, type OpenModelOptions } from './open-model.js';
import { linearName } from './prepare/layer-plan.js';

export interface InspectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly numel: number;
  /** ±0 elements; null for dtypes that aren't read. */
  readonly zeros: number | null;
  readonly sparsity: number | null;
  /** Whether it is one of the linears that pruning works on, or holds some of them. */
  readonly prunable: boolean;
  /** Groups along the inputs that break the pattern asked for; only for linears whose input size it divides. */
  readonly violations?: number;
}

export interface InspectedLinear {
  /** Full name without `.weight`. */
  readonly name: string;
  /** [out, in] */
  readonly shape: readonly [number, number];
  /** Linears of a block with the same group read the same activation. */
  readonly inputGroup: string;
  /** The tensor that holds it. */
  readonly tensor: string;
}

export interface InspectResult {
  readonly folder: string;
  readonly tensors: readonly InspectedTensor[];
  /** What pruning works on, in the order of the computation; empty for models that aren't supported. */
  readonly linears: readonly InspectedLinear[];
  readonly totals: {
    readonly parameters: number;
    readonly zeros: number;
    readonly prunable: number;
    readonly prunableZeros: number;
    readonly bytes: number;
  };
  readonly pattern?: string;
  readonly notes: readonly string[];
}

export interface InspectOptions extends OpenModelOptions {
  /** `N:M` */
  readonly pattern?: string | undefined;
}

/**
 * @param folder a checkpoint's, or a name on the hub
 * @throws RequestError for a folder that isn't a checkpoint, or a pattern that isn't N:M; as `checkpointFolder`
 */
export async function runInspect(folder: string, options: InspectOptions = {}): Promise<InspectResult> {
  const pattern = options.pattern === undefined ? undefined : parsePattern(options.pattern);
  const located = await checkpointFolder(folder, options);
  const checkpoint = await openCheckpoint(located.folder);
  const { tensors: readable, notes: encodingNotes } = readableOrStored(checkpoint);
  const { linears, locate, notes } = prunableLinears(checkpoint, readable);
  const heldIn = groupBy(linears, ({ tensor }) => tensor);
  const pool = new WorkerPool(automaticWorkers(), options.signal);
  try {
    const inspectTensor = async (tensor: ReadableTensor): Promise<InspectedTensor> => {
      const { name, shape, dtype, encoded } = tensor;
      const numel = elementCount(shape);
      const held = heldIn.get(name) ?? [];
      const base = { name, shape, dtype: encoded?.storage ?? dtype, numel, prunable: held.length > 0 };
      if (!isFloatDtype(dtype)) return { ...base, zeros: null, sparsity: null };
      const { zeros } = await countZeros(pool, inStoredOrder(floatTensor(readable, name)), undefined);
      const counted = { ...base, zeros, sparsity: numel === 0 ? 0 : zeros / numel };
      const fitting = held.filter((linear) => pattern?.kind === 'n:m' && linear.shape[1] % pattern.of === 0);
      if (fitting.length === 0) return counted;
      const counts = await settle(
        fitting.map((linear) => countZeros(pool, locate(`${linear.name}.weight`), pattern)),
      );
      return { ...counted, violations: counts.reduce((sum, { violations }) => sum + violations, 0) };
    };
    const tensors: InspectedTensor[] = Array(readable.size);
    await pool.forEach([...[...readable.values()].entries()], async ([index, tensor]) => {
      tensors[index] = await inspectTensor(tensor);
    });
    options.signal?.throwIfAborted();
    const sum = (list: readonly InspectedTensor[], f: (tensor: InspectedTensor) => number) =>
      list.reduce((total, tensor) => total + f(tensor), 0);
    const prunable = tensors.filter((tensor) => tensor.prunable);
    return {
      folder: checkpoint.folder,
      tensors,
      linears,
      totals: {
        parameters: sum(tensors, ({ numel }) => numel),
        zeros: sum(tensors, ({ zeros }) => zeros ?? 0),
        prunable: sum(prunable, ({ numel }) => numel),
        prunableZeros: sum(prunable, ({ zeros }) => zeros ?? 0),
        bytes: checkpoint.bytes,
      },
      ...(options.pattern === undefined ? {} : { pattern: options.pattern }),
      notes: [...located.notes, ...checkpoint.notes, ...encodingNotes, ...notes],
    };
  } finally {
    await pool.close();
  }
}

/** The tensors as they are read; those of an encoding that isn't as they are stored, and a note that says why. */
function readableOrStored(checkpoint: Checkpoint): {
  readonly tensors: ReadonlyMap<string, ReadableTensor>;
  readonly notes: readonly string[];
} {
  try {
    return { tensors: readableTensors(checkpoint), notes: [] };
  } catch (error) {
    return { tensors: storedTensors(checkpoint), notes: [(error as Error).message] };
  }
}

/** The same elements in the order in which they lie in the file, which is quicker to read. */
function inStoredOrder(tensor: StoredFloatTensor): StoredFloatTensor {
  const { file } = tensor;
  return typeof file !== 'string' && 'strides' in file
    ? { ...tensor, file: file.whole, offset: file.start }
    : tensor;
}

/** The linears of a supported model; for any other checkpoint none, and a note that says why. */
function prunableLinears(
  checkpoint: Checkpoint,
  tensors: ReadonlyMap<string, ReadableTensor>,
): {
  readonly linears: readonly InspectedLinear[];
  readonly locate: Locate;
  readonly notes: readonly string[];
} {
  try {
    const { model, locate } = checkpointModel(checkpoint, tensors);
    const stored = new Map(describedTensors(model).map((tensor) => [tensor.name, storedName(tensor)]));
    const linears = model.blocks.flatMap(unitsOf).flatMap((unit) =>
      unit.linears.map((linear): InspectedLinear => {
        const { out, in: columns, inputGroup } = linear;
        const weight = weightName(unit, linear);
        const name = linearName(unit, linear);
        return { name, shape: [out, columns], inputGroup, tensor: stored.get(weight) ?? weight };
      }),
    );
    return { linears, locate, notes: [] };
  } catch (error) {
    const locate = (name: string) => floatTensor(tensors, name);
    return { linears: [], locate, notes: [(error as Error).message] };
  }
}
