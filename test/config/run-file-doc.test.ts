import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = new URL('../../', import.meta.url);

it('docs/run-file.md says what the schema says', () => {
  const script = fileURLToPath(new URL('scripts/run-file-doc.mjs', root));
  const page = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  expect(readFileSync(new URL('docs/run-file.md', root), 'utf8')).toBe(page);
});
