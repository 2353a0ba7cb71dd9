/** Two versions of a pruned linear side by side. @module */

export interface PrunedComparison {
  /** Fraction of places where both are pruned or both are kept. */
  readonly masks: number;
  /** Fraction of rows whose masks are the same. */
  readonly equalRows: number;
  /** Relative norm of the difference of the weights in these rows: others make up for other errors. */
  readonly weightError: number;
}

export function comparePruned(ours: Float32Array, theirs: Float32Array, columns: number): PrunedComparison {
  const rows = ours.length / columns;
  let [same, equalRows, difference, size] = [0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const [a, b] = [ours, theirs].map((matrix) => matrix.subarray(row * columns, (row + 1) * columns)) as [
      Float32Array,
      Float32Array,
    ];
    const equal = a.reduce((count, value, j) => count + ((value === 0) === (b[j] === 0) ? 1 : 0), 0);
    same += equal;
    if (equal < columns) continue;
    equalRows++;
    for (let j = 0; j < columns; j++) {
      difference += ((a[j] as number) - (b[j] as number)) ** 2;
      size += (b[j] as number) ** 2;
    }
  }
  return {
    masks: same / ours.length,
    equalRows: equalRows / rows,
    weightError: Math.sqrt(difference / size),
  };
}
