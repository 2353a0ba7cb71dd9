/**
 * Where a comparison lies inside its output folder.
 * @module
 */
import { join } from 'node:path';

/** Paths of `compare.json` and `compare.html` in `output`, and of the folder of what runs share while they are under way. */
export function comparisonFiles(output: string): { json: string; html: string; shared: string } {
  return {
    json: join(output, 'compare.json'),
    html: join(output, 'compare.html'),
    shared: join(output, 'shared'),
  };
}
