/** What ADMM and conjugate gradients do to rows, against the same in f64. */
import { describe, expect, it } from 'vitest';
import { normals } from '../support/random.js';
import { Workspace } from './workspace.js';

const workspace = new Workspace();
const { kernels } = workspace;
const random = (count: number, seed: number) => Float32Array.from(normals(count, seed));
const at = (values: ArrayLike<number>, i: number) => values[i] as number;

/** Within a few roundings of f32. */
function expectClose(got: Float32Array, expected: (i: number) => number): void {
  for (const [i, value] of got.entries()) {
    expect(Math.abs(value - expected(i))).toBeLessThan(1e-5 * (1 + Math.abs(expected(i))));
  }
}

describe.each([
  [1, 1],
  [3, 4],
  [5, 13],
  [2, 64],
])('%i × %i', (rows, columns) => {
  const size = rows * columns;

  it('admmRight gives the right side and leaves the multipliers', () => {
    const [state, target, scale] = [random(size, 1), random(size, 2), random(columns, 3)];
    const mask = Uint8Array.from({ length: size }, (_, i) => ((i * 7) % 3) & 1);
    const place = workspace.put(state);
    const out = workspace.out(size * 4);
    kernels.admmRight(
      place,
      workspace.put(target),
      workspace.put(mask),
      workspace.put(scale),
      out,
      rows,
      columns,
      {
        kept: 0.7,
        pruned: -0.4,
        ratio: 0.25,
      },
    );
    expectClose(kernels.f32(out, size), (i) => {
      const factor = mask[i] === 1 ? -0.4 : 0.7;
      return at(target, i) + at(scale, i % columns) * at(state, i) * factor;
    });
    expectClose(kernels.f32(place, size), (i) => (mask[i] === 1 ? at(state, i) * 0.25 : 0));
    workspace.finish();
  });

  it('addScaled adds by column', () => {
    const [state, solved, scale] = [random(size, 4), random(size, 5), random(columns, 6)];
    const place = workspace.put(state);
    kernels.addScaled(place, workspace.put(solved), workspace.put(scale), rows, columns);
    expectClose(kernels.f32(place, size), (i) => at(state, i) + at(solved, i) * at(scale, i % columns));
    workspace.finish();
  });

  it('conjugateStep and conjugateDirection move along a direction', () => {
    const [x, residual, direction, image] = [7, 8, 9, 10].map((seed) => random(size, seed)) as [
      Float32Array<ArrayBuffer>,
      Float32Array<ArrayBuffer>,
      Float32Array<ArrayBuffer>,
      Float32Array<ArrayBuffer>,
    ];
    const kept = Float32Array.from({ length: size }, (_, i) => (i % 3 === 0 ? 0 : 1));
    const inverse = random(size, 11).map(Math.abs);
    const places = {
      x: workspace.put(x),
      residual: workspace.put(residual),
      direction: workspace.put(direction),
      image: workspace.put(image),
      kept: workspace.put(kept),
      inverseDiagonal: workspace.put(inverse),
    };
    const norm = kernels.conjugateStep(places, size, 0.3);
    const left = (i: number) => (at(residual, i) - 0.3 * at(image, i)) * at(kept, i);
    expectClose(kernels.f32(places.x, size), (i) => at(x, i) + 0.3 * at(direction, i));
    expectClose(kernels.f32(places.residual, size), left);
    const expected = x.reduce((sum, _, i) => sum + left(i) ** 2 * at(inverse, i), 0);
    expect(norm).toBeCloseTo(expected, 4);
    kernels.conjugateDirection(places.direction, places.residual, places.inverseDiagonal, size, 0.6);
    expectClose(
      kernels.f32(places.direction, size),
      (i) => left(i) * at(inverse, i) + 0.6 * at(direction, i),
    );
    workspace.finish();
  });
});

it('absoluteSums adds up rows and columns', () => {
  const weights = random(7 * 10, 12);
  const [rowSums, columnSums] = [new Float64Array(7).fill(1), new Float64Array(10).fill(2)];
  const [rows, columns] = [workspace.put(rowSums), workspace.put(columnSums)];
  kernels.absoluteSums(workspace.put(weights), rows, columns, 7, 10);
  const sum = (list: Float32Array) => list.reduce((total, w) => total + Math.abs(w), 0);
  for (let r = 0; r < 7; r++)
    expect(kernels.f64(rows, 7)[r]).toBeCloseTo(1 + sum(weights.slice(r * 10, r * 10 + 10)), 10);
  for (let c = 0; c < 10; c++) {
    expect(kernels.f64(columns, 10)[c]).toBeCloseTo(2 + sum(weights.filter((_, i) => i % 10 === c)), 10);
  }
  workspace.finish();
});
