/** Stored matrices for tests. @module */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredFloatTensor } from '../../src/forward/stored-tensor.js';

/** Bytes before and after what is stored, so that offsets count. */
const MARGIN = 12;

/** Writes f32 weights [rows, columns] into a file of their own. */
export function storedMatrix(
  folder: string,
  name: string,
  data: Float32Array,
  shape: readonly [number, number],
): StoredFloatTensor {
  const path = join(folder, `${name}.bin`);
  const margin = Buffer.alloc(MARGIN, 0x3f);
  writeFileSync(
    path,
    Buffer.concat([margin, Buffer.from(data.buffer, data.byteOffset, data.byteLength), margin]),
  );
  return { name, file: path, offset: MARGIN, dtype: 'F32', shape };
}
