import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { bitsOf, DTYPES } from '../../src/checkpoint/dtype.js';
import { parseSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { encodeShardIndex, shardIndexValues } from '../../src/checkpoint/shard-index.js';
import { planShards, type TensorSpec, weightMapOf } from '../../src/checkpoint/shard-plan.js';
import { JsonError, parseStrictJson } from '../../src/checkpoint/strict-json.js';
import { RequestError } from '../../src/errors.js';
import { safetensorsBytes } from './safetensors-bytes.js';
import { temporaryFolders } from './temporary-folder.js';

const u8 = (name: string, size: number): TensorSpec => ({ name, dtype: 'U8', shape: [size] });

describe('planShards', () => {
  it('writes metadata first, wide elements first, and pads to 8 bytes', () => {
    const plan = planShards(
      [
        u8('7', 3),
        { name: 'w', dtype: 'BF16', shape: [2, 2] },
        { name: '__proto__', dtype: 'F64', shape: [] },
        u8('0', 1),
      ],
      1000,
    );
    const [shard] = plan.shards;
    const json =
      '{"__metadata__":{"format":"pt"},' +
      '"__proto__":{"dtype":"F64","shape":[],"data_offsets":[0,8]},' +
      '"w":{"dtype":"BF16","shape":[2,2],"data_offsets":[8,16]},' +
      '"7":{"dtype":"U8","shape":[3],"data_offsets":[16,19]},' +
      '"0":{"dtype":"U8","shape":[1],"data_offsets":[19,20]}}';
    const text = Buffer.from(shard?.header ?? []).toString('utf8', 8);
    expect(text.trimEnd()).toBe(json);
    expect(text.length % 8).toBe(0);
    expect(text.length - json.length).toBeLessThan(8);
    expect(Buffer.from(shard?.header ?? []).readBigUInt64LE(0)).toBe(BigInt(text.length));
    expect(shard?.fileName).toBe('model.safetensors');
    expect(shard?.size).toBe(8 + text.length + 20);
    expect([...plan.tensors.keys()]).toEqual(['7', 'w', '__proto__', '0']);
    expect(plan.tensors.get('w')).toEqual({
      name: 'w',
      dtype: 'BF16',
      shape: [2, 2],
      bytes: 8,
      shard: 0,
      offset: 16 + text.length,
    });
  });

  it('aligns every tensor to its element, in any order of dtypes', () => {
    for (const first of DTYPES)
      for (const second of DTYPES) {
        const plan = planShards(
          [first, second, first].map((dtype, i) => ({ name: `t${i}`, dtype, shape: [3, 8] })),
          1e6,
        );
        for (const { dtype, offset } of plan.tensors.values())
          expect(offset % Math.ceil(bitsOf(dtype) / 8)).toBe(0);
      }
  });

  it('numbers shards with five digits', () => {
    const plan = planShards([u8('a', 4), u8('b', 4), u8('c', 4)], 8);
    expect(plan.shards.map(({ fileName, tensors }) => [fileName, tensors.map(({ name }) => name)])).toEqual([
      ['model-00001-of-00002.safetensors', ['a', 'b']],
      ['model-00002-of-00002.safetensors', ['c']],
    ]);
    expect(plan.tensors.get('c')?.shard).toBe(1);
    expect(plan.totalBytes).toBe(12);
  });

  it.each<[string, TensorSpec[], number, string]>([
    ['no tensors', [], 10, 'at least one tensor'],
    ['a name twice', [u8('a', 1), u8('a', 1)], 10, 'tensor "a" would be written twice'],
    ['the name of the metadata', [u8('__metadata__', 1)], 10, '"__metadata__"'],
    ['half a surrogate pair', [u8('\ud800', 1)], 10, "can't be written under this name"],
    ['half bytes', [{ name: 'a', dtype: 'F4', shape: [3] }], 10, 'not whole bytes'],
    ['an overflow', [{ name: 'a', dtype: 'F32', shape: [2 ** 40, 2 ** 40] }], 10, 'overflow'],
    ['a limit of zero', [u8('a', 1)], 0, 'positive number of bytes'],
    ['a fraction as limit', [u8('a', 1)], 1.5, 'positive number of bytes'],
  ])('refuses %s', (_, tensors, limit, reason) => {
    expect(() => planShards(tensors, limit)).toThrow(RequestError);
    expect(() => planShards(tensors, limit)).toThrow(reason);
  });
});

describe('what is planned can be read', () => {
  const newFolder = temporaryFolders();

  /** 2 dimensions count as 12 keys and values. */
  const matrices = Array.from(
    { length: 83_331 },
    (_, i): TensorSpec => ({ name: `t${i}`, dtype: 'U8', shape: [1, 1] }),
  );
  /** Fills the header of 5 + 83,331 · 12 up to a million. */
  const last = (dimensions: number): TensorSpec => ({
    name: 'last',
    dtype: 'U8',
    shape: Array.from({ length: dimensions }, () => 1),
  });

  it('up to a header of a million keys and values', () => {
    const [shard] = planShards([...matrices, last(13)], 1e9).shards;
    const header = Buffer.from(shard?.header ?? []);
    const { tensors } = parseSafetensorsHeader(header, shard?.size ?? 0, 'x');
    expect(tensors.size).toBe(matrices.length + 1);

    const over = safetensorsBytes(
      header.toString('utf8', 8).replace(/("last":\{"dtype":"U8","shape":\[)/, '$11,'),
      new Uint8Array(tensors.size),
    );
    expect(() => parseSafetensorsHeader(over, over.length, 'x')).toThrow('more than 1000000 keys and values');
    expect(() => planShards([...matrices, last(14)], 1e9)).toThrow(
      new RequestError(
        'the header of model.safetensors would have 1000001 keys and values; the limit is 1000000: choose a smaller write.max_shard_size',
      ),
    );
    expect(planShards([...matrices, last(14)], 50_000).shards).toHaveLength(2);
  });

  it('counts a tensor without dimensions as it is read', () => {
    const scalars = (count: number) =>
      Array.from({ length: count }, (_, i): TensorSpec => ({ name: `${i}`, dtype: 'U8', shape: [] }));
    const [shard] = planShards(scalars(90_908), 1e9).shards;
    expect(
      parseSafetensorsHeader(shard?.header ?? new Uint8Array(), shard?.size ?? 0, 'x').tensors.size,
    ).toBe(90_908);
    expect(() => planShards(scalars(90_909), 1e9)).toThrow('would have 1000004 keys and values');
  });

  it('up to a header of 32 MB', () => {
    const long = Array.from({ length: 33 }, (_, i) => u8(`${i}${'x'.repeat(1_000_000)}`, 1));
    expect(() => planShards(long, 100)).toThrow(
      /header of model\.safetensors would have 33\d+ bytes; the limit is 32000000: choose a smaller write\.max_shard_size/,
    );
    expect(planShards(long, 20).shards).toHaveLength(2);
  });

  it('up to ten thousand shards', async () => {
    const bytes = (count: number) => Array.from({ length: count }, (_, i) => u8(`t${i}`, 1));
    expect(() => planShards(bytes(10_001), 1)).toThrow(
      new RequestError(
        'the checkpoint would have 10001 files of weights; the limit is 10000: choose a larger write.max_shard_size',
      ),
    );
    const plan = planShards(bytes(10_000), 1);
    const folder = newFolder();
    for (const { fileName, header } of plan.shards)
      writeFileSync(join(folder, fileName), Buffer.concat([header, new Uint8Array(1)]));
    const index = encodeShardIndex(weightMapOf(plan.shards), plan.totalBytes);
    writeFileSync(join(folder, 'model.safetensors.index.json'), index);
    for (const name of ['config.json', 'tokenizer.json']) writeFileSync(join(folder, name), '{}');
    const { tensors, otherFiles } = await openCheckpoint(folder);
    expect(tensors.size).toBe(10_000);
    expect(otherFiles).toEqual(['config.json', 'tokenizer.json']);
  });

  it('up to an index of 48 MB and a million keys and values', () => {
    const long = Array.from({ length: 49 }, (_, i) => u8(`${i}${'x'.repeat(1_000_000)}`, 1));
    expect(() => planShards(long, 20)).toThrow(
      /^model\.safetensors\.index\.json would have 49\d+ bytes; the limit is 48000000: 49 tensors/,
    );
    for (const tensors of [1, 2, 7]) {
      const index = Buffer.from(
        encodeShardIndex(
          Array.from({ length: tensors }, (_, i) => [`t${i}`, 'a.safetensors'] as const),
          1,
        ),
      );
      const values = (maxValues: number) => () => parseStrictJson(index, { maxDepth: 9, maxValues });
      expect(values(shardIndexValues(tensors))).not.toThrow();
      expect(values(shardIndexValues(tensors) - 1)).toThrow(JsonError);
    }
  });
});
