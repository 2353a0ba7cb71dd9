/**
 * Where every tensor of a new checkpoint goes: which shard, which bytes.
 * @module
 */
import { RequestError } from '../errors.js';
import { bitsOf, type Dtype, tensorBytes } from './dtype.js';
import {
  HEADER_LENGTH_BYTES,
  MAX_HEADER_BYTES,
  MAX_HEADER_VALUES,
  METADATA_KEY,
} from './safetensors-header.js';
import {
  encodeShardIndex,
  INDEX_FILE_NAME,
  MAX_INDEX_BYTES,
  MAX_INDEX_VALUES,
  MAX_SHARDS,
  SINGLE_FILE_NAME,
  shardIndexValues,
} from './shard-index.js';

/** Data begins, and every 8-byte element lies, at a multiple of this. */
const ALIGNMENT_BYTES = 8;

const SMALLER_SHARDS = 'choose a smaller write.max_shard_size';

/** What is to be written. */
export interface TensorSpec {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface PlannedTensor extends TensorSpec {
  /** Index into the plan's shards. */
  readonly shard: number;
  /** Absolute position in the shard, a multiple of the element's size. */
  readonly offset: number;
  readonly bytes: number;
}

export interface PlannedShard {
  readonly fileName: string;
  /** Bytes of the whole file. */
  readonly size: number;
  /** The file's first bytes: length, JSON, padding. */
  readonly header: Uint8Array;
  /** In the order of their data. */
  readonly tensors: readonly PlannedTensor[];
}

export interface ShardPlan {
  readonly shards: readonly PlannedShard[];
  /** In the order they were given. */
  readonly tensors: ReadonlyMap<string, PlannedTensor>;
  /** Bytes of all tensors' data. */
  readonly totalBytes: number;
}

type SizedTensor = TensorSpec & { readonly bytes: number };

/**
 * Plans the shards. Tensors are taken in the order given, and a shard is closed when the next one would not fit, as
 * huggingface_hub's `split_state_dict_into_shards_factory` does: a tensor larger than the limit gets a shard of its
 * own and the open shard goes on after it; the limit counts the data, not the header. One shard is
 * `model.safetensors`, several are `model-00001-of-0000N.safetensors`.
 *
 * Within a shard the data is laid out by descending element size, then in the order given: without holes (which the
 * format forbids) every tensor is then aligned to its element.
 * @param maxShardSize bytes of data, a positive integer
 * @throws RequestError naming the tensor: a name twice or reserved, a shape that overflows or does not fill whole
 *   bytes; no tensors at all; `maxShardSize` not a positive integer; more shards, or a header or an index of more, than is
 *   read
 */
export function planShards(tensors: readonly TensorSpec[], maxShardSize: number): ShardPlan {
  if (!Number.isSafeInteger(maxShardSize) || maxShardSize < 1)
    throw new RequestError(`the maximum shard size must be a positive number of bytes, not ${maxShardSize}`);
  if (tensors.length === 0) throw new RequestError('a checkpoint needs at least one tensor');

  const groups = groupBySize(sizeTensors(tensors), maxShardSize);
  const larger = 'choose a larger write.max_shard_size';
  requireWithin(MAX_SHARDS, groups.length, 'the checkpoint', 'files of weights', larger);
  const planned = new Map<string, PlannedTensor>();
  const shards = groups.map((group, index) => layOut(group, index, groups.length));
  for (const shard of shards) for (const tensor of shard.tensors) planned.set(tensor.name, tensor);
  const totalBytes = [...planned.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (shards.length > 1) requireReadableIndex(shards, totalBytes);
  return {
    shards,
    tensors: new Map(tensors.map(({ name }) => [name, planned.get(name) as PlannedTensor])),
    totalBytes,
  };
}

/** Tensors and the file names of their shards, shard by shard. */
export function weightMapOf(shards: readonly PlannedShard[]): [tensor: string, fileName: string][] {
  return shards.flatMap(({ fileName, tensors }) =>
    tensors.map(({ name }): [string, string] => [name, fileName]),
  );
}

function requireReadableIndex(shards: readonly PlannedShard[], totalBytes: number): void {
  const weightMap = weightMapOf(shards);
  const remedy = `${weightMap.length} tensors of such names can't be written as one checkpoint`;
  const values = shardIndexValues(weightMap.length);
  requireWithin(MAX_INDEX_VALUES, values, INDEX_FILE_NAME, 'keys and values', remedy);
  const bytes = Buffer.byteLength(encodeShardIndex(weightMap, totalBytes));
  requireWithin(MAX_INDEX_BYTES, bytes, INDEX_FILE_NAME, 'bytes', remedy);
}

/** What is written has to be read again. */
function requireWithin(limit: number, count: number, whose: string, what: string, remedy: string): void {
  if (count > limit)
    throw new RequestError(`${whose} would have ${count} ${what}; the limit is ${limit}: ${remedy}`);
}

function sizeTensors(tensors: readonly TensorSpec[]): SizedTensor[] {
  const names = new Set<string>();
  return tensors.map(({ name, dtype, shape }) => {
    const where = `tensor ${JSON.stringify(name)}`;
    if (names.has(name)) throw new RequestError(`${where} would be written twice`);
    names.add(name);
    if (name === METADATA_KEY || /\p{Surrogate}/u.test(name))
      throw new RequestError(`${where} can't be written under this name`);
    const size = tensorBytes(dtype, shape);
    if ('error' in size)
      throw new RequestError(
        `${where} of dtype ${dtype} and shape [${shape.join(', ')}] can't be written: ${size.error}`,
      );
    return { name, dtype, shape, bytes: size.bytes };
  });
}

function groupBySize(tensors: readonly SizedTensor[], maxShardSize: number): SizedTensor[][] {
  const groups: SizedTensor[][] = [];
  let open: SizedTensor[] = [];
  let openBytes = 0;
  for (const tensor of tensors) {
    if (tensor.bytes > maxShardSize) {
      groups.push([tensor]);
      continue;
    }
    if (openBytes + tensor.bytes > maxShardSize) {
      groups.push(open);
      open = [];
      openBytes = 0;
    }
    open.push(tensor);
    openBytes += tensor.bytes;
  }
  if (open.length > 0) groups.push(open);
  return groups;
}

function layOut(group: readonly SizedTensor[], index: number, count: number): PlannedShard {
  const fileName =
    count === 1 ? SINGLE_FILE_NAME : `model-${padded(index + 1)}-of-${padded(count)}.safetensors`;
  const whose = `the header of ${fileName}`;
  requireWithin(MAX_HEADER_VALUES, headerValues(group), whose, 'keys and values', SMALLER_SHARDS);
  // Array.prototype.sort is stable: equal sizes keep the order given.
  const ordered = [...group].sort((a, b) => bitsOf(b.dtype) - bitsOf(a.dtype));
  let end = 0;
  // Joined by hand: an object would give names such as "__proto__" a meaning and move names such as "7" to the front.
  const members = [`${JSON.stringify(METADATA_KEY)}:{"format":"pt"}`];
  const places = ordered.map((tensor) => {
    const begin = end;
    end += tensor.bytes;
    const { name, dtype, shape } = tensor;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
    return { tensor, begin };
  });
  const header = encodeHeader(`{${members.join(',')}}`);
  const headerBytes = header.byteLength - HEADER_LENGTH_BYTES;
  requireWithin(MAX_HEADER_BYTES, headerBytes, whose, 'bytes', SMALLER_SHARDS);
  return {
    fileName,
    size: header.byteLength + end,
    header,
    tensors: places.map(({ tensor, begin }) => ({
      ...tensor,
      shard: index,
      offset: header.byteLength + begin,
    })),
  };
}

function padded(number: number): string {
  return String(number).padStart(5, '0');
}

/**
 * Keys and values of a header, as they are counted when it is read: of each tensor its name and description, three keys, a
 * dtype, two arrays, two offsets and its dimensions, of which none count as one; and those of the metadata.
 */
function headerValues(tensors: readonly TensorSpec[]): number {
  return tensors.reduce((sum, { shape }) => sum + 10 + Math.max(1, shape.length), 5);
}

/** Length and JSON, padded with spaces so that the data is aligned. */
function encodeHeader(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const length = Math.ceil(text.byteLength / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
  const header = new Uint8Array(HEADER_LENGTH_BYTES + length).fill(0x20, HEADER_LENGTH_BYTES);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, HEADER_LENGTH_BYTES);
  return header;
}
