import { expect, it } from 'vitest';
import { blockQuotas } from '../../src/solvers/block-quotas.js';
import { uniform } from '../support/random.js';

const sum = (list: readonly number[]) => list.reduce((total, each) => total + each, 0);

it('is the shares where no block has more zeros than its share', () => {
  expect(blockQuotas([3, 2, 4], [0, 2, 1])).toEqual([3, 2, 4]);
});

it.each([
  ['takes from the blocks after', [3, 3, 3], [5, 0, 0], [5, 1, 3]],
  ['takes from the blocks before where it has to', [3, 3, 3], [0, 0, 7], [2, 0, 7]],
  ['is just the zeros where they are more', [1, 1, 1], [4, 0, 4], [4, 0, 4]],
])('%s', (_, shares, existing, quotas) => {
  expect(blockQuotas(shares, existing)).toEqual(quotas);
});

it('comes to the goal, or to the zeros where they are more, with no block below its zeros or above its size', () => {
  const next = uniform(1);
  for (let round = 0; round < 2000; round++) {
    const sizes = Array.from({ length: 1 + Math.floor(next() * 6) }, () => Math.floor(next() * 20));
    const [density, sparsity] = [next(), next()];
    const existing = sizes.map((size) => Math.round(size * Math.min(1, density * 2 * next())));
    let before = 0;
    const ends = sizes.map((_, block) => Math.floor(sum(sizes.slice(0, block + 1)) * sparsity));
    const shares = ends.map((end) => {
      const share = end - before;
      before = end;
      return share;
    });
    const quotas = blockQuotas(shares, existing);
    expect(sum(quotas)).toBe(Math.max(sum(shares), sum(existing)));
    for (const [block, quota] of quotas.entries()) {
      expect(quota).toBeGreaterThanOrEqual(existing[block] as number);
      expect(quota).toBeLessThanOrEqual(sizes[block] as number);
    }
  }
});
