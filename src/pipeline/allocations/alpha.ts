/**
 * AlphaPruning: what is well trained, as the heavy tail of its weights' spectrum tells, keeps more (Lu et al. 2024, NeurIPS,
 * arXiv 2410.10912).
 * @module
 */
import { z } from 'zod';
import { tailExponent } from '../../statistics/tail-exponent-task.js';
import { spectrumBytes } from '../../statistics/weight-spectrum.js';
import { type Allocation, NO_ALLOCATION_WORK } from './allocation.js';
import { byBlock } from './dense-linears.js';

const options = z
  .strictObject({
    epsilon: z
      .number()
      .min(0)
      .lt(1)
      .default(0.3)
      .describe('Sparsities go from 1 − epsilon to 1 + epsilon times one and the same number.'),
    average: z
      .enum(['block', 'linear'])
      .default('block')
      .describe(
        'block: the linears of a block get the sparsity of their mean exponent; linear: each has its own.',
      ),
    tail: z
      .enum(['peak', 'middle'])
      .default('peak')
      .describe(
        'peak: the tail begins near the peak of the spectrum, where a power law fits best; middle: at the median.',
      ),
  })
  .describe('AlphaPruning: where the spectrum of the weights has a heavier tail, more weights stay.');

export const alpha: Allocation = {
  name: 'alpha',
  options,
  looks: true,
  windows: () => 0,
  spread(goal, given) {
    const { epsilon } = options.parse(given);
    // What makes their mean the goal is below goal / (1 − epsilon), the least of them.
    return (2 * epsilon * goal) / (1 - epsilon);
  },
  async share(pool, { linears, goal = 0, onStep }, given) {
    const { epsilon, average, tail } = options.parse(given);
    let done = 0;
    const exponents = linears.map(() => 0);
    await pool.forEach([...linears.entries()], async ([index, { weights }]) => {
      exponents[index] = await pool.run('statistics/tail-exponent-task', tailExponent, {
        tensor: weights,
        start: tail,
      });
      onStep(++done, linears.length);
    });
    const own = linears.map(({ block }, index) => ({ block, exponent: exponents[index] as number }));
    const means = new Map(
      [...byBlock(own)].map(([block, list]) => [
        block,
        list.reduce((sum, { exponent }) => sum + exponent, 0) / list.length,
      ]),
    );
    const each = average === 'linear' ? exponents : own.map(({ block }) => means.get(block) as number);
    const sizes = linears.map(({ size }) => size);
    return { sparsities: exponentShares(goal, sizes, each, epsilon), isExact: false };
  },
  work(linears, workers) {
    const largest = linears
      .map((linear) => spectrumBytes(linear.out, linear.in))
      .sort((a, b) => b - a)
      .slice(0, workers);
    const orders = linears.map((linear) => {
      const [n, other] = [Math.min(linear.out, linear.in), Math.max(linear.out, linear.in)];
      return { products: 2 * n * n * other, columns: (4 / 3) * n ** 3 };
    });
    return {
      ...NO_ALLOCATION_WORK,
      bytes: largest.reduce((sum, bytes) => sum + bytes, 0),
      productFlops: orders.reduce((sum, { products }) => sum + products, 0),
      columnFlops: orders.reduce((sum, { columns }) => sum + columns, 0),
    };
  },
};

/** Sparsities linear in the exponents, from 1 − epsilon to 1 + epsilon, times what makes their mean over weights the goal. */
export function exponentShares(
  goal: number,
  sizes: readonly number[],
  exponents: readonly number[],
  epsilon: number,
): number[] {
  const [least, most] = [Math.min(...exponents), Math.max(...exponents)];
  if (least === most) return exponents.map(() => goal);
  const shares = exponents.map((value) => 1 - epsilon + (2 * epsilon * (value - least)) / (most - least));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const mean = shares.reduce((sum, share, index) => sum + (share * (sizes[index] as number)) / total, 0);
  return shares.map((share) => (share * goal) / mean);
}
