/** Quantized checkpoints as they are read, against PyTorch and transformers (scripts/golden/make-quantized.py). */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { RequestError } from '../../src/errors.js';
import { checkpointModel } from '../../src/forward/checkpoint-model.js';
import { HiddenStates } from '../../src/forward/hidden-states.js';
import { ModelStream } from '../../src/forward/model-stream.js';
import { locateTensors } from '../../src/forward/model-tensors.js';
import { readElements } from '../../src/forward/read-elements.js';
import { floatTensor, type StoredFloatTensor } from '../../src/forward/stored-tensor.js';
import { elementCount } from '../../src/graph/value.js';
import { runInspect } from '../../src/pipeline/inspect.js';
import { readableTensors } from '../../src/quantization/readable-tensors.js';
import { WorkerPool } from '../../src/runtime/worker-pool.js';
import { expectSameBits } from '../support/expect-same-bits.js';
import { crossEntropyOf } from '../support/golden-logits.js';
import { relativeError } from '../support/relative-error.js';
import { readGolden } from '../support/safetensors.js';

const golden = fileURLToPath(new URL('../golden/quantized', import.meta.url));
const qwen = join(golden, 'qwen3-fp8');
const pool = new WorkerPool(1);
const scratch = mkdtempSync(join(tmpdir(), 'secateur-quantized-'));
afterAll(async () => {
  await pool.close();
  rmSync(scratch, { recursive: true });
});

function read({ file, offset, dtype, shape }: StoredFloatTensor, first = 0, elements = elementCount(shape)) {
  const values = new Float32Array(elements);
  readElements({ file, offset: offset + first * 4, dtype, elements }, (chunk, start) =>
    values.set(chunk, start),
  );
  return values;
}

describe.each(['qwen3-fp8', 'gpt-oss-mxfp4'])('%s', (name) => {
  it('gives the hidden states and the cross-entropy of the decoded model', async () => {
    const folder = join(golden, name);
    const { model, locate } = checkpointModel(await openCheckpoint(folder));
    const expected = readGolden(join(folder, 'expected.safetensors'));
    const f32 = (name: string) => expected.get(name)?.data as Float32Array;
    const ids = Int32Array.from(expected.get('input_ids')?.data as BigInt64Array, Number);
    const stream = new ModelStream(model, pool);
    const record = stream.recordBytes(ids.length);
    const states = new HiddenStates(join(scratch, `${name}.states`), 1, ids.length, model.hiddenSize, record);
    await stream.embed(states, ids, locate);
    for (const [index, block] of model.blocks.entries()) {
      await stream.runBlock(block, await stream.loadBlock(block, locate), states, locate);
      const bytes = readFileSync(states.path).subarray(0, ids.length * model.hiddenSize * 4);
      const values = new Float32Array(Uint8Array.from(bytes).buffer);
      expect(relativeError(values, f32(`hidden_states.${index}`))).toBeLessThan(1e-5);
    }
    const loss = crossEntropyOf(f32('logits'), ids);
    expect((await stream.crossEntropy(states, ids, locate))[0]).toBeCloseTo(loss, 4);
    states.dispose();
    stream.dispose();
  });
});

describe('a checkpoint in FP8 with scales of blocks', () => {
  it('inspect counts zeros of what the codes stand for, and no scales', async () => {
    const { tensors, totals, linears } = await runInspect(qwen, { pattern: '2:4' });
    expect(linears).toHaveLength(14);
    expect(tensors.some(({ name }) => name.endsWith('_scale_inv'))).toBe(false);
    const gate = tensors.find(({ name }) => name === 'model.layers.0.mlp.gate_proj.weight');
    expect(gate).toMatchObject({ shape: [160, 96], dtype: 'F8_E4M3', numel: 15_360, prunable: true });
    expect(gate?.violations).toBeGreaterThan(3_800);
    expect(totals.prunable).toBe(2 * (2 * 64 * 96 + 2 * 32 * 96 + 3 * 160 * 96));
  });
});

const encodings = join(golden, 'encodings.safetensors');

/** The golden experts as a checkpoint. */
function experts(config: unknown = { quantization_config: { quant_method: 'mxfp4' } }) {
  const tensors = [...readSafetensorsHeader(encodings).tensors].filter(([name]) =>
    name.startsWith('experts.gate_up_proj_'),
  );
  const checkpoint: Pick<Checkpoint, 'config' | 'folder' | 'tensors'> = {
    folder: golden,
    config,
    tensors: new Map(tensors.map(([name, tensor]) => [name, { ...tensor, path: encodings }])),
  };
  return checkpoint;
}

describe('FP8 with other scales than of blocks', () => {
  const path = join(golden, 'fp8-scales.safetensors');
  const stored = readSafetensorsHeader(path).tensors;
  const expected = readGolden(path);
  const readable = (kind: string, quantization: object, more: readonly string[] = []) => {
    const own = [...stored].filter(([name]) => /weight|scale/.test(name) && name.startsWith(kind));
    const [, scale] = own.find(([name]) => name.includes('scale')) ?? [];
    if (!scale) throw new Error('no scale');
    const named = [...own, ...more.map((name) => [name, { ...scale, name }] as const)];
    return readableTensors({
      folder: golden,
      config: { quantization_config: quantization },
      tensors: new Map(named.map(([name, tensor]) => [name, { ...tensor, path }])),
    });
  };
  const compressed = (strategy: string, more: object = {}) => ({
    quant_method: 'compressed-tensors',
    format: 'float-quantized',
    config_groups: { group_0: { weights: { num_bits: 8, type: 'float', strategy, ...more } } },
  });

  it.each([
    ['tensor', compressed('tensor')],
    ['tensor', { quant_method: 'modelopt', quant_algo: 'FP8' }],
    ['tensor', { quant_method: 'fp8', activation_scheme: 'static' }],
    ['channel', compressed('channel')],
    ['channel', { quant_method: 'fbgemm_fp8' }],
    ['half', compressed('channel')],
    ['channel', compressed('block', { block_structure: [4, 5] })],
    ['block', compressed('block', { block_structure: [4, 5] })],
    ['block', { quant_method: 'fp8', weight_block_size: [4, 5] }],
    ['inverse', { quant_method: 'fp8', activation_scheme: 'static', weight_block_size: null }],
  ])('one a %s, by %o', (kind, quantization) => {
    const tensors = readable(kind, quantization);
    expect([...tensors.keys()]).toEqual([`${kind}.weight`]);
    const tensor = floatTensor(tensors, `${kind}.weight`);
    const decoded = expected.get(`${kind}.decoded`)?.data as Float32Array;
    expectSameBits(read(tensor), decoded);
    expectSameBits(read(tensor, 17, 50), decoded.slice(17, 67));
    // What the libraries make of them has the scales' dtype.
    const library = expected.get(`${kind}.library`)?.data as Float32Array;
    expect(relativeError(decoded, library)).toBeLessThan(kind === 'channel' ? 2 ** -8 : 1e-12);
  });

  it('reads no scales of activations', () => {
    const more = ['tensor.input_scale', 'tensor.k_scale', 'tensor.input_scale_ub', 'other.input_scale'];
    const tensors = readable('tensor', compressed('tensor'), more);
    expect([...tensors.keys()].sort()).toEqual(['other.input_scale', 'tensor.weight']);
    expect(tensors.get('tensor.weight')?.encoded?.unread).toEqual(more.slice(0, 3));
  });

  it('may be described by a file of ModelOpt alone', () => {
    const folder = mkdtempSync(join(scratch, 'modelopt-'));
    const own = [...stored].filter(([name]) => name.startsWith('tensor.weight'));
    const tensors = new Map(own.map(([name, tensor]) => [name, { ...tensor, path }]));
    const say = (quant_algo: string) =>
      writeFileSync(join(folder, 'hf_quant_config.json'), JSON.stringify({ quantization: { quant_algo } }));
    say('FP8');
    expect([...readableTensors({ folder, config: {}, tensors }).keys()]).toEqual(['tensor.weight']);
    say('W4A8_AWQ');
    expect(() => readableTensors({ folder, config: {}, tensors })).toThrow(
      'hf_quant_config.json: the checkpoint is quantized with modelopt (quant_algo "W4A8_AWQ")',
    );
  });

  it('is refused where a scale is neither of a block nor a row nor all', () => {
    expect(() => readable('block', compressed('channel'))).toThrow(
      'tensor block.weight_scale has shape [3, 4]; [12, 20] of block.weight needs [12, 1]',
    );
  });
});

describe('experts in MXFP4', () => {
  const name = 'experts.gate_up_proj';
  const expected = readGolden(encodings).get(name)?.data as Float32Array;
  const [count, inputs, out] = [2, 96, 6];

  it('are what transformers decodes, in any piece', () => {
    const tensors = readableTensors(experts());
    expect([...tensors.keys()]).toEqual([name]);
    const tensor = floatTensor(tensors, name);
    expect(tensor.shape).toEqual([count, inputs, out]);
    expectSameBits(read(tensor), expected);
    for (const [first, n] of [
      [0, 1],
      [5, 1],
      [7, 100],
      [570, 20],
    ] as const) {
      expectSameBits(read(tensor, first, n), expected.slice(first, first + n));
    }
  });

  it('hold the matrices of each expert as parts', () => {
    const tensors = readableTensors(experts());
    for (const [expert, gateOrUp] of [
      [0, 0],
      [1, 0],
      [1, 1],
    ] as const) {
      const part = {
        name: 'linear',
        shape: [out / 2, inputs],
        stored: {
          tensor: name,
          shape: [count, inputs, out],
          offset: expert * inputs * out + gateOrUp,
          run: out / 2,
          runStride: 0,
          rowStride: 2,
          columnStride: out,
        },
      };
      const model = { blocks: [], embedding: part, closing: { tensors: [] }, head: part };
      const locate = locateTensors(model as never, (own) => floatTensor(tensors, own));
      const matrix = Float32Array.from({ length: (out / 2) * inputs }, (_, i) => {
        const [row, column] = [Math.floor(i / inputs), i % inputs];
        return expected[(expert * inputs + column) * out + 2 * row + gateOrUp] as number;
      });
      expectSameBits(read(locate('linear')), matrix);
      expectSameBits(read(locate('linear'), 50, 70), matrix.slice(50, 120));
    }
  });
});

it('inspect shows what it does not decode as it is stored, and says why', async () => {
  const folder = join(scratch, 'gptq');
  cpSync(qwen, folder, { recursive: true });
  rmSync(join(folder, 'expected.safetensors'));
  const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  config.quantization_config = { quant_method: 'gptq' };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
  const { tensors, linears, notes } = await runInspect(folder);
  expect(tensors.find(({ dtype }) => dtype === 'F8_E4M3')).toMatchObject({ zeros: null });
  expect(linears).toEqual([]);
  expect(notes.join()).toContain('quantized with gptq');
});

describe('what is refused', () => {
  const refusal = (config: object, tensors = experts().tensors) => {
    try {
      readableTensors({ folder: '/m', config, tensors });
    } catch (error) {
      expect(error).toBeInstanceOf(RequestError);
      return (error as Error).message;
    }
    return undefined;
  };
  const quantized = (quantization: object) => ({ quantization_config: quantization });

  it.each(['gptq', 'awq', 'bitsandbytes', 'compressed-tensors', 'hqq'])('%s, by name', (method) => {
    const message = refusal(quantized({ quant_method: method, bits: 4 }));
    expect(message).toContain(
      `/m/config.json: quantization_config: the checkpoint is quantized with ${method}`,
    );
    expect(message).toContain('prune the checkpoint that');
  });

  it('no method, or a config that is none', () => {
    expect(refusal(quantized({}))).toContain('quant_method does not name');
    expect(refusal({ quantization_config: 'fp8' })).toContain('quantization_config');
  });

  it.each(['gptq', 'awq', 'bitsandbytes', 'hqq'])('%s within text_config, by name', (method) => {
    const message = refusal({ quantization_config: null, text_config: quantized({ quant_method: method }) });
    expect(message).toContain(
      `/m/config.json: text_config.quantization_config: the checkpoint is quantized with ${method}`,
    );
  });

  it('what only part of is known, naming the field', () => {
    const block = { quant_method: 'fp8', weight_block_size: [128, 128] };
    expect(refusal(quantized({ ...block, activation_scheme: 'other' }))).toContain('activation_scheme');
    expect(refusal(quantized({ ...block, weight_block_size: [0, 128] }))).toContain('weight_block_size');
    expect(refusal(quantized({ ...block, fmt: 'e5m2' }))).toContain('fmt');
    const weights = { num_bits: 8, type: 'float', strategy: 'channel', symmetric: true };
    const compressed = (more: object, own: object = {}) =>
      refusal(
        quantized({
          quant_method: 'compressed-tensors',
          format: 'float-quantized',
          config_groups: { group_0: { weights: { ...weights, ...own } } },
          ...more,
        }),
      );
    expect(compressed({})).toBeUndefined();
    expect(compressed({ format: 'pack-quantized' })).toContain(
      'quantized with compressed-tensors (format "pack-quantized")',
    );
    expect(compressed({}, { num_bits: 4 })).toContain('config_groups.group_0.weights.num_bits');
    expect(compressed({}, { type: 'int' })).toContain('config_groups.group_0.weights.type');
    expect(compressed({}, { strategy: 'group' })).toContain('config_groups.group_0.weights.strategy');
    expect(compressed({}, { symmetric: false })).toContain('config_groups.group_0.weights.symmetric');
    expect(compressed({ sparsity_config: { format: 'sparse-24-bitmask' } })).toContain(
      'sparsity_config.format',
    );
    expect(compressed({ transform_config: { config_groups: { R1: {} } } })).toContain(
      'transform_config.config_groups.R1',
    );
    expect(refusal(quantized({ quant_method: 'modelopt', quant_algo: 'NVFP4' }))).toContain(
      'quantized with modelopt (quant_algo "NVFP4")',
    );
    expect(refusal(quantized({ quant_method: 'modelopt', quant_algo: 'FP8' }))).toBeUndefined();
  });

  it('codes without scales, or with others than fit', async () => {
    const { tensors, config } = await openCheckpoint(qwen);
    const code = 'model.layers.0.mlp.up_proj.weight';
    const scale = tensors.get(`${code}_scale_inv`);
    if (!scale) throw new Error('no scales');
    const without = new Map([...tensors].filter(([name]) => name !== scale.name));
    expect(refusal(config as object, without)).toContain(`${code} has no scales: ${scale.name} is missing`);
    const other = new Map([...tensors, [scale.name, { ...scale, shape: [2, 3] }]]);
    expect(refusal(config as object, other)).toContain(
      '[160, 96] of model.layers.0.mlp.up_proj.weight needs [3, 2]',
    );
  });
});
