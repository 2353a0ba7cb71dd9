import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Compiles one source file and what it imports, for processes that plain Node runs.
 * @param source relative to src/, as in `checkpoint/byte-source.ts`
 * @returns the compiled module's URL, and the folder to remove afterwards
 */
export function compiledModule(source: string): { url: string; folder: string } {
  // Inside node_modules, so that bare imports resolve.
  const cache = join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'secateur-test-'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: { rootDir: join(root, 'src'), outDir: folder, declaration: false, sourceMap: false },
      files: [join(root, 'src', source)],
      include: [],
    }),
  );
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  execFileSync(process.execPath, [compiler, '-p', folder], { stdio: 'pipe' });
  return { url: pathToFileURL(join(folder, source.replace(/\.ts$/, '.js'))).href, folder };
}
