/** Runs on a mixture of experts that are killed, fail, or lose what they wrote. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { prune } from '../../src/index.js';
import { makeFamilyModel } from '../support/family-model.js';
import { type Fault, Workplace } from './real-run.js';

const place = new Workplace((folder) => makeFamilyModel('qwen3-moe', folder));
afterAll(() => place.dispose());

const experts = 'calibration.experts={minimum_tokens: 1, fallback: magnitude}';

describe('a run on a mixture of experts', () => {
  it.concurrent.each([
    ['sparsegpt', 'experts-\\d+\\.hidden$', 9],
    ['gradient', 'gradients-expert-\\d+\\.hidden$', 3],
  ])('%s, killed while %s is written: goes on to the same bytes', async (method, path, nth) => {
    const output = place.output();
    const sets = [`prune.method=${method}`, experts];
    const effect = { signals: ['SIGKILL'] };
    const faults = [{ call: 'writeSync', path, nth, thread: 'worker' as const, effect }];
    expect(await place.prune(output, { faults, sets })).toMatchObject({ signal: 'SIGKILL' });
    const left = readdirSync(join(output, 'secateur')).filter((name) => new RegExp(path).test(name));
    expect(left).toHaveLength(1);
    await place.expectFinishes(output, sets);
  });

  it.concurrent.each<[string, Fault, RegExp]>([
    [
      'no space for the moments of gradients',
      {
        call: 'writeSync',
        path: 'gradients\\.f32\\.tmp$',
        nth: 3,
        thread: 'worker',
        effect: { code: 'ENOSPC' },
      },
      /cannot write .*gradients\.f32\.tmp: no space left/,
    ],
    [
      'gradients that can not be put on the disk',
      { call: 'handle.sync', path: 'gradients\\.f32\\.tmp$', effect: { code: 'EIO' } },
      /cannot sync .*gradients\.f32\.tmp: EIO/,
    ],
    [
      'a worker that ends while it gathers the tokens of an expert',
      {
        call: 'writeSync',
        path: 'gradients-expert-\\d+\\.hidden$',
        nth: 4,
        thread: 'worker',
        effect: { exit: 7 },
      },
      /a worker thread failed in forward\/\S+: worker exited with code: 7/,
    ],
  ])('gblm: %s', async (_, fault, words) => {
    const output = place.output();
    const sets = ['prune.method=gblm', experts];
    const ended = await place.prune(output, { faults: [fault], sets });
    expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' });
    expect(ended.stderr).toMatch(words);
    expect(ended.stderr).toContain('the same command goes on from there');
    await place.expectFinishes(output, sets);
  });

  it('prunes a block again whose experts were written to a file that has gone', async () => {
    const output = place.output();
    const sets = [experts, 'write.max_shard_size=20KB'];
    await place.expectFinishes(output, sets);
    const index = JSON.parse(readFileSync(join(output, 'model.safetensors.index.json'), 'utf8'));
    const names = Object.entries<string>(index.weight_map);
    const file = [...new Set(names.map(([, shard]) => shard))].find((shard) =>
      names.every(([name, of]) => of !== shard || /layers\.0\.mlp\.experts/.test(name)),
    );
    expect(file).toBeDefined();
    rmSync(join(output, file ?? ''));
    const { report } = await prune(place.runFile, { set: [`output=${output}`, ...sets] });
    expect(report.notes.join()).toMatch(/blocks from 0 on are pruned again/);
    expect(existsSync(join(output, file ?? ''))).toBe(true);
    await place.expectFinished(output, sets);
  });
});
