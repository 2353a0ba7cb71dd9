/**
 * SparseGPT's solver against its operations at the speed of bare products.
 * @module
 */
import { sparseGpt } from '../../dist/solvers/sparsegpt.js';
import { accumulate, gramElements } from '../lib/gram.mjs';
import { fillRandom, withMatrices } from '../lib/native-matrices.mjs';
import { multiplyIn } from '../lib/reference.mjs';

export const about =
  'SparseGPT of one matrix [r, n] : n³/3 (Cholesky) + n³/3 (inverse of its factor) + r·n² (row updates) operations of bare products';

const TOKENS = 2048;
/** Operations of one product of the limit: 2 · SIDE³. */
const SIDE = 2048;

/** @typedef {import('../../dist/sparsity/pattern.js').Pattern} Pattern */
/** @type {Pattern} */
const half = { kind: 'unstructured', sparsity: 0.5 };
/** @type {Pattern} */
const twoOfFour = { kind: 'n:m', keep: 2, of: 4 };
const CASES = [
  { outputs: 4096, inputs: 4096, pattern: half, name: '50 %', target: 3 },
  { outputs: 4096, inputs: 4096, pattern: twoOfFour, name: '2:4', target: 3 },
  { outputs: 4096, inputs: 11008, pattern: half, name: '50 %' },
  { outputs: 4096, inputs: 11008, pattern: twoOfFour, name: '2:4' },
];

export async function* rows({ compare, pools, quick }) {
  const pool = pools.at(-1);
  for (const { outputs, inputs, pattern, name, target } of CASES) {
    if (quick && inputs > 4096) continue;
    yield await withMatrices(async (matrices) => {
      const gram = matrices.zeros(1, gramElements(inputs));
      await accumulate(pool, gram, inputs, [matrices.random(inputs, TOKENS)], TOKENS);
      const weights = matrices.zeros(outputs, inputs);
      const { address } = weights;
      const operations = (2 / 3) * inputs ** 3 + outputs * inputs ** 2;
      const products = squareProducts(pool.size, operations, matrices);
      const comparison = await compare({
        prepare: () => fillRandom(address, outputs * inputs),
        part: () =>
          sparseGpt(
            pool,
            'bench',
            { address: gram.address, size: inputs, tokens: TOKENS },
            [{ name, weights: { address, shape: [outputs, inputs] }, pattern }],
            { damping: 0.01, block_size: 128 },
          ),
        limit: () => multiplyIn(pool, products),
      });
      const speed = operations / 1e9 / comparison.seconds.median;
      return { name: `${outputs} × ${inputs}, ${name} (${speed.toFixed(0)} GFLOP/s)`, target, ...comparison };
    });
  }
}

/** A list for each worker: square products, the last of fewer rows, of so many operations in all. */
function squareProducts(workers, operations, matrices) {
  const a = matrices.random(SIDE, SIDE);
  const b = matrices.random(SIDE, SIDE);
  const rows = Math.round(operations / workers / (2 * SIDE ** 2));
  return Array.from({ length: workers }, () => {
    const out = matrices.zeros(SIDE, SIDE);
    return Array.from({ length: Math.ceil(rows / SIDE) }, (_, index) => {
      const count = Math.min(SIDE, rows - index * SIDE);
      return {
        a: { ...a, rows: count },
        b,
        out: { ...out, rows: count },
        options: { transposeB: true },
      };
    });
  });
}
