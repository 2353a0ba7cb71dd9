/**
 * A square on the diagonal of a Gram matrix.
 * @module
 */
import { float32View } from '../system/native-memory.js';
import { gramStrips } from './gram-layout.js';
import type { GramRef } from './group-statistics.js';

/** Reads squares on the diagonal of XᵀX, as [count, count], of the features first … first+count−1. */
export function gramBlocks(gram: GramRef): (first: number, count: number) => Float64Array {
  const strips = gramStrips(gram.size).map((strip) => ({
    ...strip,
    data: float32View(gram.address + BigInt(strip.offset * 4), strip.rows * strip.width),
  }));
  const stripWidth = strips[0]?.width ?? 1;
  return (first, count) => {
    const block = new Float64Array(count * count);
    for (let j = 0; j < count; j++) {
      const strip = strips[Math.floor((first + j) / stripWidth)];
      if (!strip) throw new RangeError(`a Gram matrix of ${gram.size} features has none ${first + j}`);
      for (let i = j; i < count; i++) {
        const at = (first + i - strip.first) * strip.width + first + j - strip.first;
        const value = strip.data[at] as number;
        block[i * count + j] = value;
        block[j * count + i] = value;
      }
    }
    return block;
  };
}
