/** A run that goes on, or is finished, with another evaluation than before. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { pruneUntil } from '../support/prune-until.js';
import { hashes, Workplace } from './real-run.js';

let place: Workplace;
beforeAll(() => {
  place = new Workplace();
  writeFileSync(
    join(place.folder, 'a.txt'),
    'The first text has these words, and then some more. '.repeat(20),
  );
  writeFileSync(join(place.folder, 'b.txt'), 'Quite another one: 1, 2, 3 and so on, up to 999. '.repeat(20));
});
afterAll(() => place.dispose());

const settings = (output: string, text: string) => [
  `output=${output}`,
  `evaluation={data: ${join(place.folder, text)}, context: 32, windows: 3}`,
];
const run = (output: string, text: string) => prune(place.runFile, { set: settings(output, text) });

it('is evaluated anew, before and after, and its weights are kept', async () => {
  const fresh = await run(place.output(), 'b.txt');
  const output = place.output();
  const first = await run(output, 'a.txt');
  const weights = hashes(output);
  expect(first.report.evaluation?.dense).not.toEqual(fresh.report.evaluation?.dense);
  const second = await run(output, 'b.txt');
  expect(second.alreadyDone).toBe(false);
  expect(second.report.evaluation).toEqual(fresh.report.evaluation);
  expect(second.report.layers).toEqual(first.report.layers);
  expect(hashes(output)).toEqual(weights);
  expect((await run(output, 'b.txt')).alreadyDone).toBe(true);
});

it('is not finished when it was stopped before the end of the new evaluation', async () => {
  const output = place.output();
  const first = await run(output, 'a.txt');
  await pruneUntil(place.runFile, (event) => event.kind === 'block' && event.stage === 'evaluate pruned', {
    set: settings(output, 'b.txt'),
  });
  const second = await run(output, 'b.txt');
  expect(second.alreadyDone).toBe(false);
  expect(second.report.evaluation?.pruned).not.toEqual(first.report.evaluation?.pruned);
  expect(second.report.layers).toEqual(first.report.layers);
});

it.each(['config.json', 'model.safetensors.index.json'])('without %s it is not finished', async (name) => {
  const output = place.output();
  await run(output, 'a.txt');
  const whole = hashes(output);
  rmSync(join(output, name));
  expect((await run(output, 'a.txt')).alreadyDone).toBe(false);
  expect(hashes(output)).toEqual(whole);
});
