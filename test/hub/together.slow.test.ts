/** Several downloads at the same time, and the command line as a process of its own. */
import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { RequestError } from '../../src/errors.js';
import { downloadFiles } from '../../src/hub/download-files.js';
import { fetchModel } from '../../src/hub/fetch-model.js';
import { listFiles, resolveCommit } from '../../src/hub/list-files.js';
import { parseRepository } from '../../src/hub/repository.js';
import { temporaryFolders } from '../checkpoint/temporary-folder.js';
import { writeTinyModel } from '../reliability/tiny-model.js';
import { COMMIT, fakeHubs, ID, modelFiles, repository, sha256, shardedFiles } from './fake-hub.js';

const start = fakeHubs();
const newFolder = temporaryFolders();
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

const heldOut = fileURLToPath(new URL('../../calibration/heldout.txt', import.meta.url));

describe('two downloads of one model', () => {
  it('download each file once', async () => {
    const { hub, as, server, snapshot } = await start([repository(shardedFiles())]);
    const both = await Promise.all([fetchModel(hub, ID), fetchModel(as({}), ID)]);
    expect(both.map(({ folder }) => folder)).toEqual([snapshot, snapshot]);
    expect(server.requests.filter((each) => each.server === 'storage')).toHaveLength(2);
  });

  it('in two processes wait for each other, and the one that is left goes on when the other is killed', async () => {
    const { server, cache, model, snapshot } = await start();
    const weights = modelFiles()['model.safetensors'] as Buffer;
    server.intercept = ({ server: which, count, response }) => {
      if (which === 'hub' || count > 0) return false;
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 70_000));
      return true;
    };
    const env = { ...process.env, HF_ENDPOINT: server.url, HF_HUB_CACHE: cache };
    const first = spawn(process.execPath, [main, 'fetch', ID], { env, stdio: 'ignore' });
    const partial = join(model, 'blobs', `${sha256(weights)}.incomplete`);
    while (!existsSync(partial) || readFileSync(partial).length < 70_000)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const second = run(process.execPath, [main, 'fetch', ID], { env });
    let said = '';
    second.child.stderr?.on('data', (data) => {
      said += data;
    });
    while (!said.includes('is waited for')) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(server.requests.filter((each) => each.server === 'storage')).toHaveLength(1);
    const who = `process ${first.pid} on ${hostname()}`;
    expect(said.split(`org/tiny/model.safetensors: ${who} downloads it, and is waited for`)).toHaveLength(2);
    first.kill('SIGKILL');
    expect((await second).stdout).toBe(`${snapshot}\n`);
    expect(server.requests.at(-1)).toMatchObject({ server: 'storage', range: 'bytes=70000-' });
    expect(readFileSync(join(snapshot, 'model.safetensors')).equals(weights)).toBe(true);
  });
});

describe('downloadFiles', () => {
  it('brings chosen files of a data set', async () => {
    const files = {
      'data/a.jsonl': Buffer.from('{"text": "a"}\n'),
      'data/b.jsonl': Buffer.from('{}\n'),
      empty: Buffer.alloc(0),
    };
    const { hub, cache } = await start([{ type: 'dataset', id: 'org/texts', refs: { v1: COMMIT }, files }]);
    const texts = parseRepository('org/texts@v1', 'dataset');
    const commit = await resolveCommit(hub, texts);
    const listing = await listFiles(hub, texts, commit);
    expect(listing.files.map(({ path, size }) => [path, size])).toEqual([
      ['data/a.jsonl', 14],
      ['data/b.jsonl', 3],
      ['empty', 0],
    ]);
    const chosen = listing.files.filter(({ path }) => path !== 'data/b.jsonl');
    expect(await downloadFiles(hub, texts, commit, chosen)).toEqual({ files: 2, bytes: 14 });
    const snapshot = join(cache, 'datasets--org--texts', 'snapshots', COMMIT);
    expect(readdirSync(snapshot).sort()).toEqual(['data', 'empty']);
    expect(readFileSync(join(snapshot, 'data', 'a.jsonl'), 'utf8')).toBe('{"text": "a"}\n');
    expect(await downloadFiles(hub, texts, commit, chosen)).toEqual({ files: 0, bytes: 0 });
  });

  it('downloads equal files once', async () => {
    const { hub, server } = await start([
      repository({ ...modelFiles(), 'a.json': Buffer.from('{}'), 'b.json': Buffer.from('{}') }),
    ]);
    await fetchModel(hub, ID);
    expect(server.requests.filter(({ path }) => /\/[ab]\.json$/.test(path))).toHaveLength(1);
  });

  it('is a wrong request where nothing can be written, and a failed run where the disk is full later', async () => {
    const { hub, server, cache, model } = await start();
    const weights = modelFiles()['model.safetensors'] as Buffer;
    const partial = join(model, 'blobs', `${sha256(weights)}.incomplete`);
    mkdirSync(join(model, 'blobs'), { recursive: true });
    symlinkSync('/dev/full', partial);
    await expect(fetchModel(hub, ID)).rejects.toThrow(RequestError);
    rmSync(partial);
    const env = { ...process.env, HF_ENDPOINT: server.url, HF_HUB_CACHE: cache };
    const command = 'ulimit -f 150; exec "$@"';
    const failed = run('bash', ['-c', command, 'bash', process.execPath, main, 'fetch', ID], { env });
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        '.incomplete: the file is larger than the file system allows (EFBIG); put it right',
      ),
    });
    expect(readFileSync(partial).length).toBeGreaterThan(0);
  });

  it('begins nothing that the disk has no room for', async () => {
    const { hub, server } = await start();
    const file = { path: 'a', size: 2 ** 52, hash: { algorithm: 'sha256', digest: '0'.repeat(64) } } as const;
    await expect(downloadFiles(hub, parseRepository(ID), COMMIT, [file])).rejects.toThrow(RequestError);
    await expect(downloadFiles(hub, parseRepository(ID), COMMIT, [file])).rejects.toThrow(
      `${2 ** 52} bytes are needed`,
    );
    expect(server.requests).toEqual([]);
  });
});

describe('the program', () => {
  /** A hub with a model that can be pruned. */
  async function tiny() {
    const folder = newFolder();
    writeTinyModel(folder);
    const files = Object.fromEntries(
      readdirSync(folder).map((name) => [name, readFileSync(join(folder, name))]),
    );
    const place = await start([repository(files)]);
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HF_ENDPOINT: place.server.url,
      HF_HUB_CACHE: place.cache,
    };
    const secateur = (args: string[], more: NodeJS.ProcessEnv = {}) =>
      run(process.execPath, [main, ...args], { env: { ...env, ...more }, cwd: folder }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
      );
    return { ...place, secateur, files };
  }

  it('fetches, and prints the folder or one JSON document', async () => {
    const { secateur, snapshot } = await tiny();
    const first = await secateur(['fetch', ID]);
    expect(first).toMatchObject({ code: 0, stdout: `${snapshot}\n` });
    expect(first.stderr).toMatch(
      /^fetch org\/tiny: \d files, .*\nfetch org\/tiny: done, .*\norg\/tiny at c0ffee0+: \d files new/,
    );
    const second = await secateur(['fetch', `${ID}@${COMMIT}`, '--json']);
    expect(JSON.parse(second.stdout)).toMatchObject({ folder: snapshot, commit: COMMIT, downloadedFiles: 0 });
  });

  it('prunes a model by its name, with real files in the output, and afterwards offline', async () => {
    const { secateur, snapshot, files, server, cache } = await tiny();
    const output = join(cache, '..', 'out');
    const runFile = join(cache, '..', 'run.yaml');
    writeFileSync(runFile, `model: ${ID}@main\noutput: ./out\nprune: {method: magnitude, sparsity: 0.5}\n`);
    const pruned = await secateur(['prune', runFile, '--json']);
    expect(pruned.stderr).toContain('fetch org/tiny: done');
    expect(pruned.code).toBe(0);
    expect(JSON.parse(pruned.stdout).report.run.source.path).toBe(snapshot);
    for (const entry of readdirSync(output, { withFileTypes: true }))
      expect(entry.isSymbolicLink()).toBe(false);
    expect(readFileSync(join(output, 'tokenizer.json')).equals(files['tokenizer.json'] as Buffer)).toBe(true);

    server.requests.length = 0;
    const offline = { HF_HUB_OFFLINE: '1' };
    expect((await secateur(['prune', runFile], offline)).code).toBe(0);
    expect((await secateur(['plan', runFile, '--json'])).code).toBe(0);
    const inspected = await secateur(['inspect', ID, '--json'], offline);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ folder: snapshot });
    const text = join(cache, '..', 'text.txt');
    writeFileSync(text, 'The hub keeps models. '.repeat(20));
    const options = ['--data', text, '--context', '16', '--windows', '2', '--workers', '1', '--json'];
    const evaluated = await secateur(['eval', output, '--baseline', ID, ...options], offline);
    expect(JSON.parse(evaluated.stdout)).toMatchObject({
      baseline: { path: snapshot },
      checkpoint: { path: output },
    });
    expect(server.requests).toEqual([]);
  });

  it('ends with 2 where the name is wrong, and says that there is no such folder either', async () => {
    const { secateur } = await tiny();
    const { code, stderr } = await secateur(['inspect', 'out/typo']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/model out\/typo is not on http.* There is no folder out\/typo either/);
    expect(await secateur(['fetch', 'typo'])).toMatchObject({ code: 2 });
    const offline = await secateur(['eval', 'out/typo', '--data', heldOut], { HF_HUB_OFFLINE: '1' });
    expect(offline.code).toBe(2);
    expect(offline.stderr).toContain('is not in the cache, and HF_HUB_OFFLINE is set');
  });

  it('can be interrupted, and keeps what is there', async () => {
    const { server, cache, model } = await start();
    const weights = modelFiles()['model.safetensors'] as Buffer;
    server.intercept = ({ server: which, response }) => {
      if (which === 'hub') return false;
      response.writeHead(200, { 'content-length': weights.length });
      response.write(weights.subarray(0, 70_000));
      return true;
    };
    const env = { ...process.env, HF_ENDPOINT: server.url, HF_HUB_CACHE: cache };
    const child = spawn(process.execPath, [main, 'fetch', ID], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data) => {
      stderr += data;
    });
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
    const partial = join(model, 'blobs', `${sha256(weights)}.incomplete`);
    while (!existsSync(partial) || readFileSync(partial).length < 70_000)
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    expect(await ended).toBe(130);
    expect(stderr).toContain('interrupted; run the same command again to go on from here');
    expect(readFileSync(partial).length).toBe(70_000);
  });
});
