/**
 * Where a run's report lies inside its output folder.
 * @module
 */
import { join } from 'node:path';

/** Paths of `secateur/report.json` and `secateur/report.html` in `output`. */
export function reportFiles(output: string): { json: string; html: string } {
  return { json: join(output, 'secateur', 'report.json'), html: join(output, 'secateur', 'report.html') };
}
