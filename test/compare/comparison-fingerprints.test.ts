/** What makes two comparisons the same. */
import { appendFileSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { ComparisonFingerprints } from '../../src/compare/comparison-fingerprints.js';
import type { EvaluationConfig } from '../../src/config/run-schema.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';

const newFolder = temporaryFolders();

const fileOf = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const checkpoint = await openCheckpoint(fileOf('models/quickstart'));

const given: EvaluationConfig = {
  data: { path: fileOf('calibration/heldout.txt') },
  context: 256,
  windows: 4,
  bos: 'auto',
  calibration_windows: 32,
};
const dense = async (changed: Partial<EvaluationConfig>, model = checkpoint) =>
  (await ComparisonFingerprints.of(model, { ...given, ...changed }, undefined)).dense;

it('counts of the evaluation what a comparison takes of it', async () => {
  const same = await dense({});
  expect(await dense({ calibration_windows: 0 })).toBe(same);
  expect(await dense({ windows: 5 })).not.toBe(same);
  expect(await dense({ context: 128 })).not.toBe(same);
  expect(await dense({ data: { path: fileOf('README.md') } })).not.toBe(same);
});

it('counts of the model what decides tokens and figures, and not where it is', async () => {
  const folder = join(newFolder(), 'copy');
  cpSync(checkpoint.folder, folder, { recursive: true });
  const denseThere = async () => await dense({}, await openCheckpoint(folder));
  const same = await dense({});
  expect(await denseThere()).toBe(same);
  appendFileSync(join(folder, 'README.md'), 'more\n');
  expect(await denseThere()).toBe(same);
  for (const [name, field, value] of [
    ['tokenizer.json', 'normalizer', { type: 'Lowercase' }],
    ['tokenizer_config.json', 'bos_token', '!'],
    ['config.json', 'rope_theta', 5000],
  ] as const) {
    const path = join(folder, name);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(before), [field]: value }));
    expect(await denseThere()).not.toBe(same);
    writeFileSync(path, before);
  }
  expect(await denseThere()).toBe(same);
});
