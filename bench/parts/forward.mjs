/**
 * A block's forward against the bare products in it.
 * @module
 */
import { ModelStream } from '../../dist/forward/model-stream.js';
import { planWholeBlock } from '../../dist/graph/block-passes.js';
import { forwardProducts, randomWeights, shapedModel } from '../lib/block-shapes.mjs';
import { fillStates, makeStates } from '../lib/hidden-states.mjs';
import { withMatrices } from '../lib/native-matrices.mjs';
import { multiplyIn, threads } from '../lib/reference.mjs';

export const about = 'forward of a block : its bare matrix products, attention at the causal half';

const CASES = [
  { shape: 'SmolLM2-135M', tokens: 512, windowsPerWorker: 4 },
  { shape: 'Llama-2-7B', tokens: 2048, windowsPerWorker: 1 },
];

export async function* rows({ compare, pools, folder, quick }) {
  for (const { shape, tokens: full, windowsPerWorker } of CASES) {
    const tokens = quick ? Math.min(full, 512) : full;
    for (const pool of pools) {
      yield await withMatrices(async (matrices) => {
        const shaped = shapedModel(shape);
        const [block] = shaped.model.blocks;
        const weights = randomWeights(block, matrices);
        const windows = pool.size * windowsPerWorker;
        const passes = planWholeBlock(block, tokens);
        const states = makeStates(folder, windows, tokens, shaped.model, passes.recordBytes);
        const stream = new ModelStream(shaped.model, pool);
        try {
          const products = forwardProducts(shaped, weights, tokens, matrices);
          const lists = Array.from({ length: pool.size }, () =>
            Array(windowsPerWorker).fill(products()).flat(),
          );
          return {
            name: `${shape}, ${tokens} tokens, ${threads(pool)}`,
            ...(await compare({
              prepare: () => fillStates(states),
              part: () => stream.propagate(block, weights, states, { passes }),
              limit: () => multiplyIn(pool, lists),
            })),
          };
        } finally {
          stream.dispose();
          states.dispose();
        }
      });
    }
  }
}
