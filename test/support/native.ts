/** Native memory for tests. @module */

import type { TensorRef } from '../../src/runtime/tensor-ref.js';
import { gramStrips, stripElements } from '../../src/statistics/gram-layout.js';
import type { GramRef } from '../../src/statistics/group-statistics.js';
import { allocateNative, float32View } from '../../src/system/native-memory.js';

/** A copy of the data that workers can reach; freed with the process. */
export function nativeTensor(data: Float32Array, shape: readonly number[]): TensorRef {
  const { address } = allocateNative(data.byteLength);
  float32View(address, data.length).set(data);
  return { address, shape };
}

/** A Gram matrix [features, features] in strips. */
export function stripGram(matrix: Float32Array, features: number, tokens: number): GramRef {
  const strips = gramStrips(features);
  const data = new Float32Array(stripElements(strips));
  for (const { first, width, rows, offset } of strips) {
    for (let i = 0; i < rows; i++) {
      const start = (first + i) * features + first;
      data.set(matrix.subarray(start, start + width), offset + i * width);
    }
  }
  return { address: nativeTensor(data, [data.length]).address, size: features, tokens };
}

/** XᵀX of x [tokens, features] in strips, computed in f64. */
export function nativeGram(x: Float32Array, tokens: number, features: number): GramRef {
  const strips = gramStrips(features);
  const data = new Float32Array(stripElements(strips));
  for (const { first, width, rows, offset } of strips) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let t = 0; t < tokens; t++) {
          sum += (x[t * features + first + i] as number) * (x[t * features + first + j] as number);
        }
        data[offset + i * width + j] = sum;
      }
    }
  }
  return { address: nativeTensor(data, [data.length]).address, size: features, tokens };
}
