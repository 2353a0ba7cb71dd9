/**
 * What a run writes for each tensor of its source.
 * @module
 */
import type { Checkpoint } from '../../checkpoint/checkpoint.js';
import type { TensorSpec } from '../../checkpoint/shard-plan.js';
import type { RunConfig } from '../../config/run-schema.js';
import { type EncodedTensors, heldBy } from '../../quantization/encoded-tensors.js';
import type { ReadableTensor } from '../../quantization/readable-tensors.js';

export interface WrittenTensors {
  /** In the order that was given. */
  readonly specs: readonly TensorSpec[];
  /** Those that are codes and scales in the output too, by the name of what they stand for. */
  readonly encoded: ReadonlyMap<string, EncodedTensors>;
  /** Those that are codes and scales in the source only. */
  readonly decoded: readonly EncodedTensors[];
}

/** Decoded tensors are written in bf16, in which they would have been published otherwise. */
export function writtenTensors(
  source: Checkpoint['tensors'],
  inOrder: readonly ReadableTensor[],
  dtype: RunConfig['write']['dtype'],
): WrittenTensors {
  const quantized = inOrder.flatMap(({ encoded }) => encoded ?? []);
  const kept = new Map(dtype === 'same' ? quantized.map((each) => [each.name, each]) : []);
  const specs = inOrder.flatMap(({ name, shape, encoded }): TensorSpec[] => {
    if (encoded && !kept.has(name)) return [{ name, shape, dtype: 'BF16' }];
    return heldBy(kept, name).flatMap((own) => source.get(own) ?? []);
  });
  return { specs, encoded: kept, decoded: quantized.filter(({ name }) => !kept.has(name)) };
}
