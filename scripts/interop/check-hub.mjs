// The hub's cache between secateur and Python: what one downloads, from a hub on this machine, the other uses.
//
// usage: node scripts/interop/check-hub.mjs PYTHON
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startHub } from './hub-server.mjs';

const [python] = process.argv.slice(2);
if (!python) {
  console.error('usage: node scripts/interop/check-hub.mjs PYTHON');
  process.exit(2);
}
const root = fileURLToPath(new URL('../..', import.meta.url));
const ID = 'org/quickstart';
const COMMIT = '5ec47e0'.padEnd(40, '0');

const model = join(root, 'models', 'quickstart');
const files = Object.fromEntries(readdirSync(model).map((name) => [name, readFileSync(join(model, name))]));
const hub = await startHub({
  repositories: [
    // With weights that secateur leaves out.
    {
      type: 'model',
      id: ID,
      refs: { main: COMMIT },
      files: { ...files, 'pytorch_model.bin': Buffer.alloc(1000) },
    },
  ],
  pageSize: 4,
});
const work = mkdtempSync(join(tmpdir(), 'secateur-hub-'));
const run = promisify(execFile);

/** A program with a cache of its own. @returns the last line it printed */
async function call(cache, command, args, env = {}) {
  const { stdout } = await run(command, args, {
    env: {
      ...process.env,
      HF_ENDPOINT: hub.url,
      HF_HUB_CACHE: join(work, cache),
      HF_HUB_DISABLE_TELEMETRY: '1',
      ...env,
    },
    maxBuffer: 1 << 26,
  });
  return stdout.trim().split('\n').pop();
}
const secateur = (cache, args, env) =>
  call(cache, process.execPath, [join(root, 'dist/cli/main.js'), ...args], env);
const inPython = (cache, mode, env) =>
  call(cache, python, [join(root, 'scripts/interop/hub-cache.py'), mode, ID], env);
const OFFLINE = { HF_HUB_OFFLINE: '1' };

let failed = 0;
let passed = 0;
function check(name, good, detail = '') {
  if (good) passed++;
  else failed++;
  console.log(`${good ? 'ok  ' : 'FAIL'}  ${name}  ${good ? '' : detail}`);
}

try {
  const ours = await secateur('ours', ['fetch', ID]);
  const found = await inPython('ours', 'find', OFFLINE);
  check('Python finds and loads offline what secateur fetched', found === ours, `${found}, expected ${ours}`);

  hub.requests.length = 0;
  const completed = await inPython('ours', 'download');
  const fetched = hub.requests.filter(({ server, method }) => server === 'storage' && method === 'GET');
  check(
    'Python downloads only the weights that secateur left out',
    fetched.length === 1,
    JSON.stringify(fetched),
  );
  check('and into the same folder', completed === ours, completed);

  const theirs = await inPython('theirs', 'download');
  hub.requests.length = 0;
  const reused = await secateur('theirs', ['fetch', ID], OFFLINE);
  check('secateur finds offline what Python downloaded', reused === theirs, `${reused}, expected ${theirs}`);
  await secateur('theirs', ['fetch', ID]);
  check(
    'and downloads nothing of it again',
    hub.requests.every(({ path }) => path.startsWith('/api/')),
    JSON.stringify(hub.requests),
  );
  await secateur('theirs', ['inspect', ID], OFFLINE);
  const blobs = (cache) => readdirSync(join(work, cache, 'models--org--quickstart', 'blobs')).sort();
  const sizes = (cache) =>
    blobs(cache).map(
      (name) => `${name} ${statSync(join(work, cache, 'models--org--quickstart', 'blobs', name)).size}`,
    );
  check(
    'both have the same blobs',
    sizes('ours').join() === sizes('theirs').join(),
    `${sizes('ours')}\n${sizes('theirs')}`,
  );
} catch (error) {
  check('all programs end well', false, `${error.message}\n${error.stderr ?? ''}`);
} finally {
  hub.close();
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
