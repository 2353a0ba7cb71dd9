/**
 * The `inspect` command's work: zeros and patterns of a checkpoint as it lies on the disk.
 * @module
 */
import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { floatTensor, isFloatDtype } from '../forward/stored-tensor.js';
import { elementCount } from '../graph/value.js';
import { describeModel } from '../model/describe-model.js';
import { weightName } from '../model/description.js';
import { automaticWorkers, settle, WorkerPool } from '../runtime/worker-pool.js';
import { countZeros } from '../sparsity/count-stored-zeros.js';
import { parsePattern } from '../sparsity/pattern.js';
import { checkpointFolder, type OpenModelOptions } from './open-model.js';

export interface InspectedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly numel: number;
  /** ±0 elements; null for dtypes that aren't read. */
  readonly zeros: number | null;
  readonly sparsity: number | null;
  /** Whether it is one of the linears that pruning works on. */
  readonly prunable: boolean;
  /** Groups that break the pattern asked for; only for prunable tensors whose input size it divides. */
  readonly violations?: number;
}

export interface InspectResult {
  readonly folder: string;
  readonly tensors: readonly InspectedTensor[];
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
  const { prunable, notes } = prunableNames(checkpoint.config, checkpoint.folder);
  const pool = new WorkerPool(automaticWorkers(), options.signal);
  try {
    const tensors = await settle(
      [...checkpoint.tensors.values()].map(async ({ name, shape, dtype }): Promise<InspectedTensor> => {
        const numel = elementCount(shape);
        const base = { name, shape, dtype, numel, prunable: prunable.has(name) };
        if (!isFloatDtype(dtype)) return { ...base, zeros: null, sparsity: null };
        const fits = pattern?.kind === 'n:m' && base.prunable && (shape.at(-1) ?? 0) % pattern.of === 0;
        const counted = await countZeros(
          pool,
          floatTensor(checkpoint.tensors, name),
          fits ? pattern : undefined,
        );
        const zeros = { zeros: counted.zeros, sparsity: numel === 0 ? 0 : counted.zeros / numel };
        return { ...base, ...zeros, ...(fits ? { violations: counted.violations } : {}) };
      }),
    );
    const sum = (list: readonly InspectedTensor[], f: (tensor: InspectedTensor) => number) =>
      list.reduce((total, tensor) => total + f(tensor), 0);
    const linears = tensors.filter((tensor) => tensor.prunable);
    return {
      folder: checkpoint.folder,
      tensors,
      totals: {
        parameters: sum(tensors, ({ numel }) => numel),
        zeros: sum(tensors, ({ zeros }) => zeros ?? 0),
        prunable: sum(linears, ({ numel }) => numel),
        prunableZeros: sum(linears, ({ zeros }) => zeros ?? 0),
        bytes: checkpoint.bytes,
      },
      ...(options.pattern === undefined ? {} : { pattern: options.pattern }),
      notes: [...located.notes, ...checkpoint.notes, ...notes],
    };
  } finally {
    await pool.close();
  }
}

/** The linears of a supported model; for any other checkpoint none, and a note that says why. */
function prunableNames(config: unknown, folder: string): { prunable: Set<string>; notes: string[] } {
  try {
    const model = describeModel(config, `${folder}/config.json`);
    const names = model.blocks.flatMap((block) => block.linears.map((linear) => weightName(block, linear)));
    return { prunable: new Set(names), notes: [] };
  } catch (error) {
    return { prunable: new Set(), notes: [(error as Error).message] };
  }
}
