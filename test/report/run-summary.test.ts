import { expect, it } from 'vitest';
import { modelName } from '../../src/report/run-summary.js';
import { sampleReport } from './sample-report.js';

it.each([
  ['/models/SmolLM2-135M', 'SmolLM2-135M'],
  ['HuggingFaceTB/SmolLM2-135M', 'SmolLM2-135M'],
  ['HuggingFaceTB/SmolLM2-135M@refs/pr/1', 'SmolLM2-135M'],
  ['/models/tiny@half', 'tiny@half'],
])('the model %s is called %s', (model, name) => {
  const report = sampleReport({ blocks: 2 });
  expect(modelName({ ...report, run: { ...report.run, config: { ...report.run.config, model } } })).toBe(
    name,
  );
});
