// Compiles kernels/ to dist/kernels/kernels.wasm and src/ to dist/, and puts what the program and the library load at the
// start into few files: a hundred small ones take as long to load as a small model takes to prune.
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

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

/** Of its 230 files most are translations of its messages. The other packages are loaded from where they are installed. */
const BUNDLED = 'zod';
rmSync(`${root}dist/chunks`, { recursive: true, force: true });
const bundle = await rolldown({
  cwd: root,
  input: { 'cli/main': 'src/cli/main.ts', index: 'src/index.ts' },
  platform: 'node',
  external: (id) => !/^[./]/.test(id) && id.split('/')[0] !== BUNDLED,
  resolve: { extensionAlias: { '.js': ['.ts', '.js'] } },
});
await bundle.write({
  dir: 'dist',
  format: 'esm',
  sourcemap: true,
  keepNames: true,
  chunkFileNames: 'chunks/[name].js',
});
copyFileSync(`${root}node_modules/${BUNDLED}/LICENSE`, `${root}dist/chunks/${BUNDLED}.LICENSE`);
chmodSync(`${root}dist/cli/main.js`, 0o755);
