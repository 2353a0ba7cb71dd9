/** Which windows the rounds of a block take, in runs on one block of the quickstart model. */
import { describe, expect, it, vi } from 'vitest';
import { copyStates } from '../../src/forward/copy-states.js';
import { prune } from '../../src/index.js';
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
