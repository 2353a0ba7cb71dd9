/**
 * Where a comparison lies inside its output folder.
 * @module
 */
import { join } from 'node:path';

/** Paths of `compare.json` and `compare.html` in `output`. */
export function comparisonFiles(output: string): { json: string; html: string } {
  return { json: join(output, 'compare.json'), html: join(output, 'compare.html') };
}
