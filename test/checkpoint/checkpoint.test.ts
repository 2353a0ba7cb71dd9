import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { MAX_INDEX_VALUES } from '../../src/checkpoint/shard-index.js';
import { RequestError } from '../../src/errors.js';
import { safetensorsBytes } from './safetensors-bytes.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

function writeFiles(folder: string, files: Record<string, string | Uint8Array>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** A file with one U8 tensor of two elements per name. */
const shard = (...names: string[]) =>
  safetensorsBytes(
    Object.fromEntries(
      names.map((name, i) => [name, { dtype: 'U8', shape: [2], data_offsets: [2 * i, 2 * i + 2] }]),
    ),
    new Uint8Array(2 * names.length),
  );
const index = (weightMap: Record<string, unknown>) =>
  JSON.stringify({ metadata: { total_size: 0 }, weight_map: weightMap });

const SHARD_1 = 'model-00001-of-00002.safetensors';
const SHARD_2 = 'model-00002-of-00002.safetensors';
const INDEX = 'model.safetensors.index.json';

/** A sharded checkpoint of the tensors a, b (first shard) and c. */
function sharded(changes: Record<string, string | Uint8Array | undefined> = {}): string {
  const folder = newFolder();
  const files: Record<string, string | Uint8Array | undefined> = {
    'config.json': '{"model_type":"llama"}',
    [SHARD_1]: shard('a', 'b'),
    [SHARD_2]: shard('c'),
    [INDEX]: index({ a: SHARD_1, b: SHARD_1, c: SHARD_2 }),
    ...changes,
  };
  writeFiles(
    folder,
    Object.fromEntries(
      Object.entries(files).flatMap(([name, content]) => (content === undefined ? [] : [[name, content]])),
    ),
  );
  return folder;
}

/** Opens the folder, expecting a RequestError whose message has every one of `parts`. */
async function expectRefusal(folder: string, ...parts: string[]): Promise<void> {
  const error = await openCheckpoint(folder).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RequestError);
  for (const part of parts) expect((error as Error).message).toContain(part);
}

describe('openCheckpoint', () => {
  it('opens a single file', async () => {
    const folder = newFolder();
    writeFiles(folder, {
      'config.json': '{"x":[1]}',
      'model.safetensors': shard('a', '__proto__'),
      'tokenizer.json': '{}',
    });
    const checkpoint = await openCheckpoint(relative(process.cwd(), folder));
    expect(checkpoint.folder).toBe(folder);
    expect(checkpoint.config).toEqual({ x: [1] });
    expect([...checkpoint.tensors.keys()]).toEqual(['a', '__proto__']);
    expect(checkpoint.tensors.get('a')).toMatchObject({
      path: join(folder, 'model.safetensors'),
      shape: [2],
      bytes: 2,
    });
    expect(checkpoint.bytes).toBe(4);
    expect(checkpoint.shards).toEqual([
      {
        path: join(folder, 'model.safetensors'),
        fileName: 'model.safetensors',
        size: shard('a', '__proto__').length,
      },
    ]);
    expect(checkpoint.otherFiles).toEqual(['config.json', 'tokenizer.json']);
    expect(checkpoint.skippedFiles).toEqual([]);
    expect(checkpoint.notes).toEqual([]);
  });

  it('opens shards by their index', async () => {
    const folder = sharded();
    const { tensors, shards, bytes, notes, otherFiles } = await openCheckpoint(folder);
    expect([...tensors.values()].map(({ name, path }) => [name, path])).toEqual([
      ['a', join(folder, SHARD_1)],
      ['b', join(folder, SHARD_1)],
      ['c', join(folder, SHARD_2)],
    ]);
    expect(shards.map(({ fileName }) => fileName)).toEqual([SHARD_1, SHARD_2]);
    expect(bytes).toBe(6);
    expect(notes).toEqual([]);
    expect(otherFiles).toEqual(['config.json']);
  });

  it('prefers model.safetensors to an index, as transformers does, and says so', async () => {
    const folder = sharded({ 'model.safetensors': shard('z') });
    const { tensors, notes, skippedFiles } = await openCheckpoint(folder);
    expect([...tensors.keys()]).toEqual(['z']);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toContain('the index is not');
    expect(skippedFiles.map(({ name }) => name)).toEqual([SHARD_1, SHARD_2, INDEX]);
  });

  it('notes tensors that the index leaves out', async () => {
    const folder = sharded({ [SHARD_2]: shard('c', 'd', 'e') });
    const { tensors, notes, bytes } = await openCheckpoint(folder);
    expect([...tensors.keys()]).toEqual(['a', 'b', 'c']);
    expect(bytes).toBe(6);
    expect(notes).toEqual([
      `${join(folder, SHARD_2)}: tensor "d" is not in the index and is left out`,
      `${join(folder, SHARD_2)}: 2 tensors in all are not in the index and are left out`,
    ]);
  });

  it('lists the other files, and leaves out other weights and folders that are not the model', async () => {
    const folder = sharded({
      'README.md': '',
      '.gitattributes': '',
      'training_args.bin': '',
      'extra/prompts/a.txt': '',
      'pytorch_model.bin': '',
      'pytorch_model-00001-of-00002.bin': '',
      'pytorch_model.bin.index.json': '{}',
      'model-Q4_K_M.gguf': '',
      'onnx/model.onnx': '',
      'onnx/config.json': '{}',
      'consolidated.safetensors': '',
      'original/params.json': '{}',
      'secateur/report.json': '{}',
      '.cache/huggingface/x.metadata': '',
    });
    const { otherFiles, skippedFiles } = await openCheckpoint(folder);
    expect(otherFiles).toEqual(['.gitattributes', 'README.md', 'config.json', 'extra/prompts/a.txt']);
    expect(skippedFiles.map(({ name }) => name).sort()).toEqual([
      '.cache/',
      'consolidated.safetensors',
      'model-Q4_K_M.gguf',
      'onnx/',
      'original/',
      'pytorch_model-00001-of-00002.bin',
      'pytorch_model.bin',
      'pytorch_model.bin.index.json',
      'secateur/',
      'training_args.bin',
    ]);
    for (const { reason } of skippedFiles) expect(reason).not.toBe('');
  });

  it('hashes names, sizes and headers', async () => {
    const hash = async (folder: string) => (await openCheckpoint(folder)).hash();
    const first = await hash(sharded());
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await hash(sharded({ 'README.md': 'another' }))).toBe(first);
    const renamed = { ...{ [SHARD_2]: undefined }, 'model-x.safetensors': shard('c') };
    for (const changed of [
      sharded({ [SHARD_2]: shard('c', 'd') }),
      sharded({ ...renamed, [INDEX]: index({ a: SHARD_1, b: SHARD_1, c: 'model-x.safetensors' }) }),
    ])
      expect(await hash(changed)).not.toBe(first);
  });
});

describe('openCheckpoint refuses', () => {
  it('a folder that is missing, or a file', async () => {
    const folder = sharded();
    await expectRefusal(join(folder, 'nowhere'), join(folder, 'nowhere'), 'no such file or folder');
    await expectRefusal(join(folder, INDEX), 'is not a folder');
  });

  it('a folder without weights', async () => {
    const folder = newFolder();
    writeFiles(folder, { 'config.json': '{}', 'pytorch_model.bin': '' });
    await expectRefusal(folder, folder, 'neither model.safetensors nor model.safetensors.index.json');
  });

  it.each<[string, Record<string, string | Uint8Array | undefined>, string[]]>([
    ['a missing config', { 'config.json': undefined }, ['config.json', 'no such file']],
    ['a config that is not JSON', { 'config.json': '{"a":' }, ['config.json', 'not valid JSON']],
    [
      'a config that is not UTF-8',
      { 'config.json': Buffer.from([0x22, 0xff, 0x22]) },
      ['config.json', 'not valid UTF-8'],
    ],
    ['a missing shard', { [SHARD_2]: undefined }, [SHARD_2, 'is missing', 'tensor "c"']],
    ['a shard cut short', { [SHARD_2]: shard('c').subarray(0, -1) }, [SHARD_2, 'cut short']],
    [
      'a tensor the shard lacks',
      { [SHARD_2]: shard('d') },
      [INDEX, 'tensor "c"', SHARD_2, 'does not have it'],
    ],
    [
      'a tensor in another shard',
      { [INDEX]: index({ a: SHARD_2, b: SHARD_1, c: SHARD_2 }) },
      [INDEX, 'tensor "a"', `it is in ${SHARD_1}`],
    ],
    ['a tensor in two shards', { [SHARD_2]: shard('c', 'a') }, ['tensor "a"', SHARD_1, SHARD_2]],
    ['an index that is not JSON', { [INDEX]: '{"weight_map":{}' }, [INDEX, 'not valid JSON']],
    [
      'an index with a tensor twice',
      { [INDEX]: `{"weight_map":{"a":"${SHARD_1}","a":"${SHARD_2}"}}` },
      [INDEX, '"a" a second time'],
    ],
    [
      'an index of too many values',
      { [INDEX]: `{"metadata":[${'0,'.repeat(MAX_INDEX_VALUES)}0]}` },
      [`${INDEX} is over the limit: more than ${MAX_INDEX_VALUES} keys and values at byte`],
    ],
    ['an index without a map', { [INDEX]: '{"weight_map":[]}' }, [INDEX, 'no "weight_map" object']],
    ['an index that is an array', { [INDEX]: '[]' }, [INDEX, 'no "weight_map" object']],
    ['an index without tensors', { [INDEX]: index({}) }, [INDEX, 'names no tensors']],
    ['an index with a number', { [INDEX]: index({ a: 1 }) }, [INDEX, 'tensor "a"', 'is not a string']],
  ])('%s', async (_, changes, parts) => {
    const folder = sharded(changes);
    await expectRefusal(folder, folder, ...parts);
  });

  it.each([
    '/etc/passwd.safetensors',
    '../outside.safetensors',
    'sub/../../outside.safetensors',
    './model.safetensors',
    'sub/model.safetensors',
    '..',
    '.',
    '',
    '..\\outside.safetensors',
    'C:\\outside.safetensors',
    '%2e%2e%2foutside.safetensors',
    '..%2Foutside.safetensors',
    '%5c..%5coutside.safetensors',
    'file:%2f%2f%2foutside.safetensors',
    'a\u0000.safetensors',
    'a\n.safetensors',
    `${'a'.repeat(300)}.safetensors`,
    'config.json',
    'model.safetensors.bak',
  ])('the file name %j in an index', async (name) => {
    const folder = sharded({ [INDEX]: index({ a: SHARD_1, evil: name }) });
    writeFileSync(join(dirname(folder), 'outside.safetensors'), shard('evil'));
    try {
      await expectRefusal(folder, join(folder, INDEX), 'tensor "evil"');
    } finally {
      rmSync(join(dirname(folder), 'outside.safetensors'));
    }
  });
});

describe('links', () => {
  it('to files within the folder are followed', async () => {
    const folder = sharded();
    mkdirSync(join(folder, 'store'));
    renameSync(join(folder, SHARD_1), join(folder, 'store', 'x'));
    symlinkSync(join('store', 'x'), join(folder, SHARD_1));
    expect((await openCheckpoint(folder)).tensors.size).toBe(3);
  });

  it('to the folder itself are followed', async () => {
    const link = join(newFolder(), 'link');
    symlinkSync(sharded(), link);
    expect(await openCheckpoint(link)).toMatchObject({ folder: link, bytes: 6 });
  });

  it.each([SHARD_1, 'config.json', INDEX])('of %s out of the folder are refused', async (name) => {
    const folder = sharded();
    const outside = join(newFolder(), 'file');
    renameSync(join(folder, name), outside);
    symlinkSync(outside, join(folder, name));
    await expectRefusal(folder, join(folder, name), `a link to ${outside}, outside the folder`);
  });

  it('of other files out of the folder are left out, as are links to nothing', async () => {
    const folder = sharded();
    const outside = join(newFolder(), 'secret');
    writeFileSync(outside, 'secret');
    symlinkSync(outside, join(folder, 'notes.txt'));
    symlinkSync('nowhere', join(folder, 'dangling.txt'));
    const { otherFiles, skippedFiles } = await openCheckpoint(folder);
    expect(otherFiles).toEqual(['config.json']);
    expect(skippedFiles.map(({ name }) => name)).toEqual(['dangling.txt', 'notes.txt']);
  });

  it('to folders, and shards that are folders, are refused', async () => {
    const folder = sharded({ [SHARD_2]: undefined });
    mkdirSync(join(folder, SHARD_2));
    await expectRefusal(folder, join(folder, SHARD_2), 'not a regular file');
  });

  /** The hub cache: snapshots of links into the blobs of the same model. */
  function hubCache(): { cache: string; snapshot: string } {
    const cache = newFolder();
    const model = join(cache, 'models--org--name');
    const snapshot = join(model, 'snapshots', '0123abc');
    mkdirSync(snapshot, { recursive: true });
    writeFiles(join(model, 'blobs'), { one: '{}', two: shard('a'), three: 'text' });
    symlinkSync('../../blobs/one', join(snapshot, 'config.json'));
    symlinkSync('../../blobs/two', join(snapshot, 'model.safetensors'));
    symlinkSync('../../blobs/three', join(snapshot, 'README.md'));
    return { cache, snapshot };
  }

  it('of the hub cache are followed into the blobs of the same model', async () => {
    const { snapshot } = hubCache();
    const { tensors, otherFiles } = await openCheckpoint(snapshot);
    expect(tensors.get('a')?.path).toBe(join(snapshot, 'model.safetensors'));
    expect(otherFiles).toEqual(['README.md', 'config.json']);
  });

  it('of the hub cache into the blobs of another model are refused', async () => {
    const { cache, snapshot } = hubCache();
    writeFiles(join(cache, 'models--org--other', 'blobs'), { two: shard('a') });
    rmSync(join(snapshot, 'model.safetensors'));
    symlinkSync('../../../models--org--other/blobs/two', join(snapshot, 'model.safetensors'));
    await expectRefusal(snapshot, 'model.safetensors', 'outside the folder');
  });

  it('of the hub cache to a blob that is missing are reported as missing', async () => {
    const { cache, snapshot } = hubCache();
    rmSync(join(cache, 'models--org--name', 'blobs', 'two'));
    await expectRefusal(snapshot, join(snapshot, 'model.safetensors'), 'is missing');
  });
});
