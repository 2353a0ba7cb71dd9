/** Gemma's windows begin with BOS, and whatever depends on windows knows it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { ComparisonFingerprints } from '../../src/compare/comparison-fingerprints.js';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { evaluate, prune } from '../../src/index.js';
import { runSchema } from '../../src/pipeline/methods/method-registry.js';
import { renderReportHtml } from '../../src/report/render-report-html.js';
import { reportSchema } from '../../src/report/report-schema.js';
import { makeFamilyModel } from '../support/family-model.js';
import { quickstartRuns, refusal, root } from '../support/quickstart-runs.js';

const { folder, shallow, text, runFile, newPath } = quickstartRuns();
/** In the tokenizer that the models of families get. */
const BOS = 0;
const heldOut = join(folder, 'heldout.txt');
writeFileSync(heldOut, readFileSync(join(root, 'calibration/heldout.txt')).subarray(0, 1024));
const asked = { data: heldOut, context: 24, windows: 6, workers: 1 };

function family(name: string): string {
  const to = newPath(name);
  makeFamilyModel(name, to);
  return to;
}
const gemma = family('gemma3');

describe('perplexity', () => {
  // scripts/interop/reference-perplexity.py --context 24 --windows 6 --attention eager, and --bos.
  it.each([
    ['gemma2', 673.20273, 706.21161],
    ['gemma3', 1287.9243, 1127.9892],
  ])('of %s is that of transformers, without BOS and with it', async (name, without, behindBos) => {
    const model = name === 'gemma3' ? gemma : family(name);
    const never = await evaluate(model, { ...asked, bos: 'never' });
    expect(never.checkpoint.perplexity / without).toBeCloseTo(1, 6);
    expect(never).not.toHaveProperty('bosTokenId');
    const auto = await evaluate(model, asked);
    expect(auto.checkpoint.perplexity / behindBos).toBeCloseTo(1, 6);
    expect(auto).toMatchObject({ bosTokenId: BOS, windows: 6, tokens: 6 * 23, notes: [] });
  });

  it('of other models is without BOS, unless it is asked for', async () => {
    const auto = await evaluate(shallow, asked);
    expect(auto).not.toHaveProperty('bosTokenId');
    const always = await evaluate(shallow, { ...asked, bos: 'always' });
    expect(always.bosTokenId).toBeTypeOf('number');
    expect(always.checkpoint.perplexity).not.toBe(auto.checkpoint.perplexity);
  });

  it('is not compared between windows with BOS and without', async () => {
    expect(await refusal(evaluate(gemma, { ...asked, windows: undefined, baseline: shallow }))).toBe(
      `the windows of ${gemma} begin with BOS, token 0 and those of the baseline ${shallow} without BOS; give bos always or never, whichever suits both`,
    );
  });

  it('wants a known word', async () => {
    const bos = 'yes' as 'always';
    expect(await refusal(evaluate(gemma, { ...asked, bos }))).toBe('bos yes is none of auto, always, never');
  });
});

it('a run says that its windows begin with BOS, and is another one without', async () => {
  const run = (calibration: string, evaluation: string, output?: string) =>
    runFile({
      model: gemma,
      prune: '{method: wanda, sparsity: 0.5}',
      calibration: `{data: ${text}, samples: 6, sequence_length: 32${calibration}}`,
      evaluation: `{data: ${heldOut}, context: 24, windows: 6${evaluation}}`,
      ...(output !== undefined && { output }),
    });
  const { path, output } = run('', '');
  const { report } = await prune(path);
  expect(reportSchema.parse(report)).toEqual(report);
  expect(report.run.texts?.map(({ use, bos_token_id }) => [use, bos_token_id])).toEqual([
    ['calibration', BOS],
    ['evaluation', BOS],
  ]);
  expect(report.evaluation).toMatchObject({ bos_token_id: BOS, context: 24, tokens: 6 * 23 });
  expect(report.calibration_evaluation).toMatchObject({ bos_token_id: BOS, context: 32, tokens: 6 * 31 });
  const { checkpoint } = await evaluate(gemma, asked);
  expect(report.evaluation?.dense?.perplexity).toBe(checkpoint.perplexity);
  const page = renderReportHtml(report);
  expect(page).toContain('6 windows of 24 tokens, each beginning with BOS, 138 predicted');
  expect(page).toContain('<dt>Windows of calibration</dt><dd>each begins with BOS, token 0</dd>');

  expect((await prune(run(', bos: always', ', bos: always', output).path)).alreadyDone).toBe(true);
  expect(await refusal(prune(run(', bos: never', '', output).path))).toMatch(
    /holds another run, which differs in: calibration tokens, calibration\.bos;/,
  );
  const again = await prune(run('', ', bos: never', output).path);
  expect(again.alreadyDone).toBe(false);
  expect(again.report.evaluation).not.toHaveProperty('bos_token_id');
  expect(again.report.layers).toEqual(report.layers);
  expect(renderReportHtml(again.report)).toContain('6 windows of 24 tokens, 138 predicted');
});

it('a run whose windows have no BOS says nothing of it, whatever was asked for', async () => {
  const run = (bos: string, output?: string) =>
    runFile({
      prune: '{method: wanda, sparsity: 0.5}',
      calibration: `{data: ${text}, samples: 2, sequence_length: 32, bos: ${bos}}`,
      ...(output !== undefined && { output }),
    });
  const { path, output } = run('auto');
  const { report } = await prune(path);
  expect(report.run.texts?.[0]).not.toHaveProperty('bos_token_id');
  expect(renderReportHtml(report)).not.toContain('with BOS');
  expect((await prune(run('never', output).path)).alreadyDone).toBe(true);
});

it('comparisons differ where windows do', async () => {
  const fingerprintsOf = async (model: string, calibrationBos: string, evaluationBos: string) => {
    const { config } = loadRunFile(
      runFile({
        model,
        calibration: `{data: ${text}, bos: ${calibrationBos}}`,
        evaluation: `{data: ${heldOut}, bos: ${evaluationBos}}`,
      }).path,
      runSchema,
    );
    if (!config.evaluation) throw new Error('no evaluation');
    const of = await ComparisonFingerprints.of(await openCheckpoint(model), config.evaluation, undefined);
    return { dense: of.dense, run: await of.run(config), comparison: await of.comparison(config) };
  };
  const auto = await fingerprintsOf(gemma, 'auto', 'auto');
  expect(await fingerprintsOf(gemma, 'always', 'always')).toEqual(auto);
  const otherText = await fingerprintsOf(gemma, 'auto', 'never');
  expect(otherText.run).toBe(auto.run);
  expect(otherText.dense).not.toBe(auto.dense);
  expect(otherText.comparison).not.toBe(auto.comparison);
  const otherRun = await fingerprintsOf(gemma, 'never', 'auto');
  expect(otherRun.dense).toBe(auto.dense);
  expect(otherRun.run).not.toBe(auto.run);

  const plain = await fingerprintsOf(shallow, 'auto', 'auto');
  expect(await fingerprintsOf(shallow, 'never', 'never')).toEqual(plain);
  expect((await fingerprintsOf(shallow, 'always', 'auto')).run).not.toBe(plain.run);
});
