import { randomBytes } from 'node:crypto';
import { cpSync, readFileSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeEach, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { sampleWeights } from '../../src/checkpoint/sample-weights.js';
import { RunError } from '../../src/errors.js';
import { safetensorsBytes } from './safetensors-bytes.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

/** Bytes of the tensors of each shard: none, less than three samples, exactly three, more. */
const SHARDS = { 'a.safetensors': [0, 1, 5000, 12_288], 'b.safetensors': [12_289, 70_000] };

interface Tensor {
  readonly file: string;
  /** In the file. */
  readonly start: number;
  readonly bytes: number;
}

/** A checkpoint of U8 tensors with random bytes. */
function writeCheckpoint(): { folder: string; tensors: Tensor[] } {
  const folder = newFolder();
  const tensors: Tensor[] = [];
  const weightMap: Record<string, string> = {};
  for (const [file, sizes] of Object.entries(SHARDS)) {
    const header: Record<string, object> = {};
    const places: [number, number][] = [];
    let end = 0;
    for (const [index, size] of sizes.entries()) {
      header[`${file}.${index}`] = { dtype: 'U8', shape: [size], data_offsets: [end, end + size] };
      weightMap[`${file}.${index}`] = file;
      places.push([end, size]);
      end += size;
    }
    const content = safetensorsBytes(header, randomBytes(end));
    writeFileSync(join(folder, file), content);
    for (const [start, bytes] of places) tensors.push({ file, start: content.length - end + start, bytes });
  }
  writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  writeFileSync(join(folder, 'config.json'), '{}');
  return { folder, tensors };
}

let folder: string;
let tensors: Tensor[];
beforeEach(() => {
  ({ folder, tensors } = writeCheckpoint());
});

const samples = async (of: string) => sampleWeights(await openCheckpoint(of));

/** Flips every bit of a range of a shard while `use` looks at it. */
async function whileChanged<T>(file: string, from: number, to: number, use: () => Promise<T>): Promise<T> {
  const path = join(folder, file);
  const before = readFileSync(path);
  const changed = Buffer.from(before);
  for (let at = from; at < to; at++) changed[at] = (changed[at] as number) ^ 0xff;
  writeFileSync(path, changed);
  try {
    return await use();
  } finally {
    writeFileSync(path, before);
  }
}

it('a copy has the same, whenever it was made', async () => {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  for (const file of Object.keys(SHARDS)) utimesSync(join(copy, file), 1, 1);
  expect(await samples(copy)).toEqual(await samples(folder));
  expect(Object.keys(await samples(folder))).toEqual(Object.keys(SHARDS));
});

it('any tensor with other values changes its shard, and no other', async () => {
  const before = await samples(folder);
  for (const { file, start, bytes } of tensors.filter((tensor) => tensor.bytes > 0)) {
    const after = await whileChanged(file, start, start + bytes, () => samples(folder));
    const differs = Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(differs).toEqual([file]);
  }
});

it('sees single bytes at both ends and in the middle of a large tensor, and anywhere in a small one', async () => {
  const before = await samples(folder);
  const seen = fc.constantFrom(...tensors.filter(({ bytes }) => bytes > 0)).chain((tensor) => {
    const last = tensor.bytes - 1;
    const places = [fc.nat(Math.min(4095, last)), fc.nat(Math.min(4095, last)).map((at) => last - at)];
    const middle = Math.floor((tensor.bytes - 4096) / 2);
    const other = tensor.bytes <= 12_288 ? fc.nat(last) : fc.integer({ min: middle, max: middle + 4095 });
    return fc.record({ tensor: fc.constant(tensor), at: fc.oneof(...places, other) });
  });
  await fc.assert(
    fc.asyncProperty(seen, async ({ tensor: { file, start }, at }) => {
      const after = await whileChanged(file, start + at, start + at + 1, () => samples(folder));
      expect(after[file]).not.toBe(before[file]);
    }),
    { numRuns: 60 },
  );
});

it('a shard cut short since its header was read is an error that names it', async () => {
  const copy = newFolder();
  cpSync(folder, copy, { recursive: true });
  const opened = await openCheckpoint(copy);
  const path = join(copy, 'b.safetensors');
  truncateSync(path, 20_000);
  expect(() => sampleWeights(opened)).toThrow(RunError);
  expect(() => sampleWeights(opened)).toThrow(`${path} changed since its header was read`);
});
