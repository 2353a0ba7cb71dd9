/** Runs that are killed while parts of tensors are written. */
import { afterAll, describe, expect, it } from 'vitest';
import { makeFamilyModel } from '../support/family-model.js';
import { Workplace } from './real-run.js';

/** A part that isn't pruned, and which of a worker's writes are its last. */
const FAMILIES = [
  { name: 'gpt2', part: '*.c_attn.k', early: 30, late: 90 },
  { name: 'gpt_neox', part: '*.query_key_value.key', early: 20, late: 38 },
];

describe.each(FAMILIES)('a run on $name that is killed', ({ name, part, early, late }) => {
  const place = new Workplace((folder) => makeFamilyModel(name, folder));
  afterAll(() => place.dispose());

  it.each([
    ['sparsegpt', early],
    ['sparsegpt', late],
    ['magnitude', late],
  ])('%s at write %i of a worker: goes on to the same bytes', async (method, nth) => {
    const output = place.output();
    const sets = [`prune.method=${method}`, `prune.rules=[{match: "${part}", keep: dense}]`];
    const effect = { signals: ['SIGKILL'] };
    const faults = [{ call: 'writeSync', path: '\\.partial$', nth, thread: 'worker' as const, effect }];
    expect(await place.prune(output, { faults, sets })).toMatchObject({ signal: 'SIGKILL' });
    await place.expectFinishes(output, sets);
  });
});
