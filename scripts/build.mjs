// Compiles kernels/ to dist/kernels/kernels.wasm and src/ to dist/.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (script, ...args) =>
  execFileSync(process.execPath, [`${root}node_modules/${script}`, ...args], { cwd: root, stdio: 'inherit' });

const kernels = `${root}dist/kernels`;
const temporary = `${kernels}/kernels.${process.pid}.wasm`;
mkdirSync(kernels, { recursive: true });
run(
  'assemblyscript/bin/asc.js',
  'kernels/index.ts',
  ...['--outFile', temporary, '--runtime', 'stub', '--enable', 'simd', '-O3', '--noAssert'],
  ...['--importMemory', '--noExportMemory', '--zeroFilledMemory'],
);
renameSync(temporary, `${kernels}/kernels.wasm`);

run('typescript/bin/tsc', '-p', 'tsconfig.json');
const main = `${root}dist/cli/main.js`;
if (existsSync(main)) chmodSync(main, 0o755);
