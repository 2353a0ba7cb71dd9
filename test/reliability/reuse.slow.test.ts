/** Runs that are killed while they leave something for others. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Fault, Workplace } from './real-run.js';

const place = new Workplace();
afterAll(() => place.dispose());

const sets = [
  'prune={method: gblm, sparsity: 0.5, options: {windows: 3}, allocation: {name: owl, windows: 2}}',
];
const killed = { signals: ['SIGKILL'] };

describe('a run that shares what it measures', () => {
  it.concurrent.each<[string, Omit<Fault, 'effect'>]>([
    [
      'writes gradients',
      { call: 'writeSync', path: 'gradients-\\w+\\.f32\\.tmp$', nth: 9, thread: 'worker' },
    ],
    ['syncs gradients', { call: 'handle.sync', path: 'gradients-\\w+\\.f32\\.tmp$' }],
    ['describes gradients', { call: 'handle.write', path: 'gradients-\\w+\\.json\\.tmp$' }],
    ['describes norms', { call: 'handle.sync', path: 'norms-\\w+\\.json\\.tmp$' }],
    ['prunes with gradients', { call: 'writeSync', path: '\\.safetensors', nth: 12, thread: 'worker' }],
  ])('killed while it %s: it and another run end with the bytes of undisturbed runs', async (what, fault) => {
    const reuse = join(place.folder, what.replaceAll(' ', '-'));
    const output = place.output();
    expect(await place.prune(output, { faults: [{ ...fault, effect: killed }], sets, reuse })).toMatchObject({
      signal: 'SIGKILL',
    });
    expect((await place.prune(output, { sets, reuse })).code).toBe(0);
    await place.expectFinished(output, sets);
    const files = readdirSync(reuse).map((name) => name.replace(/-\w+/, ''));
    expect(files.sort()).toEqual(['gradients.f32', 'gradients.json', 'norms.f32', 'norms.json']);
    const other = place.output();
    const ended = await place.prune(other, { sets, reuse });
    expect(ended.stderr).toContain('column norms of the dense model were found');
    expect(ended.stderr).toContain('gradients of the dense model were found');
    await place.expectFinished(other, sets);
  });
});
