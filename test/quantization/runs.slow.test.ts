/** Whole runs on a checkpoint in FP8 with scales of blocks; what they write is decoded here by definition. */
import { cpSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { evaluate, inspect, prune } from '../../src/index.js';
import { isPrunedBlock, pruneUntil } from '../support/prune-until.js';
import { fileHashes, refusal, tensorHashes } from '../support/quickstart-runs.js';
import { writeShortText } from '../support/short-text.js';

const golden = fileURLToPath(new URL('../golden', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'secateur-fp8-'));
afterAll(() => rmSync(folder, { recursive: true }));
const source = join(folder, 'source');
cpSync(join(golden, 'quantized/qwen3-fp8'), source, { recursive: true });
rmSync(join(source, 'expected.safetensors'));
cpSync(join(golden, 'tiny-tokenizer'), source, { recursive: true });
const text = writeShortText(folder);

const BLOCK = 64;
const keepsValues = ['{method: wanda, sparsity: 0.5}'];
const sparsegpt = '{method: sparsegpt, pattern: "2:4"}';

const runs = new Map<string, ReturnType<typeof newRun>>();

/** Each is made once. */
function run(goal: string, dtype: 'auto' | 'same', workers = 1) {
  const key = `${goal} ${dtype} ${workers}`;
  const known = runs.get(key) ?? newRun(goal, dtype, workers);
  runs.set(key, known);
  return known;
}

let made = 0;

async function newRun(goal: string, dtype: 'auto' | 'same', workers: number, model = source) {
  const output = join(folder, `out-${made++}`);
  const path = `${output}.yaml`;
  const lines = [
    `model: ${model}`,
    `output: ${output}`,
    `calibration: {data: ${text}, samples: 6, sequence_length: 64, experts: {minimum_tokens: 8}}`,
    `prune: ${goal}`,
    `write: {dtype: ${dtype}}`,
    `resources: {workers: ${workers}}`,
  ];
  if (goal === sparsegpt && workers === 1) {
    lines.push(`evaluation: {data: ${text}, context: 64, windows: 3, calibration_windows: 0}`);
  }
  writeFileSync(path, lines.join('\n'));
  return { path, output, report: (await prune(path)).report };
}

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

function tensorsOf(checkpoint: string, shard = 'model.safetensors'): Map<string, Tensor> {
  const path = join(checkpoint, shard);
  const file = readFileSync(path);
  return new Map(
    [...readSafetensorsHeader(path).tensors].map(([name, { dtype, shape, offset, bytes }]) => [
      name,
      { dtype, shape, bytes: file.subarray(offset, offset + bytes) },
    ]),
  );
}

function fp8Value(code: number): number {
  const [exponent, mantissa] = [(code >> 3) & 15, code & 7];
  const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return code & 0x80 ? -magnitude : magnitude;
}

/** What codes and scales stand for, and what bf16 and f32 hold. */
function valuesOf(tensors: ReadonlyMap<string, Tensor>, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`no ${name}`);
  const { dtype, bytes, shape } = tensor;
  if (dtype === 'F32')
    return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
  if (dtype === 'BF16') {
    const bits = Uint32Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16LE(i * 2) * 65_536);
    return new Float32Array(bits.buffer);
  }
  const [, columns = 1] = shape;
  const hasBlocks = tensors.has(`${name}_scale_inv`);
  const scales = valuesOf(tensors, hasBlocks ? `${name}_scale_inv` : `${name}_scale`);
  const across = Math.ceil(columns / BLOCK);
  return Float32Array.from(bytes, (code, i) => {
    const row = Math.floor(i / columns);
    const block = hasBlocks
      ? Math.floor(row / BLOCK) * across + Math.floor((i % columns) / BLOCK)
      : row % scales.length;
    return Math.fround(fp8Value(code)) * (scales[block] as number);
  });
}

/** To nearest, ties to even. */
function asBf16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] as number;
  const rounded = Math.floor((bits + 0x7fff + ((bits >>> 16) & 1)) / 65_536) * 65_536;
  return new Float32Array(Uint32Array.of(rounded).buffer)[0] as number;
}

const before = tensorsOf(source);
const linears = [...before.keys()].filter((name) => name.endsWith('_proj.weight'));
const encoded = linears.filter((name) => before.get(name)?.dtype === 'F8_E4M3');
function zerosOf(values: Float32Array): number {
  return values.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0);
}

it('the checkpoint has both kinds', () => {
  expect([linears.length, encoded.length]).toEqual([14, 13]);
});

describe.each([...keepsValues, sparsegpt])('%s', (goal) => {
  it('is written in bf16', async () => {
    const { output, report } = await run(goal, 'auto');
    const after = tensorsOf(output);
    const names = [...before.keys()].filter((name) => !name.endsWith('_scale_inv'));
    expect([...after.keys()].sort()).toEqual(names.sort());
    for (const name of names) {
      expect(after.get(name)).toMatchObject({ dtype: 'BF16', shape: before.get(name)?.shape });
      if (!linears.includes(name)) expect(after.get(name)?.bytes).toEqual(before.get(name)?.bytes);
    }
    for (const { name, zeros } of report.layers) {
      const values = valuesOf(after, `${name}.weight`);
      expect(zerosOf(values)).toBe(zeros);
      if (goal === sparsegpt) continue;
      const dense = valuesOf(before, `${name}.weight`);
      const moved = values.filter((value, i) => value !== 0 && value !== asBf16(dense[i] as number));
      expect(moved).toHaveLength(0);
    }
    const config = readFileSync(join(source, 'config.json'), 'utf8');
    const { quantization_config: _, ...rest } = JSON.parse(config);
    const written = readFileSync(join(output, 'config.json'), 'utf8');
    expect(JSON.parse(written)).toEqual(rest);
    expect(config.startsWith(written.slice(0, -3))).toBe(true);
    expect(report.notes.join()).toContain('13 tensors in F8_E4M3 are written decoded');
    expect(report.totals.bytes).toBeGreaterThan(0);
  });

  it('is written in FP8', async () => {
    const { output, report } = await run(goal, 'same');
    const after = tensorsOf(output);
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [name, { dtype, shape, bytes }] of before) {
      expect(after.get(name)).toMatchObject({ dtype, shape });
      const isPruned = linears.includes(name.replace('_scale_inv', ''));
      if (!isPruned || (goal !== sparsegpt && name.endsWith('_scale_inv'))) {
        expect(after.get(name)?.bytes).toEqual(bytes);
      }
    }
    for (const { name, zeros } of report.layers) {
      const weight = `${name}.weight`;
      const values = valuesOf(after, weight);
      expect(zerosOf(values)).toBe(zeros);
      if (goal === sparsegpt || !encoded.includes(weight)) continue;
      const codes = before.get(weight)?.bytes ?? [];
      const changed = [...(after.get(weight)?.bytes ?? [])].filter(
        (code, i) => code !== 0 && code !== codes[i],
      );
      expect(changed).toHaveLength(0);
    }
    expect(readFileSync(join(output, 'config.json'))).toEqual(readFileSync(join(source, 'config.json')));
    const inspected = await inspect(output, goal === sparsegpt ? { pattern: '2:4' } : {});
    expect(inspected.totals.prunableZeros).toBe(report.totals.zeros);
    if (goal === sparsegpt) {
      const violations = inspected.tensors.map((tensor) => tensor.violations ?? 0);
      expect(Math.max(...violations)).toBe(0);
    }
  });
});

describe('weights that move', () => {
  it('are rounded to the nearest code, and everything after computes with these', async () => {
    const [decoded, same] = [await run(sparsegpt, 'auto'), await run(sparsegpt, 'same')];
    const [bf16, fp8] = [tensorsOf(decoded.output), tensorsOf(same.output)];
    // The first linears have seen the same inputs.
    const name = 'model.layers.0.self_attn.q_proj.weight';
    const [plain, rounded] = [valuesOf(bf16, name), valuesOf(fp8, name)];
    const largestScale = Math.max(...valuesOf(fp8, `${name}_scale_inv`));
    const far = rounded.filter((value, i) => {
      const exact = plain[i] as number;
      return Math.abs(value - exact) > Math.abs(exact) * (1 / 16 + 1 / 256) + largestScale * 2 ** -10;
    });
    expect(far).toHaveLength(0);
    expect(rounded.some((value, i) => value !== plain[i])).toBe(true);
    for (const { output, report } of [decoded, same]) {
      const again = await evaluate(output, { data: text, context: 64, windows: 3 });
      expect(again.checkpoint.perplexity).toBe(report.evaluation?.pruned?.perplexity);
    }
    const dense = await evaluate(source, { data: text, context: 64, windows: 3 });
    expect(dense.checkpoint.perplexity).toBe(same.report.evaluation?.dense?.perplexity);
  });

  it('whatever the number of workers', async () => {
    const one = await run(sparsegpt, 'same');
    const three = await run(sparsegpt, 'same', 3);
    expect(tensorHashes(three.output)).toEqual(tensorHashes(one.output));
  });
});

it('a run that was stopped goes on to the same bytes', async () => {
  const { path, output } = await run(sparsegpt, 'same');
  const again = join(folder, 'again');
  const stopped = join(folder, 'stopped.yaml');
  writeFileSync(stopped, readFileSync(path, 'utf8').replace(output, again));
  await pruneUntil(stopped, isPrunedBlock);
  await prune(stopped);
  expect(fileHashes(again)).toEqual(fileHashes(output));
});

/** The checkpoint with a scale a matrix and static activations in its first block, a scale a row in its second. */
function writeOtherScales(): string {
  const model = join(folder, 'other-scales');
  cpSync(source, model, { recursive: true });
  const tensors = new Map(before);
  const f32 = (values: readonly number[], shape: readonly number[]) => ({
    dtype: 'F32',
    shape,
    bytes: Buffer.from(Float32Array.from(values).buffer),
  });
  for (const name of encoded) {
    const [rows = 0] = before.get(name)?.shape ?? [];
    tensors.delete(`${name}_scale_inv`);
    const isFirst = name.includes('.0.');
    const scales = Array.from({ length: isFirst ? 1 : rows }, (_, row) => 0.0004 + (row % 7) * 0.0001);
    tensors.set(`${name}_scale`, f32(scales, isFirst ? [] : [rows, 1]));
    if (isFirst) tensors.set(name.replace('.weight', '.input_scale'), f32([0.5], [1]));
  }
  tensors.set('model.layers.1.self_attn.k_scale', f32([0.25], [1]));
  writeTensors(join(model, 'model.safetensors'), tensors);
  const { quantization_config: _, ...config } = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'));
  const weights = { num_bits: 8, type: 'float', symmetric: true, strategy: 'channel' };
  const quantization = {
    quant_method: 'compressed-tensors',
    format: 'float-quantized',
    config_groups: { group_0: { targets: ['Linear'], weights } },
  };
  const text = { ...config, quantization_config: quantization };
  const whole = { model_type: 'llava', quantization_config: null, text_config: text };
  writeFileSync(join(model, 'config.json'), JSON.stringify(whole, null, 2));
  writeFileSync(join(model, 'hf_quant_config.json'), '{}');
  return model;
}

function writeTensors(path: string, tensors: ReadonlyMap<string, Tensor>): void {
  let end = 0;
  const header = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    const start = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [start, end] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)));
  const length = Buffer.alloc(8);
  length.writeUInt32LE(json.length);
  writeFileSync(path, Buffer.concat([length, json, ...[...tensors.values()].map(({ bytes }) => bytes)]));
}

describe('one scale a matrix or a row, said within text_config', () => {
  const model = writeOtherScales();
  const own = tensorsOf(model);
  const isScale = (name: string) => name.endsWith('_scale');

  it.each([...keepsValues, sparsegpt])('%s is written in bf16', async (goal) => {
    const { output, report } = await newRun(goal, 'auto', 1, model);
    const after = tensorsOf(output);
    expect([...after.keys()].sort()).toEqual([...own.keys()].filter((name) => !isScale(name)).sort());
    for (const { name, zeros } of report.layers) {
      const values = valuesOf(after, `${name}.weight`);
      expect(zerosOf(values)).toBe(zeros);
      if (goal === sparsegpt) continue;
      const dense = valuesOf(own, `${name}.weight`);
      expect(values.every((value, i) => value === 0 || value === asBf16(dense[i] as number))).toBe(true);
    }
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
    delete config.quantization_config;
    delete config.text_config.quantization_config;
    expect(JSON.parse(readFileSync(join(output, 'config.json'), 'utf8'))).toEqual(config);
    expect(existsSync(join(output, 'hf_quant_config.json'))).toBe(false);
  });

  it.each([...keepsValues, sparsegpt])('%s is written in FP8', async (goal) => {
    const { output, report } = await newRun(goal, 'same', 1, model);
    const after = tensorsOf(output);
    expect([...after.keys()].sort()).toEqual([...own.keys()].sort());
    for (const [name, { bytes }] of own) {
      const isOfActivations = isScale(name) && !name.endsWith('weight_scale');
      if (isOfActivations || (goal !== sparsegpt && isScale(name)))
        expect(after.get(name)?.bytes).toEqual(bytes);
    }
    for (const { name, zeros } of report.layers) {
      const values = valuesOf(after, `${name}.weight`);
      expect(zerosOf(values)).toBe(zeros);
      if (goal === sparsegpt || !encoded.includes(`${name}.weight`)) continue;
      const dense = valuesOf(own, `${name}.weight`);
      expect(values.every((value, i) => value === 0 || value === dense[i])).toBe(true);
    }
    expect(readFileSync(join(output, 'config.json'))).toEqual(readFileSync(join(model, 'config.json')));
    expect(existsSync(join(output, 'hf_quant_config.json'))).toBe(true);
  });
});

it('experts in MXFP4 are decoded to the layout of transformers, or copied', async () => {
  const { output } = await run('{method: magnitude, sparsity: 0.5}', 'auto');
  const model = join(folder, 'experts');
  cpSync(output, model, { recursive: true });
  rmSync(join(model, 'secateur'), { recursive: true });
  renameSync(join(model, 'model.safetensors'), join(model, 'dense.safetensors'));
  cpSync(join(golden, 'quantized/encodings.safetensors'), join(model, 'experts.safetensors'));
  const name = 'experts.gate_up_proj';
  const dense = [...readSafetensorsHeader(join(model, 'dense.safetensors')).tensors.keys()];
  const shards = [
    ...dense.map((own) => [own, 'dense.safetensors']),
    ...[`${name}_blocks`, `${name}_scales`].map((own) => [own, 'experts.safetensors']),
  ];
  const index = { metadata: {}, weight_map: Object.fromEntries(shards) };
  writeFileSync(join(model, 'model.safetensors.index.json'), JSON.stringify(index));
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
  const quantized = { ...config, quantization_config: { quant_method: 'mxfp4' } };
  writeFileSync(join(model, 'config.json'), JSON.stringify(quantized));
  const golds = tensorsOf(join(golden, 'quantized'), 'encodings.safetensors');
  const goal = '{method: magnitude, sparsity: 0.6}';
  const [decoded, same] = [await newRun(goal, 'auto', 1, model), await newRun(goal, 'same', 1, model)];
  const [written, copied] = [tensorsOf(decoded.output), tensorsOf(same.output)];
  expect(written.get(name)).toMatchObject({ dtype: 'BF16', shape: [2, 96, 6] });
  expect(valuesOf(written, name)).toEqual(valuesOf(golds, name).map(asBf16));
  expect(written.has(`${name}_blocks`)).toBe(false);
  for (const own of [`${name}_blocks`, `${name}_scales`]) expect(copied.get(own)).toEqual(golds.get(own));
});

describe('a gpt-oss whose experts are in MXFP4', () => {
  const dense = join(folder, 'gpt-oss');
  cpSync(join(golden, 'quantized/gpt-oss-mxfp4'), dense, { recursive: true });
  rmSync(join(dense, 'expected.safetensors'));
  cpSync(join(golden, 'tiny-tokenizer'), dense, { recursive: true });
  const stored = tensorsOf(dense);
  const experts = [...stored.keys()]
    .filter((name) => name.endsWith('_blocks'))
    .map((name) => name.slice(0, -7));

  it.each([sparsegpt])('pruned by %s', async (goal) => {
    const decoded = await newRun(goal, 'auto', 1, dense);
    const same = await newRun(goal, 'same', 1, dense);
    const [bf16, codes] = [tensorsOf(decoded.output), tensorsOf(same.output)];
    expect([...codes.keys()].sort()).toEqual([...stored.keys()].sort());
    const isCodes = (name: string) => /_(blocks|scales)$/.test(name);
    const others = [...stored.keys()].filter((name) => !isCodes(name));
    expect([...bf16.keys()].sort()).toEqual([...others, ...experts].sort());
    expect(JSON.parse(readFileSync(join(decoded.output, 'config.json'), 'utf8'))).not.toHaveProperty(
      'quantization_config',
    );
    expect(experts).toHaveLength(4);
    for (const name of experts) {
      const [before, plain, kept] = [
        mxfp4Values(stored, name),
        valuesOf(bf16, name),
        mxfp4Values(codes, name),
      ];
      const [, , outputs = 0] = bf16.get(name)?.shape ?? [];
      if (goal === sparsegpt) {
        for (const values of [plain, kept]) expect(fullGroups(values, outputs)).toBe(0);
        continue;
      }
      expect(kept).toEqual(plain);
      expect(plain.every((value, i) => value === 0 || value === before[i])).toBe(true);
      expect(codes.get(`${name}_scales`)).toEqual(stored.get(`${name}_scales`));
      expect(zerosOf(plain)).toBe(plain.length / 2);
    }
    for (const [report, tensors] of [
      [decoded.report, (name: string) => valuesOf(bf16, name)],
      [same.report, (name: string) => mxfp4Values(codes, name)],
    ] as const) {
      const ofExperts = report.layers.filter(({ name }) => name.includes('.experts.'));
      expect(ofExperts).toHaveLength(2 * 4 * 3);
      const zeros = experts.reduce((sum, name) => sum + zerosOf(tensors(name)), 0);
      expect(ofExperts.reduce((sum, layer) => sum + layer.zeros, 0)).toBe(zeros);
    }
  });
});

/** Magnitudes of E2M1. */
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6];

/** Codes [experts, out, groups, 16 bytes] and scales as [experts, in, out]. */
function mxfp4Values(tensors: ReadonlyMap<string, Tensor>, name: string): Float32Array {
  const [blocks, scales] = [tensors.get(`${name}_blocks`), tensors.get(`${name}_scales`)];
  const [experts = 0, outputs = 0, groups = 0] = blocks?.shape ?? [];
  const inputs = groups * 32;
  const values = new Float32Array(experts * inputs * outputs);
  for (let e = 0; e < experts; e++) {
    for (let o = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        const element = (e * outputs + o) * inputs + i;
        const code = ((blocks?.bytes[element >> 1] as number) >> (4 * (element & 1))) & 15;
        const scale = 2 ** ((scales?.bytes[element >> 5] as number) - 127);
        const value = (E2M1[code & 7] as number) * scale;
        values[(e * inputs + i) * outputs + o] = code & 8 && value !== 0 ? -value : value;
      }
    }
  }
  return values;
}

/** How many fours of an output's inputs have fewer than two zeros, in [experts, in, out]. */
function fullGroups(values: Float32Array, outputs: number): number {
  let full = 0;
  for (let first = 0; first < values.length; first += 4 * outputs) {
    for (let o = 0; o < outputs; o++) {
      const four = [0, 1, 2, 3].map((i) => values[first + i * outputs + o]);
      if (four.filter((value) => value === 0).length < 2) full++;
    }
  }
  return full;
}

it('a linear that stays dense is decoded, or copied', async () => {
  const goal = '{method: magnitude, sparsity: 0.5, rules: [{match: "*.up_proj", keep: dense}]}';
  const name = 'model.layers.1.mlp.up_proj.weight';
  const [decoded, same] = [await run(goal, 'auto'), await run(goal, 'same')];
  expect(valuesOf(tensorsOf(decoded.output), name)).toEqual(valuesOf(before, name).map(asBf16));
  expect(tensorsOf(same.output).get(name)?.bytes).toEqual(before.get(name)?.bytes);
});

it('another write.dtype is another run', async () => {
  const { path } = await run('{method: magnitude, sparsity: 0.5}', 'auto');
  writeFileSync(path, readFileSync(path, 'utf8').replace('dtype: auto', 'dtype: same'));
  expect(await refusal(prune(path))).toContain('differs in: write.dtype');
});
