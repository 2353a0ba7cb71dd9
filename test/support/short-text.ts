/** Calibration text that doesn't take long to tokenise. @module */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const general = fileURLToPath(new URL('../../calibration/general.jsonl', import.meta.url));
const DOCUMENTS = 40;

/** Writes the first documents of `general.jsonl` into a folder, and returns the path: some eight thousand tokens. */
export function writeShortText(folder: string): string {
  const path = join(folder, 'calibration.jsonl');
  const lines = readFileSync(general, 'utf8').split('\n').slice(0, DOCUMENTS);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
