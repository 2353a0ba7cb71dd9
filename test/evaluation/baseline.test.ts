/** Two checkpoints on the same text: what is refused is refused before either is measured. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type EvaluateOptions, evaluate } from '../../src/index.js';
import { quickstartRuns, refusal } from '../support/quickstart-runs.js';

const { shallow, folder, newPath } = quickstartRuns(1);

const mixed = join(folder, 'mixed.txt');
writeFileSync(mixed, 'the cat sat. The Dog ran.');
const small = join(folder, 'small.txt');
writeFileSync(small, 'a text in small letters, and another one that goes on');

/** A copy of the model with another value of a JSON file's field. */
function changed(file: string, field: string, value: unknown): string {
  const copy = newPath('copy');
  cpSync(shallow, copy, { recursive: true });
  const path = join(copy, file);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), [field]: value }));
  return copy;
}

const lowercase = changed('tokenizer.json', 'normalizer', { type: 'Lowercase' });
const short = changed('config.json', 'max_position_embeddings', 3);
const unsupported = changed('config.json', 'model_type', 'unheard_of');
const bare = newPath('bare');
cpSync(shallow, bare, { recursive: true });
rmSync(join(bare, 'tokenizer.json'));
const missing = join(folder, 'missing');

/** The words of a refusal, which come before any stage begins. */
async function refused(checkpoint: string, baseline: string, options: Partial<EvaluateOptions> = {}) {
  const seen: string[] = [];
  const words = await refusal(
    evaluate(checkpoint, {
      data: mixed,
      context: 4,
      baseline,
      workers: 1,
      onProgress: ({ kind }) => seen.push(kind),
      ...options,
    }),
  );
  expect(seen).toEqual([]);
  return words;
}

it.each<[string, string, string]>([
  ['a folder that is not there', missing, 'no such file or folder'],
  ['a folder without a tokenizer', bare, 'no tokenizer.json there'],
  ['a family that is not supported', unsupported, 'unheard_of'],
])('%s is refused as checkpoint and as baseline', async (_, wrong, words) => {
  for (const said of [await refused(wrong, shallow), await refused(shallow, wrong)]) {
    expect(said).toContain(wrong);
    expect(said).toContain(words);
  }
});

it('other tokens are refused with the first that differs, also where there are as many windows', async () => {
  // By Python's tokenizers: … 267, 14, 351, 578, … and with Lowercase … 267, 14, 260, 543, …
  const said = await refused(lowercase, shallow, { windows: 2 });
  expect(said).toBe(
    `${lowercase} and the baseline ${shallow} cut the text into different tokens: token 7 has id 260 and 351. ` +
      "Their tokenizers or chat templates differ, and perplexities over different tokens can't be compared; " +
      'evaluate each by itself, without --baseline',
  );
  expect(await refused(shallow, lowercase)).toContain('token 7 has id 351 and 260.');
});

it('other tokens are those that end sooner, too', async () => {
  // Three of the 17 tokens.
  const replacement = { type: 'Replace', pattern: { String: ' goes on' }, content: '' };
  const without = changed('tokenizer.json', 'normalizer', replacement);
  expect(await refused(without, shallow, { data: small, context: 5 })).toContain(
    'cut the text into different tokens: 2 windows and 3. ',
  );
});

it('windows of another length are refused with one that both have', async () => {
  const said = await refused(short, shallow);
  expect(said).toContain('in windows of 3 tokens');
  expect(said).toContain('windows of 4; give a context of 3 or less');
  const { context } = await evaluate(short, { data: mixed, context: 3, baseline: shallow, workers: 1 });
  expect(context).toBe(3);
});

it('another tokenizer that gives the same tokens is none; the baseline is measured first', async () => {
  const stages: string[] = [];
  const options = { data: small, context: 8, workers: 1 };
  const both = await evaluate(lowercase, {
    ...options,
    baseline: shallow,
    onProgress: (event) => {
      if (event.kind === 'stage') stages.push(event.stage);
    },
  });
  expect(stages).toEqual(['evaluate dense', 'evaluate pruned']);
  const { checkpoint } = await evaluate(shallow, options);
  expect(both.baseline).toEqual(checkpoint);
  expect(both.checkpoint).toEqual({ ...checkpoint, path: lowercase });
  expect(both).toMatchObject({ context: 8, windows: 2, tokens: 14 });
});
