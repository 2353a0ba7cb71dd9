/**
 * A block's backward, with its forward in it, against three times the bare products of the forward.
 * @module
 */
import { runWindow } from '../../dist/forward/window-task.js';
import {
  blockGradientGraph,
  HIDDEN_GRADIENT_OUTPUT,
  OUTPUT_GRADIENT_INPUT,
  weightGradientName,
} from '../../dist/graph/block-gradient-graph.js';
import { HIDDEN_INPUT } from '../../dist/graph/block-scope.js';
import { GraphStore } from '../../dist/runtime/compiled-graph.js';
import { forwardProducts, randomWeights, shapedModel } from '../lib/block-shapes.mjs';
import { fillStates, makeStates } from '../lib/hidden-states.mjs';
import { withMatrices } from '../lib/native-matrices.mjs';
import { multiplyIn, threads } from '../lib/reference.mjs';

export const about = 'forward and backward of a block : three times the bare products of its forward';

const CASES = [
  { shape: 'SmolLM2-135M', tokens: 512 },
  { shape: 'SmolLM2-135M', tokens: 2048 },
];

export async function* rows({ compare, pools, folder, quick }) {
  for (const { shape, tokens } of quick ? CASES.slice(0, 1) : CASES) {
    for (const pool of pools) {
      yield await withMatrices(async (matrices) => {
        const shaped = shapedModel(shape);
        const { blocks, hiddenSize } = shaped.model;
        const [block] = blocks;
        const weights = randomWeights(block, matrices);
        const states = makeStates(folder, pool.size, tokens, shaped.model);
        const graphs = new GraphStore();
        const names = block.linears.map(({ name }) => name);
        const graph = graphs.get('gradient', () => blockGradientGraph(block, tokens, names));
        const states2d = [tokens, hiddenSize];
        const windows = Array.from({ length: pool.size }, (_, window) => ({
          graph,
          weights,
          path: states.path,
          record: states.offset(window),
          // What the gradient with respect to the output is makes no difference to the time.
          reads: [HIDDEN_INPUT, OUTPUT_GRADIENT_INPUT].map((name) => ({ name, shape: states2d, offset: 0 })),
          writes: [{ name: HIDDEN_GRADIENT_OUTPUT, shape: states2d, offset: 0 }],
          captures: Object.fromEntries(
            block.linears.map((linear) => {
              const { address } = matrices.zeros(linear.out, linear.in);
              return [weightGradientName(linear.name), { address, shape: [linear.out, linear.in] }];
            }),
          ),
          returns: {},
        }));
        try {
          const products = forwardProducts(shaped, weights, tokens, matrices);
          const lists = Array.from({ length: pool.size }, () => Array(3).fill(products()).flat());
          return {
            name: `${shape}, ${tokens} tokens, ${threads(pool)}`,
            ...(await compare({
              prepare: () => fillStates(states),
              part: () => pool.map('forward/window-task', runWindow, windows),
              limit: () => multiplyIn(pool, lists),
            })),
          };
        } finally {
          graphs.dispose();
          states.dispose();
        }
      });
    }
  }
}
