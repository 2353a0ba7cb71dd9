import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { RequestError, RunError } from '../../src/errors.js';
import type { DownloadProgress } from '../../src/hub/download-files.js';
import { fetchModel, locateModel } from '../../src/hub/fetch-model.js';
import {
  COMMIT,
  type FakeHub,
  fakeHubs,
  gitSha1,
  ID,
  modelFiles,
  repository,
  sha256,
  shardedFiles,
} from './fake-hub.js';

const start = fakeHubs();

/** Everything below a folder but locks, relative to it, sorted. */
function tree(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

/** A cache as `huggingface_hub` makes it: blobs by hash, relative links, the commit in refs. */
function pythonCache(model: string, files: Record<string, Buffer>, names = Object.keys(files)): void {
  mkdirSync(join(model, 'blobs'), { recursive: true });
  mkdirSync(join(model, 'refs'));
  writeFileSync(join(model, 'refs', 'main'), COMMIT);
  for (const name of names) {
    const content = files[name] as Buffer;
    const blob = name.endsWith('.safetensors') ? sha256(content) : gitSha1(content);
    writeFileSync(join(model, 'blobs', blob), content);
    const path = join(model, 'snapshots', COMMIT, name);
    mkdirSync(join(path, '..'), { recursive: true });
    symlinkSync(join(...name.split('/').map(() => '..'), '..', 'blobs', blob), path);
  }
}

describe('fetchModel', () => {
  it('leaves the layout of the cache that huggingface_hub reads', async () => {
    const { hub, cache, model, snapshot } = await start();
    const files = modelFiles();
    const result = await fetchModel(hub, ID);
    expect(result).toMatchObject({
      model: ID,
      revision: 'main',
      commit: COMMIT,
      folder: snapshot,
      downloadedFiles: 6,
    });
    const names = [
      'README.md',
      'config.json',
      'model.safetensors',
      'templates/chat.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ];
    expect(tree(snapshot)).toEqual(names);
    expect(readFileSync(join(model, 'refs', 'main'), 'utf8')).toBe(COMMIT);
    for (const name of names)
      expect(readFileSync(join(snapshot, name)).equals(files[name] as Buffer)).toBe(true);
    const weights = files['model.safetensors'] as Buffer;
    expect(readlinkSync(join(snapshot, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`);
    const template = files['templates/chat.jinja'] as Buffer;
    expect(readlinkSync(join(snapshot, 'templates/chat.jinja'))).toBe(`../../../blobs/${gitSha1(template)}`);
    expect(tree(join(model, 'blobs'))).toEqual(
      names.map((name) => (name === 'model.safetensors' ? sha256 : gitSha1)(files[name] as Buffer)).sort(),
    );
    expect(readdirSync(model).sort()).toEqual(['blobs', 'refs', 'snapshots']);
    expect(readdirSync(cache).sort()).toEqual(['.locks', 'models--org--tiny']);
    expect((await openCheckpoint(snapshot)).otherFiles).toContain('templates/chat.jinja');
  });

  it('says what it left out', async () => {
    const { hub } = await start();
    expect((await fetchModel(hub, ID)).notes).toEqual([
      'left out, since they are not read: .gitattributes, pytorch_model.bin, onnx/model.onnx, onnx/config.json',
    ]);
  });

  it('takes the shards that the index names, and no other safetensors', async () => {
    const { hub, snapshot } = await start([repository(shardedFiles())], 2);
    const { notes } = await fetchModel(hub, ID);
    expect(tree(snapshot)).toEqual([
      'README.md',
      'config.json',
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      'model.safetensors.index.json',
      'templates/chat.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    expect(notes[0]).toContain('consolidated.safetensors');
    expect((await openCheckpoint(snapshot)).shards).toHaveLength(2);
  });

  it('asks for what changed and no more when the branch moves on', async () => {
    const files = modelFiles();
    const repositories = [repository(files)];
    const { hub, server, model, snapshot } = await start(repositories);
    await fetchModel(hub, ID);
    const next = 'beef'.padEnd(40, '1');
    repositories[0] = Object.assign(repositories[0] as object, {
      refs: { main: next },
      files: { ...files, 'config.json': Buffer.from('{"model_type": "tiny", "version": 2}') },
    }) as never;
    server.requests.length = 0;
    const second = await fetchModel(hub, ID);
    expect(second).toMatchObject({
      commit: next,
      downloadedFiles: 6,
      folder: join(model, 'snapshots', next),
    });
    expect(second.downloadedBytes).toBe(36);
    expect(server.requests.filter(({ path }) => path.includes('/resolve/')).map(({ path }) => path)).toEqual([
      `/org/tiny/resolve/${next}/config.json`,
    ]);
    expect(tree(snapshot)).toHaveLength(6);
    expect(readFileSync(join(model, 'refs', 'main'), 'utf8')).toBe(next);
  });

  it('finds revisions with slashes, and writes them where Python does', async () => {
    const { hub, model } = await start([repository(modelFiles(), { refs: { 'refs/pr/1': COMMIT } })]);
    expect(await fetchModel(hub, `${ID}@refs/pr/1`)).toMatchObject({ revision: 'refs/pr/1', commit: COMMIT });
    expect(readFileSync(join(model, 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(COMMIT);
  });

  it('asks what a commit has, also where the cache seems to have all of it', async () => {
    const { hub, server, model, snapshot } = await start();
    pythonCache(model, modelFiles(), [
      'config.json',
      'tokenizer.json',
      'tokenizer_config.json',
      'model.safetensors',
    ]);
    expect(await fetchModel(hub, `${ID}@${COMMIT}`)).toMatchObject({ folder: snapshot, downloadedFiles: 2 });
    expect(existsSync(join(snapshot, 'templates/chat.jinja'))).toBe(true);
    expect(server.requests.some(({ path }) => path.includes('/revision/'))).toBe(false);
    server.requests.length = 0;
    expect(await fetchModel(hub, `${ID}@${COMMIT}`)).toMatchObject({ folder: snapshot, downloadedFiles: 0 });
    expect(server.requests.map(({ path }) => path)).toEqual([`/api/models/${ID}/tree/${COMMIT}`]);
  });

  it('tells how far it is', async () => {
    const { hub } = await start();
    const seen: DownloadProgress[] = [];
    const { downloadedBytes } = await fetchModel(hub, ID, { onProgress: (progress) => seen.push(progress) });
    expect(seen[0]).toMatchObject({
      repository: ID,
      files: 6,
      filesDone: 0,
      bytes: downloadedBytes,
      bytesDone: 0,
    });
    expect(seen.at(-1)).toMatchObject({
      filesDone: 6,
      bytesDone: downloadedBytes,
      received: downloadedBytes,
    });
    expect(seen.map(({ bytesDone }) => bytesDone)).toEqual(
      seen.map(({ bytesDone }) => bytesDone).sort((a, b) => a - b),
    );
  });

  it('refuses a model without safetensors, before anything is downloaded', async () => {
    const { 'model.safetensors': _, ...files } = modelFiles();
    const { hub, cache } = await start([repository(files)]);
    await expect(fetchModel(hub, ID)).rejects.toThrow(
      /model org\/tiny has neither model\.safetensors nor .* such as pytorch_model\.bin; .* convert it/,
    );
    expect(existsSync(cache)).toBe(false);
  });

  it('refuses an index that names a file that is not there', async () => {
    const { 'model-00002-of-00002.safetensors': _, ...files } = shardedFiles();
    const { hub } = await start([repository(files)]);
    await expect(fetchModel(hub, ID)).rejects.toThrow('names model-00002-of-00002.safetensors');
  });

  it.each([
    'name',
    'a/b/c',
    '../x',
    'a/..',
    'a--b/c',
    'org/na..me',
    'org/name.git',
    'org/tiny@',
    'org/tiny@a/../b',
    'org/tiny@/a',
    'org/tiny@a@b',
    '-a/b',
    'org/a b',
  ])('refuses the name %s', async (name) => {
    const { hub, server } = await start();
    await expect(fetchModel(hub, name)).rejects.toThrow(RequestError);
    expect(server.requests).toEqual([]);
  });
});

describe('a cache that Python made', () => {
  it('is used without a request', async () => {
    const { hub, server, model, snapshot } = await start();
    pythonCache(model, modelFiles());
    expect(await locateModel(hub, ID)).toMatchObject({
      folder: snapshot,
      commit: COMMIT,
      downloadedFiles: 0,
    });
    expect(server.requests).toEqual([]);
  });

  it('is completed, and what it has is not downloaded again', async () => {
    const { hub, server, model } = await start();
    pythonCache(model, modelFiles(), ['config.json', 'model.safetensors', 'pytorch_model.bin']);
    expect(await locateModel(hub, ID)).toMatchObject({ downloadedFiles: 4 });
    expect(server.requests.filter(({ server: which }) => which === 'storage')).toEqual([]);
  });

  it('is completed at the commit that it has, wherever the branch is now', async () => {
    const next = 'beef'.padEnd(40, '1');
    // The hub knows both commits.
    const { hub, model } = await start([repository(modelFiles(), { refs: { main: next, old: COMMIT } })]);
    pythonCache(model, modelFiles(), ['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await locateModel(hub, ID)).toMatchObject({ commit: COMMIT, downloadedFiles: 3 });
    expect(readFileSync(join(model, 'refs', 'main'), 'utf8')).toBe(COMMIT);
  });

  it('is asked for only once what its repository does not have', async () => {
    const { 'tokenizer.json': _, ...files } = modelFiles();
    const { hub, server, model } = await start([repository(files)]);
    pythonCache(model, files);
    expect(await locateModel(hub, ID)).toMatchObject({
      downloadedFiles: 0,
      notes: [expect.stringContaining('left out')],
    });
    expect(existsSync(join(model, '.no_exist', COMMIT, 'tokenizer.json'))).toBe(true);
    server.requests.length = 0;
    expect(await locateModel(hub, ID)).toMatchObject({ downloadedFiles: 0, notes: [] });
    expect(server.requests).toEqual([]);
  });

  it('does not stand in where the hub says no', async () => {
    const { as, server, model } = await start();
    pythonCache(model, modelFiles(), ['config.json', 'model.safetensors']);
    server.intercept = ({ response }) => {
      response.writeHead(401);
      response.end();
      return true;
    };
    await expect(locateModel(as({ HF_TOKEN: 'hf_old' }), ID)).rejects.toThrow('does not take the token');
  });

  it('gets new content where a blob is missing or has another size', async () => {
    const { hub, model, snapshot } = await start();
    const files = modelFiles();
    pythonCache(model, files);
    rmSync(join(model, 'blobs', gitSha1(files['config.json'] as Buffer)));
    writeFileSync(join(model, 'blobs', sha256(files['model.safetensors'] as Buffer)), 'half');
    expect(await fetchModel(hub, ID)).toMatchObject({ downloadedFiles: 2 });
    for (const name of ['config.json', 'model.safetensors'])
      expect(readFileSync(join(snapshot, name)).equals(files[name] as Buffer)).toBe(true);
  });

  it('is good enough without a tokenizer when the hub cannot be reached, and a note says so', async () => {
    const { hub, server, model, snapshot } = await start();
    pythonCache(model, modelFiles(), ['config.json', 'model.safetensors']);
    server.close();
    const { folder, notes } = await locateModel(hub, ID);
    expect(folder).toBe(snapshot);
    expect(notes[0]).toMatch(
      /from the cache without tokenizer\.json, tokenizer_config\.json: .*cannot be reached/,
    );
    await expect(fetchModel(hub, ID)).rejects.toThrow(RunError);
  });

  it.each([
    ['offline', (server: FakeHub) => server.close(), { HF_HUB_OFFLINE: '1' }, 'HF_HUB_OFFLINE is set'],
    [
      'when the hub answers nonsense',
      (server: FakeHub) => {
        server.intercept = ({ response }) => {
          response.end('[{');
          return true;
        };
      },
      {},
      'not valid JSON',
    ],
  ])('is good enough without a tokenizer %s', async (_, prepare, env, reason) => {
    const { as, server, model, snapshot } = await start();
    pythonCache(model, modelFiles(), ['config.json', 'model.safetensors', 'tokenizer.json']);
    prepare(server);
    const { folder, notes } = await locateModel(as(env), ID);
    expect(folder).toBe(snapshot);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('from the cache without tokenizer_config.json: ');
    expect(notes[0]).toContain(reason);
  });

  it('may have its blobs in the store that all repositories share', async () => {
    const { hub, cache, model, snapshot } = await start();
    const files = modelFiles();
    pythonCache(model, files);
    const blob = join(model, 'blobs', sha256(files['model.safetensors'] as Buffer));
    const hash = 'ab'.repeat(32);
    mkdirSync(join(cache, 'blobs', 'ab'), { recursive: true });
    writeFileSync(join(cache, 'blobs', 'ab', hash), files['model.safetensors'] as Buffer);
    rmSync(blob);
    symlinkSync(`../../blobs/ab/${hash}`, blob);
    const { folder } = await locateModel(hub, ID);
    expect((await openCheckpoint(folder)).bytes).toBe(200_000);
    // Other files beside the store's stay out of reach.
    writeFileSync(join(cache, 'blobs', 'secret.json'), '{}');
    symlinkSync('../../../blobs/secret.json', join(snapshot, 'secret.json'));
    const { otherFiles, skippedFiles } = await openCheckpoint(folder);
    expect(otherFiles).not.toContain('secret.json');
    expect(skippedFiles.map(({ name }) => name)).toContain('secret.json');
  });
});

describe('offline', () => {
  it('uses the cache alone', async () => {
    const { server, hub, as, snapshot } = await start();
    await fetchModel(hub, ID);
    server.requests.length = 0;
    for (const switchOn of ['1', 'ON', 'yes', 'True']) {
      const offline = as({ HF_HUB_OFFLINE: switchOn });
      expect(await fetchModel(offline, ID)).toMatchObject({ folder: snapshot, downloadedFiles: 0 });
      expect(await locateModel(offline, ID)).toMatchObject({ folder: snapshot });
    }
    expect(server.requests).toEqual([]);
  });

  it('says that it is offline when the cache lacks the model, or a part of it', async () => {
    const { server, as, model } = await start();
    const offline = as({ HF_HUB_OFFLINE: '1' });
    await expect(locateModel(offline, ID)).rejects.toThrow(
      'model org/tiny is not in the cache, and HF_HUB_OFFLINE is set',
    );
    pythonCache(model, shardedFiles(), [
      'config.json',
      'model.safetensors.index.json',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    await expect(locateModel(offline, ID)).rejects.toThrow(
      'is in the cache without model-00001-of-00002.safetensors, model-00002-of-00002.safetensors, and HF_HUB_OFFLINE is set',
    );
    expect(server.requests).toEqual([]);
  });

  it('is not what other values mean', async () => {
    const { as } = await start();
    for (const off of ['0', '', 'off']) expect(as({ HF_HUB_OFFLINE: off }).offline).toBe(false);
  });
});

it('leaves no link in a snapshot whose content is not complete', async () => {
  const { hub, server, snapshot } = await start();
  server.intercept = ({ server: which, response }) => {
    if (which === 'hub') return false;
    response.writeHead(404);
    response.end();
    return true;
  };
  await expect(fetchModel(hub, ID)).rejects.toThrow(RunError);
  expect(existsSync(join(snapshot, 'config.json'))).toBe(true);
  expect(lstatSync(join(snapshot, 'model.safetensors'), { throwIfNoEntry: false })).toBeUndefined();
});
