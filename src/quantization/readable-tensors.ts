/**
 * The tensors of a checkpoint as they are read: those that are stored as codes and scales stand for one of f32.
 * @module
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseBoundedJson } from '../checkpoint/bounded-json.js';
import { type Checkpoint, CONFIG_LIMITS, MAX_CONFIG_BYTES } from '../checkpoint/checkpoint.js';
import type { Dtype } from '../checkpoint/dtype.js';
import { readSmallFile } from '../checkpoint/read-small-file.js';
import type { TensorFile } from '../runtime/tensor-file.js';
import { type EncodedTensors, encodedTensors } from './encoded-tensors.js';
import { MODELOPT_FILE, parseModelOpt, parseQuantization, type Quantization } from './quantization-config.js';

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
  const quantization =
    parseQuantization(config, `${folder}/config.json`) ?? modelOptQuantization(folder, tensors);
  return readWith(tensors, quantization ? encodedTensors(tensors, quantization, folder) : []);
}

/** Some checkpoints of ModelOpt say it in a file of their own alone. */
function modelOptQuantization(folder: string, tensors: Checkpoint['tensors']): Quantization | undefined {
  const path = join(folder, MODELOPT_FILE);
  const hasCodes = [...tensors.values()].some(({ dtype }) => dtype === 'F8_E4M3');
  if (!hasCodes || !existsSync(path)) return undefined;
  const config = parseBoundedJson(readSmallFile(path, MAX_CONFIG_BYTES), CONFIG_LIMITS, path);
  return parseModelOpt(config, path);
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
  const scales = new Set(encoded.flatMap((each) => [each.scales, ...each.unread]));
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
