/** Mean and variance from sums. */
import { expect, it } from 'vitest';
import { moments } from '../../src/statistics/group-statistics.js';
import { normals } from '../support/random.js';

/** The statistics of x [tokens, size]. */
function statisticsOf(x: Float32Array, size: number) {
  const sum = new Float64Array(size);
  const sumOfSquares = new Float64Array(size);
  for (const [i, value] of x.entries()) {
    sum[i % size] = (sum[i % size] as number) + value;
    sumOfSquares[i % size] = (sumOfSquares[i % size] as number) + value * value;
  }
  return { group: 'g', size, tokens: x.length / size, sum, sumOfSquares, gram: undefined };
}

it('is what two passes over the activations give', () => {
  const [tokens, size] = [300, 7];
  const x = normals(tokens * size, 5).map((value, i) => value * (1 + (i % size)) + 3 * (i % size) - 5);
  const { mean, variance } = moments(statisticsOf(x, size));
  for (let j = 0; j < size; j++) {
    const column = Array.from({ length: tokens }, (_, t) => x[t * size + j] as number);
    const average = column.reduce((total, value) => total + value, 0) / tokens;
    const spread = column.reduce((total, value) => total + (value - average) ** 2, 0) / tokens;
    expect(mean[j]).toBeCloseTo(average, 10);
    expect(variance[j]).toBeCloseTo(spread, 9);
  }
});

it('has a variance above 0 for a constant, and 0 for an input that is always 0', () => {
  const x = new Float32Array(50 * 2).map((_, i) => (i % 2 === 0 ? 0.3 : 0));
  const { mean, variance } = moments(statisticsOf(x, 2));
  expect(mean[0]).toBeCloseTo(0.3, 6);
  expect(variance[0]).toBeCloseTo(0.09e-6, 9);
  expect(variance[0]).toBeGreaterThan(0);
  expect([mean[1], variance[1]]).toEqual([0, 0]);
});

it('needs sums', () => {
  const statistics = { ...statisticsOf(new Float32Array(4), 2), sum: undefined };
  expect(() => moments(statistics)).toThrow('g: the sums of activations were not measured');
});
