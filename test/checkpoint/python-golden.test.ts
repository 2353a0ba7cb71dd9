import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openByteSource } from '../../src/checkpoint/byte-source.js';
import { DTYPES } from '../../src/checkpoint/dtype.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { planShards } from '../../src/checkpoint/shard-plan.js';

const golden = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
const readJson = <T>(name: string): T => JSON.parse(readFileSync(golden(name), 'utf8'));

type Described = { dtype: string; shape: number[]; bytes: number; sha256: string };
const expected = readJson<Record<string, Record<string, Described>>>('python-dtypes.json');
const files = Object.keys(expected);

describe.each(files)("%s, written by Python's safetensors", (file) => {
  it('has the tensors Python finds', () => {
    const { tensors } = readSafetensorsHeader(golden(file));
    const source = openByteSource(golden(file));
    const found = [...tensors.values()].map(({ name, dtype, shape, offset, bytes }) => {
      const data = new Uint8Array(bytes);
      source.readInto(offset, data);
      return [
        name,
        { dtype, shape, bytes, sha256: createHash('sha256').update(data).digest('hex') },
      ] as const;
    });
    source.close();
    const sorted = (entries: (readonly [string, unknown])[]) => entries.sort(([a], [b]) => (a < b ? -1 : 1));
    expect(sorted(found)).toEqual(sorted(Object.entries(expected[file] ?? {})));
  });
});

it('the golden files have every dtype, tensors off their alignment, and hostile names', () => {
  const all = files.flatMap((file) => Object.values(expected[file] ?? {}));
  expect(new Set(all.map(({ dtype }) => dtype))).toEqual(new Set(DTYPES));
  const { tensors, metadata } = readSafetensorsHeader(golden('python-dtypes.safetensors'));
  expect([...tensors.values()].some(({ offset }) => offset % 2 === 1)).toBe(true);
  expect(tensors.get('__proto__')?.shape).toEqual([3]);
  expect(Object.fromEntries(metadata ?? [])).toEqual({ format: 'pt', note: 'every dtype, naïve ☃' });
});

it('shards are those of huggingface_hub', () => {
  type Case = {
    sizes: Record<string, number>;
    limit: number;
    total_size: number;
    files: Record<string, string[]>;
  };
  const cases = readJson<Case[]>('python-shards.json');
  expect(cases.length).toBeGreaterThan(30);
  for (const { sizes, limit, total_size, files } of cases) {
    const tensors = Object.entries(sizes).map(([name, size]) => ({
      name,
      dtype: 'U8' as const,
      shape: [size],
    }));
    const plan = planShards(tensors, limit);
    expect(plan.totalBytes).toBe(total_size);
    expect(
      Object.fromEntries(plan.shards.map((shard) => [shard.fileName, shard.tensors.map(({ name }) => name)])),
    ).toEqual(files);
  }
});
