/** What makes two comparisons the same. */
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { ComparisonFingerprints } from '../../src/compare/comparison-fingerprints.js';
import type { EvaluationConfig } from '../../src/config/run-schema.js';

const fileOf = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const checkpoint = await openCheckpoint(fileOf('models/quickstart'));

const given: EvaluationConfig = {
  data: { path: fileOf('calibration/heldout.txt') },
  context: 256,
  windows: 4,
  calibration_windows: 32,
};
const dense = async (changed: Partial<EvaluationConfig>) =>
  (await ComparisonFingerprints.of(checkpoint, { ...given, ...changed }, undefined)).dense;

it('counts of the evaluation what a comparison takes of it', async () => {
  const same = await dense({});
  expect(await dense({ calibration_windows: 0 })).toBe(same);
  expect(await dense({ windows: 5 })).not.toBe(same);
  expect(await dense({ context: 128 })).not.toBe(same);
  expect(await dense({ data: { path: fileOf('README.md') } })).not.toBe(same);
});
