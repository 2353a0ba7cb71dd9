/** What a run will do, before it does it. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plan, prune } from '../../src/index.js';
import { BLOCK_WEIGHTS, quickstartRuns, refusal, root } from '../support/quickstart-runs.js';

const { shallow, runFile, newPath } = quickstartRuns();

describe('a plan', () => {
  it('says what a run will do', async () => {
    const { path } = runFile({ prune: '{method: sparsegpt, pattern: "2:4"}' });
    const planned = await plan(path);
    expect(planned.totals.prunable).toBe(2 * BLOCK_WEIGHTS);
    expect(planned.totals.zeros).toBe(planned.totals.prunable / 2);
    expect(planned.layers).toHaveLength(14);
    expect(planned.bytes.written).toBe(2_361_216);
    expect(planned.bytes.scratch).toBeGreaterThanOrEqual(6 * 64 * 192 * 4);
    const { peakBytes, parts } = planned.memory;
    expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBeCloseTo(peakBytes, 0);
    expect(planned.seconds.evaluation).toBe(0);
    expect(planned.seconds.total).toBe(planned.seconds.prune);
    expect(planned.flops).toMatchObject({ propagate: expect.any(Number), evaluation: 0 });
    const { report } = await prune(path);
    expect(report.totals.zeros).toBe(planned.totals.zeros);
  });

  it.each([
    ['{method: sparsegpt, sparsity: 0.5, refine: dsnot}', true],
    ['{method: sparsegpt, sparsity: 0.5, refine: dsnot, update: least_squares}', false],
    ['{method: sparsegpt, sparsity: 0.5}', false],
    ['{method: wanda, sparsity: 0.5, refine: dsnot}', false],
  ])('with %s: whether a note says that the moved weights are lost: %s', async (prune, isLost) => {
    const { notes } = await plan(runFile({ prune }).path);
    expect(notes.join().includes('what sparsegpt made of them is lost')).toBe(isLost);
  });

  it('refuses an output that the run would refuse', async () => {
    expect(await refusal(plan(runFile({ output: shallow }).path))).toContain('is the model folder itself');
  });

  it('counts the gradients of the tokens that are asked for, and says so', async () => {
    const model = newPath('model');
    cpSync(shallow, model, { recursive: true });
    const config = join(model, 'config.json');
    const longer = { ...JSON.parse(readFileSync(config, 'utf8')), max_position_embeddings: 1024 };
    writeFileSync(config, JSON.stringify(longer));
    const plans = [];
    for (const [method, length, options] of [
      ['gblm', 512, '{}'],
      ['gblm', 1024, '{}'],
      ['gblm', 1024, '{tokens: 512}'],
      ['wanda', 1024, '{}'],
    ] as const) {
      const data = join(root, 'calibration/general.jsonl');
      const { path } = runFile({
        model,
        calibration: `{data: ${data}, samples: 3, sequence_length: ${length}}`,
        prune: `{method: ${method}, sparsity: 0.5, options: ${options}}`,
      });
      plans.push(await plan(path));
    }
    const [short, long, beginnings, none] = plans;
    const note = 'gradients are taken over the first 512 of 1024 tokens of 3 calibration windows';
    expect(beginnings?.notes).toContain(note);
    for (const whole of [short, long]) expect(whole?.notes.join()).not.toContain('gradients are taken over');
    expect(beginnings?.flops.gradients).toBe(short?.flops.gradients);
    expect(long?.flops.gradients).toBeGreaterThan(2 * (short?.flops.gradients ?? 0));
    // A forward, and a forward with a backward of twice as much, of at least all linears.
    expect(short?.flops.gradients).toBeGreaterThan(4 * 2 * 2 * BLOCK_WEIGHTS * 3 * 512);
    expect(none?.flops.gradients).toBe(0);
  });

  it('counts an evaluation without calibration', async () => {
    const data = join(root, 'calibration/heldout.txt');
    const plans = await Promise.all(
      [1, 2].map(async (windows) => {
        const evaluation = `{data: ${data}, context: 64, windows: ${windows}}`;
        return await plan(
          runFile({ prune: '{method: magnitude, sparsity: 0.5}', calibration: null, evaluation }).path,
        );
      }),
    );
    const [one = 0, two = 0] = plans.map(({ flops }) => flops.evaluation);
    expect(one).toBeGreaterThan(2 * 64 * 2 * 2 * BLOCK_WEIGHTS);
    expect(two).toBe(2 * one);
  });
});
