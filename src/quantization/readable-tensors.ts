/**
 * The tensors of a checkpoint as they are read: those that are stored as codes and scales stand for one of f32.
 * @module
 */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Dtype } from '../checkpoint/dtype.js';
import type { TensorFile } from '../runtime/tensor-file.js';
import { type EncodedTensors, encodedTensors } from './encoded-tensors.js';
import { parseQuantization } from './quantization-config.js';

export interface ReadableTensor {
  readonly name: string;
  readonly file: TensorFile;
  /** Bytes from the start of the file, or of the view. */
  readonly offset: number;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Where it is stored as codes and scales. */
  readonly encoded?: EncodedTensors | undefined;
}

/**
 * By name, in the order of the checkpoint.
 *
 * @throws RequestError for an encoding that isn't read, or tensors of one that don't fit together
 */
export function readableTensors({
  config,
  folder,
  tensors,
}: Pick<Checkpoint, 'config' | 'folder' | 'tensors'>): Map<string, ReadableTensor> {
  const quantization = parseQuantization(config, `${folder}/config.json`);
  return readWith(tensors, quantization ? encodedTensors(tensors, quantization, folder) : []);
}

/** The tensors themselves, none of them decoded. */
export function storedTensors({ tensors }: Pick<Checkpoint, 'tensors'>): Map<string, ReadableTensor> {
  return readWith(tensors, []);
}

function readWith(
  tensors: Checkpoint['tensors'],
  encoded: readonly EncodedTensors[],
): Map<string, ReadableTensor> {
  const byCodes = new Map(encoded.map((each) => [each.codes, each]));
  const scales = new Set(encoded.map((each) => each.scales));
  const locate = (name: string) => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`there is no tensor ${name}`);
    return tensor;
  };
  const readable = [...tensors.values()].flatMap((tensor): ReadableTensor[] => {
    const { name, path, offset, dtype, shape } = tensor;
    if (scales.has(name)) return [];
    const own = byCodes.get(name);
    if (!own) return [{ name, file: path, offset, dtype, shape }];
    return [
      { name: own.name, file: own.file(locate), offset: 0, dtype: 'F32', shape: own.shape, encoded: own },
    ];
  });
  return new Map(readable.map((tensor) => [tensor.name, tensor]));
}
