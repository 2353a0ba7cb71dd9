/** The program in few files. Workers find a task by its function's name, which must not be another there. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

it.each(['index.js', 'cli/main.js'])('%s keeps the names of functions that it renames', (file) => {
  const code = readFileSync(new URL(`../../dist/${file}`, import.meta.url), 'utf8');
  const renamed = [...code.matchAll(/^(?:async )?function (\w+)\$\d+\(/gm)].map(([, name]) => name);
  const kept = [...code.matchAll(/__name\((\w+)\$\d+, "(\w+)"\)/g)]
    .filter(([, name, original]) => name === original)
    .map(([, name]) => name);
  expect(kept).toEqual(expect.arrayContaining(renamed));
});
