import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Method } from '../../src/pipeline/methods/method.js';
import { methodByName, methods, refinements, updates } from '../../src/pipeline/methods/method-registry.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { scores } from '../../src/scores/score-registry.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { prunedBySorting, scoresOf } from '../scores/conformance.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { storedMatrix } from '../support/stored.js';
import { describeMethod, patterns } from './conformance.js';
import {
  COLUMNS,
  correlated,
  filedMoments,
  GRADIENT_TOKENS,
  linear,
  prunedTogether,
  WINDOW_TOKENS,
} from './method-group.js';

const pools = [new WorkerPool(1), new WorkerPool(3)] as const;
afterAll(() => Promise.all(pools.map((pool) => pool.close())));
const temporaryFolder = temporaryFolders();

const registries = { method: methods, refinement: refinements, update: updates } as const;
const steps = Object.keys(registries) as (keyof typeof registries)[];

/** Options under which other work is done than with the defaults. */
const others: Readonly<Record<string, readonly Record<string, unknown>[]>> = {
  magnitude: [{ scope: 'row' }],
  wanda: [{ scope: 'tensor' }],
  obd: [{ hessian: 'fisher' }],
  gradient: [{ taylor: 'none' }, { aggregate: 'set', scope: 'row' }, { taylor: 'second' }],
  sparsegpt: [
    { mask_scope: 'row', block_size: 16 },
    { order: 'activation', block_size: 16 },
  ],
  thanos: [{ block_size: 16 }],
  loss_change: [{ tile: [3, 5] }],
  dsnot: [{ threshold: 0, same_sign: false, variance_power: 0 }],
};

/** With the defaults, and with each of them. */
const optionsOf = (method: Method) =>
  [{}, ...(others[method.name] ?? [])].map((given) => method.options.parse(given));

for (const step of steps) {
  for (const method of registries[step]) {
    for (const options of optionsOf(method)) describeMethod(step, { method, options }, pools);
  }
}

describe.each(scores)('the method of a score, $name', (score) => {
  const method = methodByName(score.name);
  it.each(optionsOf(method))(
    '%j: the smallest of its scores go, in the matrix or in each row',
    async (options) => {
      const columnNorms = Float32Array.from(correlated.sumOfSquares, Math.sqrt);
      for (const pattern of patterns) {
        const one = linear('w', 20, pattern);
        const problem = {
          rows: 20,
          columns: COLUMNS,
          weights: one.dense,
          columnNorms,
          tokens: WINDOW_TOKENS,
          gradientTokens: GRADIENT_TOKENS,
          gradients: one.gradients,
        };
        const scope = options.scope === 'row' ? 'row' : 'tensor';
        const expected = prunedBySorting(problem, scoresOf(score, problem, options), pattern, scope);
        const { weights } = await prunedTogether({ method, options }, [one], correlated, pools[0]);
        expectSameBits(weights.get('w') as Float32Array, expected);
      }
    },
  );
});

const stored = methods.flatMap((method) =>
  method.pruneStored ? optionsOf(method).map((options) => ({ method, options, name: method.name })) : [],
);

it.each(stored)('$name $options writes from file to file what it leaves in memory', async (asked) => {
  const { method, options } = asked;
  for (const pattern of patterns) {
    const folder = temporaryFolder();
    const one = linear('w', 20, pattern);
    const source = storedMatrix(folder, 'w', one.dense, [20, COLUMNS]);
    const file = join(folder, 'to.bin');
    writeFileSync(file, Buffer.alloc(one.dense.byteLength));
    const matrix = { source, target: { file, offset: 0, dtype: 'F32' } } as const;
    const given = { name: 'w', matrix, pattern, gradients: filedMoments(asked, one) };
    const { zeros, seconds } = (await method.pruneStored?.(pools[0], given, options)) ?? { seconds: -1 };
    const { weights } = await prunedTogether(asked, [one], correlated, pools[0]);
    const written = new Float32Array(new Uint8Array(readFileSync(file)).buffer);
    expectSameBits(written, weights.get('w') as Float32Array);
    expect(zeros).toBe(written.filter((value) => value === 0).length);
    expect(seconds).toBeGreaterThanOrEqual(0);
  }
});
