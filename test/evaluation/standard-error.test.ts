/** The standard error of figures over windows, which one window doesn't give. */
import { expect, it } from 'vitest';
import { meanEstimate } from '../../src/evaluation/mean-estimate.js';
import { perplexity } from '../../src/evaluation/perplexity.js';
import { evaluate, prune } from '../../src/index.js';
import { readReport } from '../../src/report/read-report.js';
import { quickstartRuns } from '../support/quickstart-runs.js';

const { runFile, shallow, text } = quickstartRuns(1);

it('comes from the spread between windows', () => {
  // By Python's statistics.stdev.
  const losses = Float64Array.of(2, 2.5, 3.1, 2.2);
  const estimate = meanEstimate(losses);
  expect(estimate.mean).toBeCloseTo(2.45, 14);
  expect(estimate.standardError).toBeCloseTo(0.23979157616563598, 14);
  expect(perplexity(losses).standard_error).toBeCloseTo(2.7787879249564535, 12);
  expect(meanEstimate(Float64Array.of(3, 3)).standardError).toBe(0);
});

it('of one window is null', () => {
  expect(meanEstimate(Float64Array.of(2.5))).toEqual({ mean: 2.5, standardError: null });
  expect(perplexity(Float64Array.of(0))).toEqual({ perplexity: 1, standard_error: null, cross_entropy: 0 });
});

it('of one window is null in what eval gives', async () => {
  const [one, two] = [1, 2].map((windows) =>
    evaluate(shallow, { data: text, context: 64, windows, workers: 1 }),
  );
  expect((await one)?.checkpoint.standard_error).toBeNull();
  expect((await two)?.checkpoint.standard_error).toBeGreaterThan(0);
});

it('of one window is null in a report, measured losses included', async () => {
  const { path, output } = runFile({
    prune: '{method: loss_change, sparsity: 0.5, options: {measurements: 2, windows: 1, tokens: 16}}',
    evaluation: `{data: ${text}, context: 64, windows: 1, calibration_windows: 2}`,
  });
  const { report } = await prune(path);
  const [heldOut, calibration] = [report.evaluation, report.calibration_evaluation];
  for (const side of [heldOut?.dense, heldOut?.pruned]) expect(side?.standard_error).toBeNull();
  for (const side of [calibration?.dense, calibration?.pruned])
    expect(side?.standard_error).toBeGreaterThan(0);
  for (const { measured_loss: measured } of report.layers) {
    expect(measured).toMatchObject({ standard_error: null, screened_standard_error: null });
  }
  expect(await readReport(output)).toEqual(report);
});
