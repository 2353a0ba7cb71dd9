/** What a checkpoint is found to hold. */
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { afterEach, expect, it, vi } from 'vitest';
import { inspect } from '../../src/index.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';

const golden = fileURLToPath(new URL('../golden/families', import.meta.url));
const makeFolder = temporaryFolders();
afterEach(() => void vi.restoreAllMocks());

it('lists linears in the order of the computation, with what they read', async () => {
  const { linears } = await inspect(join(golden, 'qwen3'));
  const rows = linears.map(({ name, shape, inputGroup }) => [name, shape.join(' × '), inputGroup]);
  const ofBlock = (prefix: string) => [
    [`${prefix}self_attn.q_proj`, '40 × 32', 'attention input'],
    [`${prefix}self_attn.k_proj`, '20 × 32', 'attention input'],
    [`${prefix}self_attn.v_proj`, '20 × 32', 'attention input'],
    [`${prefix}self_attn.o_proj`, '32 × 40', 'attention output'],
    [`${prefix}mlp.gate_proj`, '56 × 32', 'mlp input'],
    [`${prefix}mlp.up_proj`, '56 × 32', 'mlp input'],
    [`${prefix}mlp.down_proj`, '32 × 56', 'mlp hidden'],
  ];
  expect(rows).toEqual(['model.layers.0.', 'model.layers.1.'].flatMap(ofBlock));
});

it.each(readdirSync(golden))(
  'counts the linears of %s as parts of the tensors that hold them',
  async (name) => {
    const { linears, tensors, totals } = await inspect(join(golden, name));
    const holders = tensors.filter(({ prunable }) => prunable);
    expect(new Set(linears.map(({ tensor }) => tensor))).toEqual(new Set(holders.map((each) => each.name)));
    for (const { name, numel } of holders) {
      const held = linears.filter(({ tensor }) => tensor === name);
      expect(held.reduce((sum, { shape: [out, columns] }) => sum + out * columns, 0)).toBeLessThanOrEqual(
        numel,
      );
    }
    expect(totals.prunable).toBe(holders.reduce((sum, { numel }) => sum + numel, 0));
  },
);

it('still counts zeros where the model is not supported, and says why it knows no linears', async () => {
  const folder = makeFolder();
  cpSync(join(golden, 'qwen3'), folder, { recursive: true });
  const file = join(folder, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...config, model_type: 'qwen99' }));
  const { linears, tensors, notes } = await inspect(folder, { pattern: '2:4' });
  expect(linears).toEqual([]);
  expect(tensors.find(({ name }) => name.endsWith('q_proj.weight'))).toMatchObject({
    zeros: 0,
    prunable: false,
  });
  expect(notes.join()).toContain('model_type qwen99 is not supported');
});

it.each([
  ['a task in the middle', (tasks: number) => Math.floor(tasks / 2)],
  ['the last task', (tasks: number) => tasks],
])('stops when its signal is aborted at the end of %s', async (_, nth) => {
  const folder = join(golden, 'qwen3');
  const { run } = Piscina.prototype;
  const begun = vi.spyOn(Piscina.prototype, 'run');
  await inspect(folder);
  const tasks = begun.mock.calls.length;
  expect(tasks).toBeGreaterThan(2);
  const controller = new AbortController();
  const reason = new Error('stopped');
  let done = 0;
  begun.mockImplementation(async function (this: Piscina, ...args) {
    const result = await run.apply(this, args);
    if (++done === nth(tasks)) controller.abort(reason);
    return result;
  });
  await expect(inspect(folder, { signal: controller.signal })).rejects.toBe(reason);
});
