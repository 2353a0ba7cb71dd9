import { afterAll, expect, it } from 'vitest';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { sparseGpt } from '../../src/solvers/sparsegpt.js';
import { float32View } from '../../src/system/native-memory.js';
import { nativeGram, nativeTensor } from '../support/native.js';
import { correlatedActivations, normals } from '../support/random.js';

const pool = new WorkerPool(1);
afterAll(() => pool.close());

it('chooses masks by score where the kernels’ memory grows between loading a block and scoring it', async () => {
  // One block that leaves 192 bytes of a new instance's 4 MiB, less than the inverse diagonal needs.
  const [rows, columns, tokens] = [511, 487, 60];
  const w = normals(rows * columns, 1);
  const weights = nativeTensor(w, [rows, columns]);
  const gram = nativeGram(correlatedActivations(tokens, columns, 2), tokens, columns);
  const pattern = { kind: 'unstructured', sparsity: 0.5 } as const;
  await sparseGpt(pool, 'test', gram, [{ name: 'w', weights, pattern }], {
    damping: 0.1,
    block_size: columns,
  });
  const pruned = float32View(weights.address, w.length);
  const kept = Array.from({ length: columns }, (_, j) => {
    let count = 0;
    for (let r = 0; r < rows; r++) if (pruned[r * columns + j] !== 0) count++;
    return count;
  });
  // Without scores whole columns would go, in order.
  expect(Math.min(...kept)).toBeGreaterThan(0);
});
