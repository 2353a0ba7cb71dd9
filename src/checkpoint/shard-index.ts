/**
 * `model.safetensors.index.json`: which shard holds which tensor.
 * @module
 */
import { RequestError } from '../errors.js';
import { plainNameProblem } from './contained-file.js';
import { JsonError, type JsonObject, type JsonValue, parseStrictJson, shortened } from './strict-json.js';

export const SINGLE_FILE_NAME = 'model.safetensors';
export const INDEX_FILE_NAME = 'model.safetensors.index.json';

/** No index comes near: the largest published ones have some hundred thousand tensors in 20 MB. */
export const MAX_INDEX_BYTES = 48_000_000;
/** Keys and values: two for each tensor, so 500,000 of them; as much memory as the index's own bytes allow. */
export const MAX_INDEX_VALUES = 1_000_000;
/** No checkpoint comes near: the largest published ones have some hundreds. */
export const MAX_SHARDS = 10_000;

/** An index has two levels; what a tool may add to it has a few more. */
const MAX_INDEX_DEPTH = 64;

/** Tensor name → file name of its shard, in the index's order. */
export type WeightMap = ReadonlyMap<string, string>;

/**
 * Parses an index. Only `weight_map` counts; its file names are plain names ending in `.safetensors`.
 * @param path only for messages
 * @throws RequestError naming the file, and the tensor where there is one
 */
export function parseShardIndex(bytes: Uint8Array, path: string): WeightMap {
  let root: JsonValue;
  try {
    root = parseStrictJson(bytes, { maxDepth: MAX_INDEX_DEPTH, maxValues: MAX_INDEX_VALUES });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new RequestError(
      `${path} is ${error.malformed ? 'not valid JSON' : 'over the limit'}: ${error.message}`,
    );
  }
  const entries = root instanceof Map ? (root as JsonObject).get('weight_map') : undefined;
  if (!(entries instanceof Map)) throw new RequestError(`${path} has no "weight_map" object`);
  if (entries.size === 0) throw new RequestError(`${path} names no tensors`);

  const weightMap = new Map<string, string>();
  const shards = new Set<string>();
  for (const [tensor, file] of entries as JsonObject) {
    const where = () => `${path}: the file name of tensor ${JSON.stringify(shortened(tensor))}`;
    if (typeof file !== 'string') throw new RequestError(`${where()} is not a string`);
    if (!shards.has(file)) {
      const name = () => JSON.stringify(shortened(file));
      const problem = plainNameProblem(file);
      if (problem !== undefined) throw new RequestError(`${where()}, ${name()}, is refused: ${problem}`);
      if (!file.endsWith('.safetensors'))
        throw new RequestError(`${where()}, ${name()}, does not end in .safetensors`);
    }
    weightMap.set(tensor, file);
    shards.add(file);
    if (shards.size > MAX_SHARDS) throw new RequestError(`${path} names more than ${MAX_SHARDS} files`);
  }
  return weightMap;
}

/**
 * The text of an index, as huggingface_hub writes it.
 * @param entries tensors and the file names of their shards, in the order that they are written
 * @param totalBytes of all tensors' data
 */
export function encodeShardIndex(
  entries: readonly (readonly [tensor: string, fileName: string])[],
  totalBytes: number,
): string {
  const lines = entries.map(
    ([tensor, fileName]) => `    ${JSON.stringify(tensor)}: ${JSON.stringify(fileName)}`,
  );
  return `{\n  "metadata": {\n    "total_size": ${totalBytes}\n  },\n  "weight_map": {\n${lines.join(',\n')}\n  }\n}\n`;
}

/** Keys and values of what {@link encodeShardIndex} writes. */
export function shardIndexValues(tensors: number): number {
  return 7 + 2 * tensors;
}
