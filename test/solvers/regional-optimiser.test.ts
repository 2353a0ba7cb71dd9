/** What a block alone says of its weights, and steps towards its dense output, against PyTorch (scripts/golden/make-regional-golden.py). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { HIDDEN_INPUT } from '../../src/graph/block-scope.js';
import { LOSS_OUTPUT, regionalGradientGraph } from '../../src/graph/regional-gradient-graph.js';
import { describeModel } from '../../src/model/describe-model.js';
import type { BlockDescription, ModelDescription } from '../../src/model/description.js';
import { GraphStore } from '../../src/runtime/compiled-graph.js';
import type { TensorRef } from '../../src/runtime/tensor-ref.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { RegionalOptimiser, type RegionalSteps } from '../../src/solvers/regional-optimiser.js';
import { sumGradients } from '../../src/statistics/sum-gradients.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeTensor } from '../support/native.js';
import { relativeError } from '../support/relative-error.js';
import { readGolden } from '../support/safetensors.js';

const golden = fileURLToPath(new URL('../golden/tiny-llama/gqa-tied', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-test-'));
const pools = [1, 3].map((size) => new WorkerPool(size)) as [WorkerPool, WorkerPool];
const graphs = new GraphStore();
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()));
  graphs.dispose();
  rmSync(folder, { recursive: true });
});

const source = readGolden(join(golden, 'model.safetensors'));
const expected = readGolden(join(golden, 'regional.safetensors'));
const valuesOf = (name: string) => expected.get(name)?.data as Float32Array;
const embeddings = readGolden(join(golden, 'expected.safetensors')).get('embeddings');
const [tokens = 0, hidden = 0] = embeddings?.shape ?? [];
const forwards = embeddings?.data as Float32Array;
const backwards = Float32Array.from(
  forwards,
  (_, i) => forwards[(tokens - 1 - Math.floor(i / hidden)) * hidden + (i % hidden)] as number,
);

let model: ModelDescription;
let block: BlockDescription;
let inputs: HiddenStates;
let targets: HiddenStates;
beforeAll(async () => {
  model = describeModel((await openCheckpoint(golden)).config, golden);
  block = model.blocks[1] as BlockDescription;
  inputs = new HiddenStates(join(folder, 'inputs'), 2, tokens, hidden);
  targets = new HiddenStates(join(folder, 'targets'), 2, tokens, hidden);
  writeFileSync(inputs.path, Buffer.concat([forwards, backwards].map(({ buffer }) => Buffer.from(buffer))));
  writeFileSync(targets.path, Buffer.from(valuesOf('targets').buffer));
});

/** The block's tensors, every third weight of its linears pruned where asked for. */
function blockWeights(pruned: boolean): Record<string, TensorRef> {
  const linears = new Set(block.linears.map(({ name }) => `${name}.weight`));
  return Object.fromEntries(
    block.tensors.map(({ name, shape }) => {
      const data = Float32Array.from(source.get(block.prefix + name)?.data as Float32Array);
      if (pruned && linears.has(name)) for (let i = 0; i < data.length; i += 3) data[i] = 0;
      return [name, nativeTensor(data, shape)];
    }),
  );
}

const viewOf = ({ address, shape: [rows = 0, columns = 0] }: TensorRef) =>
  float32View(address, rows * columns).slice();

/** The weights of the linears after two epochs, and the loss of the first window, and of both before and after. */
async function optimised(steps: RegionalSteps, pool = pools[1]) {
  const weights = blockWeights(true);
  const problem = { block, weights, linears: block.linears, inputs, targets };
  const optimiser = new RegionalOptimiser(pool, graphs, problem, steps);
  const losses = [await optimiser.loss([0]), await optimiser.loss([0, 1])];
  for (let epoch = 0; epoch < 2; epoch++) await optimiser.visit([0, 1]);
  losses.push(await optimiser.loss([0, 1]));
  optimiser.dispose();
  const matrices = new Map(
    block.linears.map(({ name }) => [name, viewOf(weights[`${name}.weight`] as TensorRef)]),
  );
  return { losses, matrices };
}

it('the root mean square of the gradients of the output norm is that of PyTorch', async () => {
  const names = block.linears.map(({ name }) => name);
  const weights = blockWeights(false);
  const graph = graphs.get('norm', () => regionalGradientGraph(block, tokens, names, 'output norm'));
  await sumGradients({
    pool: pools[1],
    graphs,
    block,
    linears: block.linears,
    windows: 2,
    task: (window) => ({
      graph,
      weights,
      path: inputs.path,
      record: inputs.offset(window),
      reads: [{ name: HIDDEN_INPUT, shape: [tokens, hidden], offset: 0 }],
      writes: [],
      returns: { [LOSS_OUTPUT]: 1 },
    }),
    onSums: async (sums) => {
      for (const name of names) {
        const squares = viewOf(sums.get(name)?.sumOfSquares as TensorRef);
        const rms = squares.map((square) => Math.sqrt(square / 2));
        expect(relativeError(rms, valuesOf(`root_mean_square.${name}`))).toBeLessThan(1e-4);
      }
    },
  });
});

describe('regional optimisation', () => {
  it.each([
    ['masked', { learningRate: 1e-3, batch: 1, regrow: false }],
    ['free', { learningRate: 1e-3, batch: 2, regrow: true }],
  ])('%s: takes the steps of PyTorch, and the loss goes down', async (kind, steps) => {
    const { losses, matrices } = await optimised(steps);
    const [ofFirst = 0, before = 0, after = 0] = losses;
    expect(ofFirst / (valuesOf(`${kind}.losses`)[0] as number)).toBeCloseTo(1, 4);
    expect(after).toBeLessThan(0.8 * before);
    const start = blockWeights(true);
    for (const [name, weights] of matrices) {
      const before = viewOf(start[`${name}.weight`] as TensorRef);
      const moved = (to: Float32Array) => to.map((w, i) => w - (before[i] as number));
      // First steps are ±10 · learning rate, whatever the gradient's size: few whose gradient is nearly 0 go the other way.
      expect(relativeError(moved(weights), moved(valuesOf(`${kind}.${name}`)))).toBeLessThan(2e-3);
      const pruned = weights.filter((_, i) => i % 3 === 0);
      expect(pruned.every((w) => Object.is(w, 0))).toBe(!steps.regrow);
    }
  });

  it('goes by the size of the weights of each linear where the rate is automatic', async () => {
    const weights = blockWeights(true);
    const problem = { block, weights, linears: block.linears, inputs, targets };
    const optimiser = new RegionalOptimiser(pools[1], graphs, problem, {
      learningRate: 'auto',
      batch: 1,
      regrow: false,
    });
    await optimiser.visit([0]);
    optimiser.dispose();
    const start = blockWeights(true);
    for (const { name } of block.linears) {
      const [before, after] = [start, weights].map((each) => viewOf(each[`${name}.weight`] as TensorRef));
      const rms = Math.sqrt((before?.reduce((sum, w) => sum + w * w, 0) ?? 0) / (before?.length ?? 0));
      const largest = after?.reduce((most, w, i) => Math.max(most, Math.abs(w - (before?.[i] as number))), 0);
      // The first step of RMSprop is ten times the rate.
      expect((largest ?? 0) / (10 * 3e-3 * rms)).toBeCloseTo(1, 2);
    }
  });

  it.each([
    [3, 1e-3],
    [1, 'auto'],
  ] as const)(
    'gives the same bytes with any number of workers, at a batch of %d',
    async (batch, learningRate) => {
      const steps = { learningRate, batch, regrow: false };
      const [one, three] = [await optimised(steps, pools[0]), await optimised(steps, pools[1])];
      expect(one).toEqual(three);
    },
  );

  it('names the weight that a step made infinite', async () => {
    await expect(optimised({ learningRate: 1e38, batch: 1, regrow: false })).rejects.toThrow(
      /^model\.layers\.1\..*isn't finite/,
    );
  });
});
