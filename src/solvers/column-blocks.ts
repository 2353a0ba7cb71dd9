/**
 * The column blocks that SparseGPT and Thanos work through, and where their factor lies.
 * @module
 */
import { type Strip, stripsAt } from '../statistics/gram-layout.js';

/** Columns first … first+width−1 of a matrix, in the order they are pruned. */
export interface ColumnBlock {
  readonly first: number;
  readonly width: number;
}

/** Blocks of `size` columns from the left; with a group size, the largest multiple of it up to `size` (at least one group). */
export function columnBlocks(columns: number, size: number, group = 1): ColumnBlock[] {
  const width = Math.max(group, Math.floor(size / group) * group);
  const blocks: ColumnBlock[] = [];
  for (let first = 0; first < columns; first += width) {
    blocks.push({ first, width: Math.min(width, columns - first) });
  }
  return blocks;
}

/** Strips over the features in reversed order whose borders are those of the blocks: block b is strip count−1−b. */
export function reversedStrips(columns: number, blocks: readonly ColumnBlock[]): Strip[] {
  return stripsAt(columns, blocks.map(({ first, width }) => columns - first - width).reverse());
}

/** Strips of at least `least` columns, each made of whole strips side by side; the last one may have fewer. */
export function joinedStrips(strips: readonly Strip[], least: number): Strip[] {
  const starts: number[] = [];
  for (const { first } of strips) if (first >= (starts.at(-1) ?? -least) + least) starts.push(first);
  return stripsAt(strips[0]?.rows ?? 0, starts);
}

/** A block, and the strip of the reversed features that is its part of the factor. */
export interface BlockStep {
  readonly block: ColumnBlock;
  readonly strip: Strip;
}

/** The blocks in their order, with strips over all columns. */
export function blockSteps(columns: number, size: number, group: number): BlockStep[] {
  const blocks = columnBlocks(columns, size, group);
  const strips = reversedStrips(columns, blocks);
  return blocks.map((block, index) => ({ block, strip: strips[blocks.length - 1 - index] as Strip }));
}
