/**
 * Telling a checkpoint's weights from others of the same shapes without reading all of them.
 * @module
 */
import { createHash } from 'node:crypto';
import { openByteSource } from './byte-source.js';
import type { Checkpoint, CheckpointTensor } from './checkpoint.js';

/** A page of memory, the least that comes from a disk. */
const SAMPLE_BYTES = 4096;

type Samples = Readonly<Record<string, string>>;

/** By the opened checkpoint: a comparison asks once for every variant. */
const known = new WeakMap<object, Samples>();

/**
 * For every shard, by file name, the SHA-256 (hex) of parts of every tensor in it: 4 KiB from its beginning, its middle
 * and its end, or all of a tensor that has no more than these. Depends on the content alone, so that copies of a
 * checkpoint agree; a tensor whose values have changed between the three parts only is not told apart. An opened checkpoint
 * is read once.
 * @throws RequestError or RunError naming the shard when it can't be read
 */
export function sampleWeights(checkpoint: Pick<Checkpoint, 'shards' | 'tensors'>): Samples {
  const samples = known.get(checkpoint) ?? sample(checkpoint);
  known.set(checkpoint, samples);
  return samples;
}

function sample({ shards, tensors }: Pick<Checkpoint, 'shards' | 'tensors'>): Samples {
  const byPath = new Map<string, CheckpointTensor[]>(shards.map(({ path }) => [path, []]));
  for (const tensor of tensors.values()) byPath.get(tensor.path)?.push(tensor);
  return Object.fromEntries(
    shards.map(({ path, fileName }) => [fileName, sampleShard(path, byPath.get(path) ?? [])]),
  );
}

function sampleShard(path: string, tensors: readonly CheckpointTensor[]): string {
  const digest = createHash('sha256');
  const buffer = new Uint8Array(3 * SAMPLE_BYTES);
  const source = openByteSource(path);
  try {
    for (const { offset, bytes } of tensors) {
      const isWhole = bytes <= buffer.length;
      const starts = isWhole ? [0] : [0, Math.floor((bytes - SAMPLE_BYTES) / 2), bytes - SAMPLE_BYTES];
      const part = buffer.subarray(0, isWhole ? bytes : SAMPLE_BYTES);
      for (const start of starts) {
        source.readInto(offset + start, part);
        digest.update(part);
      }
    }
  } finally {
    source.close();
  }
  return digest.digest('hex');
}
