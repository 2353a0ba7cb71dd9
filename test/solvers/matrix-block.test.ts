import { describe, expect, it } from 'vitest';
import { forEachRow } from '../../src/solvers/matrix-block.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';

const [rows, columns] = [13, 10];
const numbers = Float32Array.from({ length: rows * columns }, (_, i) => i);

describe('rows of a block', () => {
  // Views of one row, two, five, and all of them.
  it.each([1, 20, 59, 1000])('are those of the matrix in views of %i elements', (viewElements) => {
    const { address } = nativeTensor(numbers, [rows, columns]);
    const block = { address, stride: columns, row: 2, column: 3, rows: 11, columns: 7 };
    const seen: [number, number[]][] = [];
    forEachRow(
      block,
      (values, index) => {
        seen.push([index, [...values]]);
        values.fill(-1);
      },
      viewElements,
    );
    const expected = Array.from({ length: 11 }, (_, i) => [
      i,
      Array.from({ length: 7 }, (_, j) => (2 + i) * columns + 3 + j),
    ]);
    expect(seen).toEqual(expected);
    const inBlock = (i: number) => Math.floor(i / columns) >= 2 && i % columns >= 3;
    expect([...float32View(address, numbers.length)]).toEqual(
      [...numbers].map((value, i) => (inBlock(i) ? -1 : value)),
    );
  });
});
