import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normals } from '../support/random.js';
import { scoresOf, smallest } from './selection-oracle.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;

function select(scores: Float32Array<ArrayBuffer>, rows: number, keep: number, of: number): Uint8Array {
  const mask = workspace.out(scores.length);
  kernels.selectNofM(workspace.put(scores), rows, scores.length / rows, keep, of, mask);
  const result = kernels.u8(mask, scores.length).slice();
  workspace.finish();
  return result;
}

function expected(scores: Float32Array, keep: number, of: number): Uint8Array {
  const mask = new Uint8Array(scores.length);
  for (let start = 0; start < scores.length; start += of) {
    mask.set(smallest(scores.subarray(start, start + of), of - keep), start);
  }
  return mask;
}

describe('selectNofM', () => {
  it('prunes the M − N smallest of every group, ties by index, for any N < M', () => {
    const problem = fc
      .record({
        rows: fc.integer({ min: 1, max: 4 }),
        groups: fc.integer({ min: 1, max: 5 }),
        of: fc.oneof(fc.constantFrom(2, 4, 8, 64, 65), fc.integer({ min: 2, max: 80 })),
      })
      .chain(({ rows, groups, of }) =>
        fc.record({
          rows: fc.constant(rows),
          of: fc.constant(of),
          keep: fc.integer({ min: 1, max: of - 1 }),
          scores: scoresOf(rows * groups * of),
        }),
      );
    fc.assert(
      fc.property(problem, ({ rows, keep, of, scores }) => {
        expect(select(scores, rows, keep, of)).toEqual(expected(scores, keep, of));
      }),
      { numRuns: 400 },
    );
  });

  it('orders every arrangement of three values in groups of four', () => {
    const all = Array.from({ length: 81 }, (_, i) => [
      i % 3,
      Math.floor(i / 3) % 3,
      Math.floor(i / 9) % 3,
      Math.floor(i / 27),
    ]);
    const scores = Float32Array.from(all.flat());
    for (const keep of [1, 2, 3]) expect(select(scores, 81, keep, 4)).toEqual(expected(scores, keep, 4));
  });

  it.each([
    [1, 2],
    [2, 4],
    [1, 4],
    [3, 5],
    [4, 8],
    [2, 16],
    [31, 64],
    [32, 65],
    [100, 300],
  ])('%i:%i on rows of many groups', (keep, of) => {
    const scores = normals(3 * 7 * of, of).map((x) => Math.abs(x)) as Float32Array<ArrayBuffer>;
    expect(select(scores, 3, keep, of)).toEqual(expected(scores, keep, of));
  });
});
