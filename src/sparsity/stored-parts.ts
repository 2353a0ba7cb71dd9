/**
 * A matrix as it is stored, cut into what one task scores: read only.
 * @module
 */
import { bytesPerElement } from '../forward/float-storage.js';
import type { StoredFloatTensor } from '../forward/stored-tensor.js';
import { partsOf } from '../runtime/parts.js';
import { scoredTogether } from './prune-by-score.js';
import type { ScoredRows } from './score-mask-task.js';

/** A matrix of the source. */
export interface DenseMatrix {
  /** Of the linear, for messages. */
  readonly name: string;
  /** [out, in] */
  readonly weights: StoredFloatTensor;
}

/** @param score its name: `magnitude`, or `wanda` with a factor for every column, [in] */
export function storedParts(
  { name, weights }: DenseMatrix,
  score: 'magnitude' | 'wanda',
  factors?: Float32Array,
): ScoredRows[] {
  const [rows = 0, columns = 0] = weights.shape;
  const { file, offset, dtype } = weights;
  return partsOf(rows, scoredTogether(columns, file)).map(({ first, count }) => ({
    score,
    name,
    place: {
      tensor: weights.name,
      source: { file, offset: offset + first * columns * bytesPerElement(dtype), dtype },
      target: undefined,
      firstIndex: first * columns,
    },
    rows: count,
    first,
    columns,
    vectors: { columns: factors ? [factors] : [], rows: [] },
  }));
}
