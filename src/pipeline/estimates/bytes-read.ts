/**
 * What a run reads of weights.
 * @module
 */
import { elementCount } from '../../graph/value.js';
import { weightCount } from '../../model/description.js';
import type { PreparedRun } from '../prepare/prepare-run.js';
import { lossLoads } from './loss-loads.js';

/**
 * Bytes of the source, and of what was written, each time that a stage goes through them. What is read again of the block or
 * linear at work doesn't count: the system still has it in memory.
 */
export function bytesRead(run: PreparedRun): number {
  const { checkpoint, shards, layers, tensors, allocation, gradients, evaluation } = run;
  const weights = [...tensors.values()].reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const pruned = layers.filter(({ pattern }) => pattern !== 'dense').map(({ linear }) => linear);
  const linears = weightCount(pruned) / weights;
  const ofSource = [
    1, // Whether every weight is finite.
    gradients ? 2 : 0, // Forward and backward.
    allocation.windows > 0 ? 1 : 0,
    allocation.looks ? linears : 0,
    lossLoads(run).loaded / weights,
    evaluation ? 1 : 0,
    1, // To be pruned, or copied.
  ];
  const ofOutput = [
    linears, // Whether their zeros are where they should be.
    evaluation ? 1 : 0,
  ];
  const sum = (readings: readonly number[]) => readings.reduce((total, each) => total + each, 0);
  return sum(ofSource) * checkpoint.bytes + sum(ofOutput) * shards.totalBytes;
}
