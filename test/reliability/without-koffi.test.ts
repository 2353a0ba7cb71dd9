/** What works where koffi can't be loaded. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const newFolder = temporaryFolders();

const WITHOUT = `data:text/javascript,
  import module from 'node:module';
  const load = module._load;
  module._load = (name, ...rest) => {
    if (name === 'koffi') throw new Error('built for another system');
    return load(name, ...rest);
  };`.replaceAll('\n', ' ');

function secateur(...args: string[]) {
  const main = join(root, 'dist/cli/main.js');
  return spawnSync(process.execPath, ['--import', WITHOUT, main, ...args], { encoding: 'utf8' });
}

it('inspect works, prune says what is missing and leaves nothing', () => {
  const inspected = secateur('inspect', join(root, 'models/quickstart'), '--json');
  expect(inspected.stderr).not.toContain('error');
  expect(inspected.status).toBe(0);
  expect(JSON.parse(inspected.stdout).totals.prunable).toBe(2_359_296);
  const output = join(newFolder(), 'output');
  const pruned = secateur('prune', join(root, 'configs/quickstart.yaml'), '--set', `output=${output}`);
  expect(pruned.stderr).toContain('error:');
  expect(pruned.stderr).toContain("koffi can't be used: built for another system");
  expect(pruned.status).toBe(2);
  expect(existsSync(output)).toBe(false);
});
