/**
 * All that calibration computes for a block, as a SparseGPT run does it: every pass, its Gram matrices, propagation.
 * @module
 */
import { ModelStream } from '../../dist/forward/model-stream.js';
import { planPasses } from '../../dist/graph/block-passes.js';
import { inputGroups } from '../../dist/model/description.js';
import { StatisticsCollector } from '../../dist/statistics/collect-statistics.js';
import { forwardProducts, randomWeights, shapedModel } from '../lib/block-shapes.mjs';
import { fillStates, makeStates } from '../lib/hidden-states.mjs';
import { withMatrices } from '../lib/native-matrices.mjs';
import { multiplyIn } from '../lib/reference.mjs';

export const about = 'forward and Gram matrices of a block : bare products of as many operations';

/** 85 % of the speed of the bare products. */
const TARGET = 1 / 0.85;

const CASES = [
  { shape: 'SmolLM2-135M', tokens: 512, windows: 128 },
  { shape: 'Llama-2-7B', tokens: 2048, windows: 2 },
];

export async function* rows({ compare, pools, folder, quick }) {
  const pool = pools.at(-1);
  for (const { shape, tokens, windows } of quick ? CASES.slice(0, 1) : CASES) {
    yield await withMatrices(async (matrices) => {
      const shaped = shapedModel(shape);
      const [block] = shaped.model.blocks;
      const weights = randomWeights(block, matrices);
      const pruned = new Set(block.linears.map((linear) => linear.name));
      const passes = planPasses(block, tokens, pruned, 'pruned');
      const states = makeStates(folder, windows, tokens, shaped.model, passes.recordBytes);
      const stream = new ModelStream(shaped.model, pool);
      const collector = new StatisticsCollector(pool, stream.graphs);
      const everyPass = async () => {
        for (const pass of passes.passes.filter(({ groups }) => groups.length > 0)) {
          await collector.collect({
            block,
            passes,
            pass,
            weights,
            states,
            gramWindows: windows,
            moments: false,
            onWindow() {},
            onSeconds() {},
          });
        }
        await stream.propagate(block, weights, states, { passes });
      };
      try {
        const products = Array.from(
          { length: pool.size },
          forwardProducts(shaped, weights, tokens, matrices),
        );
        const grams = Array.from({ length: pool.size }, () => halfGrams(block, tokens, matrices));
        const lists = Array.from({ length: windows }, (_, window) => [
          ...products[window % pool.size],
          ...grams[window % pool.size],
        ]);
        return {
          name: `${shape}, ${windows} × ${tokens} tokens`,
          target: TARGET,
          ...(await compare({
            prepare: () => fillStates(states),
            part: everyPass,
            limit: () => multiplyIn(pool, lists),
          })),
        };
      } finally {
        collector.dispose();
        stream.dispose();
        states.dispose();
      }
    });
  }
}

/** For each input group the product of Xᵀ with half of X: the operations of a symmetric half, without its shape. */
function halfGrams(block, tokens, matrices) {
  const groups = inputGroups(block);
  const largest = Math.max(...groups.map(({ size }) => size));
  const x = matrices.random(largest, tokens);
  const out = matrices.zeros(largest, Math.ceil(largest / 2));
  return groups.map(({ size }) => {
    const half = Math.ceil(size / 2);
    return {
      a: { address: x.address, rows: size, columns: tokens },
      b: { address: x.address, rows: half, columns: tokens },
      out: { address: out.address, rows: size, columns: half },
      options: { transposeB: true, accumulate: true },
    };
  });
}
