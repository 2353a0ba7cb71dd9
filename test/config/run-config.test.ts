import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { runFileJsonSchema } from '../../src/config/run-file-json-schema.js';
import type { RunConfig } from '../../src/config/run-schema.js';
import { stringifyRunConfig } from '../../src/config/stringify-run-config.js';
import { inFolder, load, schema } from './fixture.js';

const path = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).map((name) => `/data/${name}/x`);
const fraction = fc
  .double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  .filter((value) => !Object.is(value, -0));
const pattern = fc
  .tuple(fc.integer({ min: 1, max: 1023 }), fc.integer({ min: 1, max: 1023 }))
  .map(([n, m]) => `${n}:${n + (m % (1024 - n)) + (n + (m % (1024 - n)) === n ? 1 : 0)}`);
const amount = fc.oneof(fc.record({ sparsity: fraction }), fc.record({ pattern }));
const rule = fc
  .tuple(fc.string({ minLength: 1 }), fc.oneof(amount, fc.constant({ keep: 'dense' })))
  .map(([match, rest]) => ({ match, ...rest }));

const runFile = fc
  .record(
    {
      model: fc.oneof(path, fc.constantFrom('org/name', 'org/name@main')),
      output: path,
      calibration: fc.record(
        {
          data: fc.oneof(
            path,
            fc.array(fc.oneof(path, fc.record({ path, weight: fc.integer({ min: 1, max: 9 }) })), {
              minLength: 1,
            }),
          ),
          samples: fc.integer({ min: 1, max: 1000 }),
          sequence_length: fc.integer({ min: 2, max: 1000 }),
          windows: fc.constantFrom('contiguous', 'random', 'document'),
          seed: fc.maxSafeNat(),
          bos: fc.constantFrom('auto', 'always', 'never'),
        },
        { requiredKeys: ['data'] },
      ),
      prune: fc
        .tuple(
          amount,
          fc.record(
            {
              method: fc.constant('sparsegpt'),
              allocation: fc.constantFrom('uniform', { name: 'owl', lambda: 0.5 }),
              options: fc.record(
                { damping: fc.double({ min: 1e-9, max: 1, noNaN: true }) },
                { requiredKeys: [] },
              ),
              rules: fc.array(rule, { maxLength: 4 }),
            },
            { requiredKeys: ['method'] },
          ),
        )
        .map(([first, rest]) => ({ ...first, ...rest })),
      evaluation: fc.record({ data: path, windows: fc.integer({ min: 1 }) }, { requiredKeys: ['data'] }),
      write: fc.record({ max_shard_size: fc.oneof(fc.integer({ min: 1 }), fc.constant('1.5GB')) }),
      resources: fc.record({
        workers: fc.integer({ min: 1, max: 256 }),
        memory_limit: fc.constantFrom('auto', '2GB'),
      }),
    },
    { requiredKeys: ['model', 'output', 'prune'] },
  )
  // NUL cannot be in a path, and resolve() would take dots and double slashes out of it.
  .filter((value) => !/\0/.test(JSON.stringify(value)) && !JSON.stringify(value).includes('\\u0000'));

it('loads again to an equal config after being written out', () => {
  inFolder((folder) => {
    const file = join(folder, 'run.yaml');
    const read = (text: string): RunConfig => {
      writeFileSync(file, text);
      return loadRunFile(file, schema).config;
    };
    fc.assert(
      fc.property(runFile, (value) => {
        const config = read(JSON.stringify(value));
        const again = read(stringifyRunConfig(config));
        expect(again).toEqual(config);
        expect(stringifyRunConfig(again)).toBe(stringifyRunConfig(config));
      }),
      { numRuns: 200 },
    );
  });
});

it('is written so that readers of YAML 1.1 take patterns for text too', () => {
  const { config } = load('model: org/name\noutput: o\nprune: {method: magnitude, pattern: 2:4}\n');
  const text = stringifyRunConfig(config);
  expect(text).toMatch(/^# /);
  expect(parseDocument(text, { version: '1.1' }).getIn(['prune', 'pattern'])).toBe('2:4');
});

interface Form {
  type?: string;
  items?: unknown;
  properties?: object;
  required?: string[];
}

it('has a JSON Schema in which every key is described and no other key allowed', () => {
  const json = runFileJsonSchema(schema);
  expect(json.$schema).toBe('https://json-schema.org/draft/2020-12/schema');
  expect(json.required).toEqual(['model', 'output', 'prune']);
  const undescribed: string[] = [];
  let objects = 0;
  const walk = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const { properties, type, additionalProperties } = node as Record<string, unknown>;
    if (type === 'object' && typeof properties === 'object' && properties !== null) {
      objects++;
      expect(additionalProperties, at).toBe(false);
      for (const [key, value] of Object.entries(properties)) {
        const own = (value as { description?: unknown }).description;
        // The options of methods, allocations, refinements and updates are described where those live.
        if (typeof own !== 'string' && !/options|allocation|refine|update/.test(at))
          undescribed.push(`${at}.${key}`);
      }
    }
    for (const [key, value] of Object.entries(node)) walk(value, `${at}.${key}`);
  };
  walk(json, '');
  expect(undescribed).toEqual([]);
  expect(objects).toBeGreaterThan(10);
  const { calibration } = json.properties as Record<string, { properties: { data: { anyOf: unknown[] } } }>;
  const forms = calibration?.properties.data.anyOf as Form[];
  const single = forms.filter(({ type }) => type !== 'array');
  expect(single.map(({ type }) => type)).toEqual(['string', 'object', 'object']);
  expect(forms.find(({ type }) => type === 'array')?.items).toEqual({ anyOf: single });
  expect(forms.flatMap(({ properties }) => (properties ? [Object.keys(properties)] : []))).toEqual([
    ['path', 'field', 'weight'],
    ['hub', 'files', 'revision', 'field', 'weight'],
  ]);
  expect(forms.flatMap(({ required }) => (required ? [required] : []))).toEqual([['path'], ['hub', 'files']]);
  const prune = (
    json.properties as Record<string, { oneOf: { properties: Record<string, { const?: string }> }[] }>
  ).prune;
  expect(prune?.oneOf.map((variant) => variant.properties.method?.const)).toEqual(['magnitude', 'sparsegpt']);
});
