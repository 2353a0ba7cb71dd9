/**
 * The Gram matrix in strips against the full product XᵀX.
 * @module
 */
import { accumulate, gramElements } from '../lib/gram.mjs';
import { withMatrices } from '../lib/native-matrices.mjs';
import { multiplyIn, splitProduct } from '../lib/reference.mjs';

export const about = 'Gram matrix of 2048 tokens in strips : the full bare product XᵀX';

/** Of the full product; the symmetric half and what strips cost beside. */
const TARGET = 0.6;
const TOKENS = 2048;
const SIZES = [576, 1536, 4096, 11008];

export async function* rows({ compare, pools, quick }) {
  const pool = pools.at(-1);
  for (const size of quick ? SIZES.slice(0, -1) : SIZES) {
    yield await withMatrices(async (matrices) => {
      const x = matrices.random(size, TOKENS);
      const gram = matrices.zeros(1, gramElements(size));
      const full = {
        a: x,
        b: x,
        out: matrices.zeros(size, size),
        options: { transposeB: true, accumulate: true },
      };
      return {
        name: `n = ${size}`,
        target: TARGET,
        ...(await compare({
          part: () => accumulate(pool, gram, size, [x], TOKENS),
          limit: () => multiplyIn(pool, splitProduct(full, pool.size)),
        })),
      };
    });
  }
}
