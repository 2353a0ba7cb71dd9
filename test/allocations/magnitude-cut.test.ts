import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { magnitudeCut } from '../../src/pipeline/allocations/magnitude-cut.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { normals } from '../support/random.js';
import { denseLinears } from './conformance.js';

const pool = new WorkerPool(1);
const folder = mkdtempSync(join(tmpdir(), 'secateur-magnitude-cut-'));
afterAll(async () => {
  await pool.close();
  rmSync(folder, { recursive: true });
});

/** The f32 next to a positive one. */
function neighbour(value: number, step: 1 | -1): number {
  const single = Float32Array.of(value);
  const bits = new Uint32Array(single.buffer);
  bits[0] = (bits[0] as number) + step;
  return single[0] as number;
}

// As f32 0.7 is less than it is as a double, 0.1 more, and 0.5 the same.
it.each([0.7, 0.1, 0.5, 1e-45, 1])(
  'takes what is below a threshold of %d, which f32 may not hold',
  async (threshold) => {
    const nearest = Math.fround(threshold);
    const near = [neighbour(nearest, -1), nearest, neighbour(nearest, 1)];
    const w = Float32Array.of(...near, ...near.map((value) => -value), 0, -0, ...normals(40, 3));
    const shape = [1, w.length] as const;
    const linears = denseLinears(folder, [{ block: 0, shape, w, norms: new Float32Array() }]);
    const { sparsities } = await magnitudeCut.share(
      pool,
      { linears, goal: undefined, onStep: () => {} },
      { threshold },
    );
    const below = w.filter((value) => Math.abs(value) < threshold).length;
    expect(sparsities).toEqual([below / w.length]);
  },
);
