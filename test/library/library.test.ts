import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { prune, RequestError, type RunConfig, reportJsonSchema, runSchema } from '../../src/index.js';

describe('the library', () => {
  it('publishes the schema of the report that docs/report.schema.json holds', () => {
    const published = readFileSync(new URL('../../docs/report.schema.json', import.meta.url), 'utf8');
    expect(JSON.parse(published)).toEqual(JSON.parse(JSON.stringify(reportJsonSchema())));
  });

  it('describes every key of a run file, and every method by name', () => {
    const schema = JSON.stringify(runSchema());
    for (const word of [
      'magnitude',
      'wanda',
      'sparsegpt',
      'damping',
      'block_size',
      'max_shard_size',
      'memory_limit',
    ]) {
      expect(schema).toContain(word);
    }
  });

  it('refuses a config that is not one, naming the key', async () => {
    const wrong = {
      model: '/x',
      output: '/y',
      prune: { method: 'wanda', sparsity: 2 },
    } as unknown as RunConfig;
    const error: unknown = await prune(wrong).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RequestError);
    expect((error as Error).message).toMatch(/sparsity/);
  });
});
