import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/calibration/tokenizer.js';
import { type Checkpoint, type CheckpointTensor, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { checkTensors } from '../../src/model/check-tensors.js';
import { describeModel } from '../../src/model/describe-model.js';

const script = fileURLToPath(new URL('../../scripts/make-synthetic-checkpoint.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'synthetic-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function make(name: string, ...options: string[]): Promise<string> {
  const out = join(folder, name);
  const small = ['--shape', 'narrow', '--blocks', '1', '--vocabulary', '2048'];
  await promisify(execFile)(process.execPath, [script, ...small, '--out', out, ...options]);
  return out;
}

/** The tensor's bf16 bits. */
function bits({ path, offset, bytes }: CheckpointTensor): Uint16Array {
  const file = readFileSync(path);
  return new Uint16Array(file.buffer.slice(file.byteOffset + offset, file.byteOffset + offset + bytes));
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

function toFloat(bf16: number): number {
  floatBits[0] = bf16 << 16;
  return float[0] as number;
}

describe('make-synthetic-checkpoint', () => {
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await openCheckpoint(await make('sharded', '--shard-size', '5000000'));
  });

  it('makes a checkpoint with the tensors that its config asks for, in shards within the limit', async () => {
    const model = describeModel(checkpoint.config, 'config.json');
    checkTensors(model, checkpoint.tensors, checkpoint.folder);
    expect(checkpoint.tensors.size).toBe(12);
    expect(checkpoint.notes).toEqual([]);
    expect(checkpoint.bytes).toBe(2 * (2 * 2048 * 512 + 4 * 512 * 512 + 3 * 512 * 1376 + 3 * 512));
    expect(checkpoint.shards.map(({ fileName }) => fileName)).toEqual([
      'model-00001-of-00003.safetensors',
      'model-00002-of-00003.safetensors',
      'model-00003-of-00003.safetensors',
    ]);
    for (const { size } of checkpoint.shards) expect(size).toBeLessThan(5_000_000 + 4096);
    const tokenizer = await loadTokenizer(checkpoint.folder);
    const ids = tokenizer.encode('Any text at all, and ευρέως 広く.');
    expect(Math.max(...ids)).toBeLessThan(model.vocabularySize);
  });

  it('draws normal weights of deviation 0.02, no two rows alike, and norms of 1', () => {
    for (const tensor of checkpoint.tensors.values()) {
      const weights = bits(tensor);
      const [rows = 0, columns = 0] = tensor.shape;
      if (columns === 0) {
        expect(new Set(weights)).toEqual(new Set([0x3f80]));
        continue;
      }
      const moments = [0, 0, 0, 0, 0];
      for (const stored of weights) {
        const value = toFloat(stored) / 0.02;
        for (let power = 1, product = value; power < moments.length; power++, product *= value)
          moments[power] = (moments[power] as number) + product / weights.length;
      }
      // Five standard errors of each moment of a normal distribution.
      const error = 5 / Math.sqrt(weights.length);
      expect(Math.abs(moments[1] as number)).toBeLessThan(error);
      expect(Math.abs((moments[2] as number) - 1)).toBeLessThan(error * Math.sqrt(2));
      expect(Math.abs((moments[4] as number) - 3)).toBeLessThan(error * Math.sqrt(96));
      const digests = Array.from({ length: rows }, (_, row) =>
        createHash('sha1')
          .update(weights.subarray(row * columns, (row + 1) * columns))
          .digest('hex'),
      );
      expect(new Set(digests).size).toBe(rows);
    }
  });

  it('makes the same weights of the same seed however they are sharded, and others of another', async () => {
    const [single, other] = await Promise.all([make('single'), make('other', '--seed', '1')]);
    expect(readdirSync(single)).toContain('model.safetensors');
    const name = 'model.layers.0.mlp.down_proj.weight';
    const read = async (from: string) =>
      bits((await openCheckpoint(from)).tensors.get(name) as CheckpointTensor);
    const expected = bits(checkpoint.tensors.get(name) as CheckpointTensor);
    expect(Buffer.compare(Buffer.from((await read(single)).buffer), Buffer.from(expected.buffer))).toBe(0);
    const differing = (await read(other)).filter((value, index) => value !== expected[index]).length;
    expect(differing / expected.length).toBeGreaterThan(0.95);
  });

  it('refuses unknown shapes and vocabularies that the tokenizer does not fit', async () => {
    await expect(make('wrong', '--shape', 'llama-9')).rejects.toMatchObject({ code: 2 });
    await expect(make('wrong', '--vocabulary', '100')).rejects.toThrow(/tokenizer needs 2048/);
    await expect(make('wrong', '--blocks', 'two')).rejects.toThrow(/--blocks NaN/);
  });
});
