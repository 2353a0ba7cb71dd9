/** Which windows the rounds of a block take, and which masks they leave, in runs on one block of the quickstart model. */
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { copyStates } from '../../src/forward/copy-states.js';
import { prune } from '../../src/index.js';
import { readFloats } from '../support/golden-model.js';
import { quickstartRuns, tensorHashes } from '../support/quickstart-runs.js';

// What a block is pruned on before its steps is copied from its inputs.
vi.mock('../../src/forward/copy-states.js', { spy: true });
const copied = vi.mocked(copyStates);

const { runFile } = quickstartRuns(1);

/** The lots of the six windows that the block was pruned on before steps, and the output. */
async function run(settings: string) {
  const { path, output } = runFile({ prune: `{${settings}}` });
  copied.mockClear();
  const { report } = await prune(path);
  const windows = copied.mock.calls.map((call) => [...call[2]]);
  return { windows, output, layers: report.layers };
}

describe('the rounds', () => {
  it('take all windows in turn', async () => {
    // Steps of one window each: the same windows in the same order are the same steps, in however many rounds.
    const steps = async (rounds: number, windows: number) => {
      const update = `{name: regional, rounds: ${rounds}, round_windows: ${windows}}`;
      return tensorHashes((await run(`method: wanda, sparsity: 0.5, update: ${update}`)).output);
    };
    const once = await steps(1, 6);
    expect(await steps(3, 2)).toEqual(once);
    expect(await steps(1, 2)).not.toEqual(once);
    expect(await steps(2, 4)).toEqual(await steps(4, 2));
  });

  it('prune on their own windows where weights regrow, else on those of the first alone, an update on all', async () => {
    const wandaPlusPlus = (options: string) =>
      run(`method: wanda++, sparsity: 0.5, options: {rounds: 4, round_windows: 2${options}}`);
    const { windows: regrown } = await wandaPlusPlus(', regrow: true');
    expect(regrown).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
      [0, 1],
    ]);
    expect((await wandaPlusPlus('')).windows).toEqual([[0, 1]]);
    const update = '{name: regional, rounds: 4, round_windows: 2}';
    const { windows: updated } = await run(`method: wanda, sparsity: 0.5, update: ${update}`);
    expect(updated).toEqual([[0, 1, 2, 3, 4, 5]]);
  });
});

describe('the mask of the first round', () => {
  /** The pruned linears' weights of a run. */
  const weightsOf = async (options: string) => {
    const { output, layers } = await run(
      `method: wanda++, sparsity: 0.2, options: {round_windows: 6, learning_rate: 0.001, ${options}}`,
    );
    const weights = readFloats(join(output, 'model.safetensors'));
    return layers.flatMap(({ name }) => weights.get(`${name}.weight`) ?? []).flatMap((list) => [...list]);
  };

  it('stays, or with regrow gives way to another one with as many zeros', async () => {
    // The first round has all windows, so that what goes is what goes where there are no rounds.
    const first = await weightsOf('rounds: 0');
    const zeros = [...first.keys()].filter((i) => first[i] === 0);
    expect(zeros.length).toBeGreaterThan(0.19 * first.length);
    for (const regrow of [false, true]) {
      const last = await weightsOf(`rounds: 3, regrow: ${regrow}`);
      expect(last.filter((w) => w === 0)).toHaveLength(zeros.length);
      const grown = zeros.filter((i) => last[i] !== 0);
      if (regrow) expect(grown.length).toBeGreaterThan(0);
      else expect(grown).toHaveLength(0);
    }
  });
});
