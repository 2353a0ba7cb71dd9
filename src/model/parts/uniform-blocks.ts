/**
 * Blocks that are all alike.
 * @module
 */
import type { BlockDescription } from '../description.js';
import { blockOf } from './part.js';
import type { Residuals } from './residuals.js';

export interface UniformBlocks extends Pick<BlockDescription, 'hiddenSize' | 'graphKey'> {
  readonly count: number;
  /** Full name of the list of blocks: `transformer.h`. */
  readonly list: string;
}

export function uniformBlocks(
  { parts, forward }: Residuals,
  { count, list, hiddenSize, graphKey }: UniformBlocks,
): BlockDescription[] {
  return Array.from({ length: count }, (_, index) =>
    blockOf(parts, { prefix: `${list}.${index}.`, hiddenSize, graphKey, forward }),
  );
}
