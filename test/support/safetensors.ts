/** Reads whole tensors of golden files. @module */
import { readFileSync } from 'node:fs';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array | Uint8Array;
}

/** All F32, I64 and U8 tensors of a small file. */
export function readGolden(path: string): Map<string, GoldenTensor> {
  const file = readFileSync(path);
  return new Map(
    [...readSafetensorsHeader(path).tensors].map(([name, { dtype, shape, offset, bytes }]) => {
      const buffer = file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + bytes);
      const data =
        dtype === 'F32'
          ? new Float32Array(buffer)
          : dtype === 'I64'
            ? new BigInt64Array(buffer)
            : new Uint8Array(buffer);
      return [name, { shape, data }];
    }),
  );
}
