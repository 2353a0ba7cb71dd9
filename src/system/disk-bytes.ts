/**
 * What files take of the disk.
 * @module
 */
import { statSync } from 'node:fs';

/** Blocks that `stat` counts in, whatever the file system's own are. */
const STAT_BLOCK_BYTES = 512;

/** Bytes of the disk that a file takes up, which are fewer than its size where it has holes; 0 where there is none. */
export function diskBytes(path: string): number {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * STAT_BLOCK_BYTES;
}
