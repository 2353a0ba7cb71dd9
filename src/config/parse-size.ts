/**
 * Sizes such as `5GB`: decimal units, as the Hugging Face hub counts shards.
 * @module
 */

const units: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** What a size may look like, for error messages. */
export const sizeForms =
  'a number of bytes, or a number with B, KB, MB, GB or TB (decimal: 1GB is 1000000000 bytes)';

/** Matches what {@link parseSize} accepts; also goes into the JSON Schema. */
export const sizePattern = /^\d+(\.\d+)? ?[KkMmGgTt]?[Bb]$/;

/**
 * Bytes of a size: a positive integer, or text such as `500MB`, `1.5 GB`, `5gb`. A fraction of a byte is cut off.
 * Returns undefined for anything else, for less than one byte and for more than 2⁵³−1.
 */
export function parseSize(size: string | number): number | undefined {
  let bytes: number;
  if (typeof size === 'number') {
    bytes = size;
  } else {
    const text = size.trim();
    if (!sizePattern.test(text)) return undefined;
    const unit = text.replace(/^[\d. ]+/, '').toUpperCase();
    // 1.005 × 1000 is 1004.9999999999999 in binary: round to the precision that a double holds, then cut.
    bytes = Math.floor(Number((Number.parseFloat(text) * (units[unit] ?? Number.NaN)).toPrecision(15)));
  }
  return Number.isSafeInteger(bytes) && bytes >= 1 ? bytes : undefined;
}
