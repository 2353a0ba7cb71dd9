/** Comparisons evaluate with BOS or without as their run file says. */
import { expect, it } from 'vitest';
import { compare, evaluate } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const { text, runFile, newPath } = quickstartRuns();
const gemma = newPath('gemma3');
makeFamilyModel('gemma3', gemma);

it.each([
  ['auto', { bos_token_id: 0 }],
  ['never', {}],
] as const)('%s', async (bos, own) => {
  const { path } = runFile({
    model: gemma,
    calibration: `{data: ${text}, samples: 2, sequence_length: 32, bos: never}`,
    evaluation: `{data: ${text}, context: 24, windows: 2, bos: ${bos}}`,
  });
  const { comparison } = await compare(path, { methods: ['magnitude'], goals: ['0.5'] });
  expect(comparison.evaluation).toEqual({ data: text, context: 24, ...own, windows: 2, tokens: 46 });
  const { checkpoint } = await evaluate(gemma, { data: text, context: 24, windows: 2, bos, workers: 1 });
  expect(comparison.dense.perplexity).toBe(checkpoint.perplexity);
});
