import { describe, expect, it } from 'vitest';
import { bitsOf, DTYPES } from '../../src/checkpoint/dtype.js';
import { planShards, type TensorSpec } from '../../src/checkpoint/shard-plan.js';
import { RequestError } from '../../src/errors.js';

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
