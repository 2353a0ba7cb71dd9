/**
 * The element types of the safetensors format.
 * @module
 */

/** Bits of one element, by the name the format gives the type. F4 and F6 values are packed without padding. */
const BITS = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Name of an element type as it stands in a safetensors header. */
export type Dtype = keyof typeof BITS;

/** Every element type of the format, smallest alignment first. */
export const DTYPES: readonly Dtype[] = Object.keys(BITS) as Dtype[];

const NAMES: ReadonlySet<string> = new Set(DTYPES);

/** Whether `name` is an element type of the format (exact spelling, upper case). */
export function isDtype(name: string): name is Dtype {
  return NAMES.has(name);
}

/** Bits of one element: 4, 6, 8, 16, 32 or 64. */
export function bitsOf(dtype: Dtype): number {
  return BITS[dtype];
}

/** Largest count the reference reader computes with (`usize` of a 64-bit machine). */
const U64_MAX = 2n ** 64n - 1n;

/** Bytes of a tensor, or why it has none. */
export type TensorBytes =
  | { readonly bytes: number }
  | { readonly error: 'overflow' }
  | { readonly error: 'not whole bytes' };

/**
 * Bytes of a dense tensor. Dimensions are multiplied left to right in unsigned 64-bit arithmetic, as the
 * reference reader does, so `[2⁶⁰, 2⁶⁰, 0]` overflows while `[0, 2⁶⁰, 2⁶⁰]` is empty. A size that a JavaScript
 * number can't hold exactly (over 2⁵³−1 bytes) is reported as an overflow too.
 * @param shape non-negative safe integers; `[]` is one element
 */
export function tensorBytes(dtype: Dtype, shape: readonly number[]): TensorBytes {
  let elements = 1n;
  for (const dimension of shape) {
    elements *= BigInt(dimension);
    if (elements > U64_MAX) return { error: 'overflow' };
  }
  const bits = elements * BigInt(BITS[dtype]);
  if (bits > U64_MAX) return { error: 'overflow' };
  if (bits % 8n !== 0n) return { error: 'not whole bytes' };
  const bytes = Number(bits / 8n);
  return Number.isSafeInteger(bytes) ? { bytes } : { error: 'overflow' };
}
