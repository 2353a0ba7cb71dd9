/**
 * Stored floating-point weights ↔ f32, chunk by chunk through the kernels. Used inside workers.
 * @module
 */
import type { FloatDtype } from '../model/check-tensors.js';
import type { Kernels } from '../runtime/kernels.js';

/** Elements that pass through the kernels' memory at a time: small enough to stay in a core's cache. */
export const CHUNK_ELEMENTS = 65_536;

export function bytesPerElement(dtype: FloatDtype): 2 | 4 {
  return dtype === 'F32' ? 4 : 2;
}

/** Decodes n elements between two places of the kernels' memory. Returns the first index that isn't finite, or −1. */
export function decode(
  kernels: Kernels,
  dtype: FloatDtype,
  source: number,
  target: number,
  n: number,
): number {
  switch (dtype) {
    case 'BF16':
      return kernels.bf16ToF32(source, target, n);
    case 'F16':
      return kernels.f16ToF32(source, target, n);
    case 'F32':
      kernels.f32(target, n).set(kernels.f32(source, n));
      return kernels.firstNonFinite(target, n);
  }
}

/** The opposite of `decode`, rounding to nearest even. Returns the first index that isn't finite, or −1. */
export function encode(
  kernels: Kernels,
  dtype: FloatDtype,
  source: number,
  target: number,
  n: number,
): number {
  switch (dtype) {
    case 'BF16':
      return kernels.f32ToBf16(source, target, n);
    case 'F16':
      return kernels.f32ToF16(source, target, n);
    case 'F32':
      kernels.f32(target, n).set(kernels.f32(source, n));
      return kernels.firstNonFinite(target, n);
  }
}

/** Whether n f32 elements are known to stay what they are when they are encoded. */
export function isExact(kernels: Kernels, dtype: FloatDtype, plain: number, n: number): boolean {
  return dtype === 'F32' || (dtype === 'BF16' && kernels.isBf16(plain, n));
}

/** How many of n stored elements are ±0. */
export function countZeros(kernels: Kernels, dtype: FloatDtype, stored: number, n: number): number {
  return dtype === 'F32' ? kernels.countZeros32(stored, n) : kernels.countZeros16(stored, n);
}

/** Index of the first of n stored elements that isn't finite, or −1. */
export function firstNonFinite(kernels: Kernels, dtype: FloatDtype, stored: number, n: number): number {
  switch (dtype) {
    case 'BF16':
      return kernels.firstNonFiniteBf16(stored, n);
    case 'F16':
      return kernels.firstNonFiniteF16(stored, n);
    case 'F32':
      return kernels.firstNonFinite(stored, n);
  }
}
