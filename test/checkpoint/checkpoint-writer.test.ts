import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openByteSource } from '../../src/checkpoint/byte-source.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type CheckpointWriter, createCheckpointWriter } from '../../src/checkpoint/checkpoint-writer.js';
import { DTYPES } from '../../src/checkpoint/dtype.js';
import { planShards, type TensorSpec } from '../../src/checkpoint/shard-plan.js';
import { RequestError } from '../../src/errors.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

/** Bytes that belong to one name alone. */
const content = (name: string, bytes: number) =>
  createHash('shake256', { outputLength: bytes }).update(name).digest();

/** Writes a tensor in two pieces, the second one first, through a descriptor of its own. */
function writeTensor(writer: CheckpointWriter, name: string): void {
  const { path, offset, bytes } = writer.locate(name);
  const data = content(name, bytes);
  const half = bytes >> 1;
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, data, half, bytes - half, offset + half);
  writeSync(descriptor, data, 0, half, offset);
  closeSync(descriptor);
}

function source(): string {
  const folder = newFolder();
  writeFileSync(join(folder, 'config.json'), '{"model_type":"llama"}');
  writeFileSync(join(folder, 'tokenizer.json'), 'tokens');
  return folder;
}
const others = (folder: string) => ({ folder, otherFiles: ['config.json', 'tokenizer.json'] });

const SPECS: TensorSpec[] = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, dtype: 'BF16', shape: [5, 7] }));
/** Three shards: a b, c d, e. */
const PLAN = planShards(SPECS, 150);
const [FIRST, SECOND, THIRD] = PLAN.shards.map(({ fileName }) => fileName) as [string, string, string];

async function expectWritten(folder: string, specs: readonly TensorSpec[]): Promise<void> {
  const { tensors, notes } = await openCheckpoint(folder);
  expect(notes).toEqual([]);
  expect([...tensors.keys()].sort()).toEqual(specs.map(({ name }) => name).sort());
  for (const { name, dtype, shape } of specs) {
    const found = tensors.get(name);
    expect(found).toMatchObject({ dtype, shape });
    const data = new Uint8Array(found?.bytes ?? 0);
    const file = openByteSource(found?.path ?? '');
    file.readInto(found?.offset ?? 0, data);
    file.close();
    expect(Buffer.from(data).equals(content(name, data.byteLength)), name).toBe(true);
  }
}

describe('the checkpoint writer', () => {
  it('writes what is read back equal, for any tensors in any order', async () => {
    const spec = fc.record({
      name: fc
        .string({ unit: 'binary', minLength: 1, maxLength: 12 })
        .filter((name) => name !== '__metadata__'),
      dtype: fc.constantFrom(...DTYPES),
      shape: fc.array(fc.nat(5), { maxLength: 3 }).map((shape) => [...shape, 4]),
    });
    const specs = fc.uniqueArray(spec, { selector: ({ name }) => name, minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        specs,
        fc.integer({ min: 1, max: 3000 }),
        fc.func(fc.nat()),
        async (tensors, limit, rank) => {
          const folder = join(newFolder(), 'deep', 'output');
          const plan = planShards(tensors, limit);
          const writer = await createCheckpointWriter({ folder, plan, resume: false });
          const order = tensors.map(({ name }) => name).sort((a, b) => rank(a) - rank(b));
          for (const name of order) {
            writeTensor(writer, name);
            expect(writer.isComplete(name)).toBe(false);
            await writer.complete(name);
            expect(writer.isComplete(name)).toBe(true);
          }
          await writer.finish({ copyFrom: others(source()) });
          await writer.close();
          await expectWritten(folder, tensors);
          expect(readdirSync(folder).filter((name) => /partial|tmp/.test(name))).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('gives a shard its name when its last tensor is complete', async () => {
    const folder = newFolder();
    const writer = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
    expect(readdirSync(folder).sort()).toEqual([FIRST, SECOND, THIRD].map((name) => `${name}.partial`));
    for (const [i, shard] of PLAN.shards.entries()) {
      const path = `${join(folder, shard.fileName)}.partial`;
      expect(statSync(path).size, String(i)).toBe(shard.size);
      expect(readFileSync(path).subarray(0, shard.header.byteLength).equals(shard.header)).toBe(true);
    }
    writeTensor(writer, 'd');
    await writer.complete('d');
    await writer.complete('d');
    expect(existsSync(join(folder, SECOND))).toBe(false);
    expect(writer.locate('c').path).toBe(join(folder, `${SECOND}.partial`));
    writeTensor(writer, 'c');
    await Promise.all([writer.complete('c'), writer.complete('c')]);
    expect(readdirSync(folder).sort()).toEqual([`${FIRST}.partial`, SECOND, `${THIRD}.partial`]);
    expect(writer.locate('c')).toMatchObject({
      path: join(folder, SECOND),
      dtype: 'BF16',
      shape: [5, 7],
      bytes: 70,
    });
    await writer.complete('c');
    await writer.close();
  });

  it('writes an index as the hub does, and copies the other files', async () => {
    const folder = newFolder();
    const writer = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
    for (const { name } of SPECS) {
      writeTensor(writer, name);
      await writer.complete(name);
    }
    const copyFrom = others(source());
    await writer.finish({ copyFrom });
    await writer.finish({ copyFrom });
    await writer.close();
    expect(readFileSync(join(folder, 'model.safetensors.index.json'), 'utf8')).toBe(
      `${JSON.stringify(
        {
          metadata: { total_size: 350 },
          weight_map: { a: FIRST, b: FIRST, c: SECOND, d: SECOND, e: THIRD },
        },
        null,
        2,
      )}\n`,
    );
    expect(readFileSync(join(folder, 'tokenizer.json'), 'utf8')).toBe('tokens');
    await expectWritten(folder, SPECS);
  });

  it('writes no index for a single shard', async () => {
    const folder = newFolder();
    const writer = await createCheckpointWriter({ folder, plan: planShards(SPECS, 1e9), resume: false });
    for (const { name } of SPECS) {
      writeTensor(writer, name);
      await writer.complete(name);
    }
    await writer.finish({ copyFrom: others(source()) });
    await writer.close();
    expect(readdirSync(folder).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    await expectWritten(folder, SPECS);
  });

  it('does not finish while a tensor is missing, and names it', async () => {
    const folder = newFolder();
    const writer = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
    for (const name of ['a', 'b', 'c', 'e']) await writer.complete(name);
    await expect(writer.finish({ copyFrom: others(source()) })).rejects.toThrow(
      `${SECOND} is not complete: d`,
    );
    expect(existsSync(join(folder, 'config.json'))).toBe(false);
    await writer.close();
  });

  it('refuses names outside the plan, and use after close', async () => {
    const writer = await createCheckpointWriter({ folder: newFolder(), plan: PLAN, resume: false });
    expect(() => writer.locate('__proto__')).toThrow(RangeError);
    await expect(writer.complete('x')).rejects.toThrow(RangeError);
    await writer.close();
    await writer.close();
    expect(() => writer.locate('a')).toThrow('closed');
    await expect(writer.complete('a')).rejects.toThrow('closed');
  });
});

describe('resuming', () => {
  it('keeps shards that are complete and tensors that were written', async () => {
    const folder = newFolder();
    const first = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
    for (const name of ['a', 'b', 'c']) {
      writeTensor(first, name);
      await first.complete(name);
    }
    await first.sync();
    await first.close();

    const second = await createCheckpointWriter({ folder, plan: planShards(SPECS, 150), resume: true });
    expect(SPECS.map(({ name }) => second.isComplete(name))).toEqual([true, true, false, false, false]);
    for (const name of ['a', 'b', 'c']) await second.complete(name);
    for (const name of ['d', 'e']) {
      writeTensor(second, name);
      await second.complete(name);
    }
    await second.finish({ copyFrom: others(source()) });
    await second.close();
    await expectWritten(folder, SPECS);

    const third = await createCheckpointWriter({ folder, plan: PLAN, resume: true });
    expect(SPECS.every(({ name }) => third.isComplete(name))).toBe(true);
    await third.finish({ copyFrom: others(source()) });
    await third.close();
    await expectWritten(folder, SPECS);
  });

  it.each<[string, (path: string) => void]>([
    ['another header', (path) => overwrite(path, 20, 'x')],
    ['another length', (path) => truncateSync(path, 60)],
    ['bytes after its end', (path) => writeFileSync(path, '!', { flag: 'a' })],
  ])('makes a shard anew that has %s', async (_, damage) => {
    for (const suffix of ['', '.partial']) {
      const folder = newFolder();
      const first = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
      for (const name of suffix === '' ? ['a', 'b'] : ['a']) {
        writeTensor(first, name);
        await first.complete(name);
      }
      await first.close();
      damage(join(folder, FIRST + suffix));
      const second = await createCheckpointWriter({ folder, plan: PLAN, resume: true });
      expect(second.isComplete('a')).toBe(false);
      for (const { name } of SPECS) {
        writeTensor(second, name);
        await second.complete(name);
      }
      await second.finish({ copyFrom: others(source()) });
      await second.close();
      await expectWritten(folder, SPECS);
    }
  });

  it('without it nothing old is kept', async () => {
    const folder = newFolder();
    for (let round = 0; round < 2; round++) {
      const writer = await createCheckpointWriter({ folder, plan: PLAN, resume: false });
      expect(SPECS.some(({ name }) => writer.isComplete(name))).toBe(false);
      expect(
        readFileSync(writer.locate('a').path)
          .subarray(PLAN.shards[0]?.header.byteLength)
          .every((x) => x === 0),
      ).toBe(true);
      writeTensor(writer, 'a');
      await writer.complete('a');
      writeTensor(writer, 'b');
      await writer.complete('b');
      await writer.close();
    }
  });
});

function overwrite(path: string, offset: number, text: string): void {
  const descriptor = openSync(path, 'r+');
  writeSync(descriptor, text, offset);
  closeSync(descriptor);
}

describe('createCheckpointWriter refuses', () => {
  it('a disk without space, and leaves nothing', async () => {
    const parent = newFolder();
    const folder = join(parent, 'new', 'output');
    const huge = planShards([...SPECS, { name: 'huge', dtype: 'U8', shape: [2 ** 52] }], 150);
    const attempt = createCheckpointWriter({ folder, plan: huge, resume: false });
    await expect(attempt).rejects.toThrow(RequestError);
    await expect(attempt).rejects.toThrow(/bytes are needed but only \d+ are free/);
    await expect(attempt).rejects.toThrow(folder);
    expect(readdirSync(parent)).toEqual([]);
  });

  it('a folder that can not be made', async () => {
    const file = join(newFolder(), 'file');
    writeFileSync(file, '');
    for (const folder of [file, join(file, 'sub'), join(file, 'sub', 'deeper')]) {
      const attempt = createCheckpointWriter({ folder, plan: PLAN, resume: false });
      await expect(attempt).rejects.toThrow(RequestError);
      await expect(attempt).rejects.toThrow(file);
    }
  });

  it.each([
    'model.safetensors',
    'model-00001-of-00009.safetensors',
    'model-00001-of-00009.safetensors.partial',
  ])('a folder with %s of another checkpoint', async (name) => {
    const folder = newFolder();
    writeFileSync(join(folder, name), '');
    for (const resume of [true, false])
      await expect(createCheckpointWriter({ folder, plan: PLAN, resume })).rejects.toThrow(
        join(folder, name),
      );
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('a folder with the index of another checkpoint beside a single file', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'model.safetensors.index.json'), '');
    const attempt = createCheckpointWriter({ folder, plan: planShards(SPECS, 1e9), resume: true });
    await expect(attempt).rejects.toThrow('belongs to another checkpoint');
  });
});
