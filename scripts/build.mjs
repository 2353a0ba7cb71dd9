// Compiles kernels/ to dist/kernels/*.wasm and src/ to dist/.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = (command, ...args) =>
  execFileSync(process.execPath, [`${root}/node_modules/${command}`, ...args], { cwd: root, stdio: 'inherit' });

rmSync(`${root}/dist`, { recursive: true, force: true });
mkdirSync(`${root}/dist/kernels`, { recursive: true });
run(
  'assemblyscript/bin/asc.js',
  'kernels/index.ts',
  '--outFile',
  'dist/kernels/kernels.wasm',
  '--runtime',
  'stub',
  '--enable',
  'simd',
  '--importMemory',
  '-O3',
  '--noAssert',
);
run('typescript/bin/tsc', '-p', 'tsconfig.json');
