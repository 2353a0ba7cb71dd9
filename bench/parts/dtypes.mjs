/**
 * Stored bf16 weights into f32 memory and back, as blocks are loaded and written.
 * @module
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { F32Tensors } from '../../dist/forward/f32-tensors.js';
import { storeTensor } from '../../dist/pipeline/blocks/store-block.js';
import { fillRandom, withMatrices } from '../lib/native-matrices.mjs';
import { copyIn, threads } from '../lib/reference.mjs';

export const about = 'bf16 weights of a file ↔ f32 in memory : memory copy that moves as many bytes';

const ROWS = 11008;
const COLUMNS = 4096;
/** Bytes read and written for an element: 2 on one side, 4 on the other. A copy reads what it writes. */
const COPIED_BYTES = (ROWS * COLUMNS * (2 + 4)) / 2;

export async function* rows({ compare, pools, folder }) {
  const path = join(folder, 'bench.bf16');
  writeBf16(path);
  /** @type {import('../../dist/forward/stored-tensor.js').StoredFloatTensor} */
  const tensor = { name: 'weight', file: path, offset: 0, dtype: 'BF16', shape: [ROWS, COLUMNS] };
  for (const pool of pools) {
    yield* await withMatrices(async (matrices) => {
      const from = matrices.random(ROWS, COLUMNS);
      const to = matrices.zeros(ROWS, COLUMNS);
      const limit = () => copyIn(pool, from.address, to.address, COPIED_BYTES);
      const loaded = new F32Tensors(ROWS * COLUMNS * 4);
      /** @type {any} */
      const writer = { locate: () => tensor, inTurn: (_, work) => work(), complete: async () => {} };
      const weights = { address: from.address, shape: [ROWS, COLUMNS] };
      try {
        return [
          {
            name: `read: bf16 → f32, ${threads(pool)}`,
            ...(await compare({ part: () => loaded.load([tensor], () => tensor, pool), limit })),
          },
          {
            name: `write: f32 → bf16, ${threads(pool)}`,
            ...(await compare({
              prepare: () => fillRandom(from.address, ROWS * COLUMNS),
              part: () => storeTensor(pool, writer, tensor.name, weights),
              limit,
            })),
          },
        ];
      } finally {
        loaded.dispose();
      }
    });
  }
}

/** A file of bf16 numbers, all finite. */
function writeBf16(path) {
  const chunk = Uint16Array.from({ length: COLUMNS }, (_, i) => 0x3c00 + ((i * 7919) % 255));
  const descriptor = openSync(path, 'w');
  try {
    ftruncateSync(descriptor, ROWS * COLUMNS * 2);
    for (let row = 0; row < ROWS; row++) writeSync(descriptor, chunk, 0, chunk.byteLength);
  } finally {
    closeSync(descriptor);
  }
}
