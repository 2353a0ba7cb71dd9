/**
 * Removing a file that workers may have open.
 * @module
 */
import { existsSync, rmSync, truncateSync } from 'node:fs';

/** Gives the file's room on the disk back, which workers that have it open would keep otherwise, and removes it. */
export function releaseFile(path: string): void {
  if (existsSync(path)) truncateSync(path);
  rmSync(path, { force: true });
}
