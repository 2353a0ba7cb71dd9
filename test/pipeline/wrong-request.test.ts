/** Requests that are refused. */
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { prune } from '../../src/index.js';
import {
  type Changes,
  fileHashes,
  quickstart,
  quickstartRuns,
  refusal,
  root,
} from '../support/quickstart-runs.js';

const { folder, runFile, newPath } = quickstartRuns();

describe('a wrong request is refused before anything is written', () => {
  let model: string;
  beforeEach(() => {
    model = newPath('model');
    cpSync(quickstart, model, { recursive: true });
  });

  async function refusedUnwritten(changes: Changes): Promise<string> {
    const { path, output } = runFile({ model, ...changes });
    const message = await refusal(prune(path));
    expect(() => readdirSync(output)).toThrow(/ENOENT/);
    return message;
  }

  /** Overwrites two bytes of a stored tensor. */
  function poison(name: string, element: number, bits: number): string {
    for (const file of readdirSync(model).filter((each) => each.endsWith('.safetensors'))) {
      const path = join(model, file);
      const tensor = readSafetensorsHeader(path).tensors.get(name);
      if (!tensor) continue;
      const bytes = readFileSync(path);
      bytes.writeUInt16LE(bits, tensor.offset + element * 2);
      writeFileSync(path, bytes);
      return path;
    }
    throw new Error(`no tensor ${name}`);
  }

  function editConfig(change: object): void {
    const path = join(model, 'config.json');
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
  }

  it.each([
    ['NaN', 0x7fc0],
    ['Infinity', 0x7f80],
  ])('%s in a weight', async (value, bits) => {
    poison('model.layers.3.mlp.up_proj.weight', 1234, bits);
    const message = await refusedUnwritten({});
    expect(message).toContain(`model.layers.3.mlp.up_proj.weight holds ${value} at index 1234`);
  });

  it('what an earlier run left is kept, also with --fresh', async () => {
    const request = { calibration: null, prune: '{method: magnitude, sparsity: 0.5}' };
    const { path, output } = runFile(request);
    await prune(path);
    const before = fileHashes(output);
    poison('model.layers.3.mlp.up_proj.weight', 1234, 0x7fc0);
    expect(await refusal(prune(path, { fresh: true, set: [`model=${model}`] }))).toContain('holds NaN');
    expect(fileHashes(output)).toEqual(before);
    const other = join(output, 'adapter.safetensors');
    writeFileSync(other, '');
    expect(await refusal(prune(path, { fresh: true }))).toContain('belongs to another checkpoint');
    rmSync(other);
    expect(fileHashes(output)).toEqual(before);
    expect((await prune(path)).alreadyDone).toBe(true);
  });

  it('groups that are larger than the blocks of a method may be', async () => {
    const rules = '[{match: "*.down_proj", pattern: "200:512"}]';
    expect(
      await refusedUnwritten({ prune: `{method: sparsegpt, sparsity: 0.5, rules: ${rules}}` }),
    ).toContain(
      'model.layers.0.mlp.down_proj: sparsegpt takes patterns N:M with M up to 256, and this one is 200:512',
    );
  });

  it('a pattern that does not divide the input size', async () => {
    expect(await refusedUnwritten({ prune: '{method: wanda, pattern: "2:5"}' })).toMatch(
      /self_attn\.q_proj.*2:5.*192/,
    );
  });

  it('a misspelt key, with its place and the nearest spelling', async () => {
    const message = await refusedUnwritten({ prune: '{method: wanda, sparsty: 0.5}' });
    expect(message).toMatch(/run-\d+\.yaml:4:\d+/);
    expect(message).toContain('sparsity');
  });

  it('a method that needs calibration without it', async () => {
    expect(await refusedUnwritten({ calibration: null })).toMatch(/calibration/);
  });

  it('a rule that matches nothing', async () => {
    const prune = '{method: wanda, sparsity: 0.5, rules: [{match: "*.down_porj", keep: dense}]}';
    expect(await refusedUnwritten({ prune })).toMatch(/down_porj matches no linear/);
  });

  it.each([
    [['*_proj', '*.down_proj'], '*.down_proj', '*_proj'],
    [
      ['*.q_proj', '*.k_proj', '*.v_*', '*.o_*', '*.0.self_attn.*'],
      '*.0.self_attn.*',
      '*.q_proj, *.k_proj, *.v_*, *.o_*',
    ],
    [['*.v_proj', '*.v_proj'], '*.v_proj', '*.v_proj'],
  ])('of the rules %j one that never counts, with those before it', async (globs, useless, before) => {
    const rules = globs.map((match, i) => `{match: "${match}", sparsity: 0.${i + 1}}`).join();
    const message = await refusedUnwritten({ prune: `{method: wanda, sparsity: 0.5, rules: [${rules}]}` });
    expect(message).toContain(`prune.rules: ${useless} decides nothing`);
    expect(message).toContain(`goes to a rule before it (${before}); put the more special rule first`);
  });

  it('too little calibration text, with both numbers', async () => {
    const text = join(folder, 'short.txt');
    writeFileSync(text, 'Only a few words.');
    const message = await refusedUnwritten({
      calibration: `{data: ${text}, samples: 4, sequence_length: 64}`,
    });
    expect(message).toMatch(/256/);
  });

  it('a shape that disagrees with the config', async () => {
    editConfig({ intermediate_size: 513 });
    expect(await refusedUnwritten({})).toMatch(
      /gate_proj\.weight has shape \[512, 192\], config\.json implies \[513, 192\]/,
    );
  });

  it('another family, by name', async () => {
    editConfig({ model_type: 'mamba' });
    expect(await refusedUnwritten({})).toMatch(/model_type mamba is not supported yet; supported: llama/);
  });

  it('a vocabulary smaller than the tokenizer', async () => {
    editConfig({ vocab_size: 1000 });
    expect(await refusedUnwritten({})).toMatch(/embed_tokens|vocab/);
  });

  it('a missing tokenizer, shard, index, model', async () => {
    rmSync(join(model, 'tokenizer.json'));
    expect(await refusedUnwritten({})).toMatch(/tokenizer\.json/);
    rmSync(join(model, 'model-00002-of-00002.safetensors'));
    expect(await refusedUnwritten({})).toMatch(/model-00002-of-00002\.safetensors/);
    rmSync(join(model, 'model.safetensors.index.json'));
    expect(await refusedUnwritten({})).toMatch(/model\.safetensors/);
    rmSync(model, { recursive: true });
    expect(await refusedUnwritten({})).toContain(model);
  });

  it('a shard cut short', async () => {
    truncateSync(join(model, 'model-00001-of-00002.safetensors'), 100_000);
    expect(await refusedUnwritten({})).toMatch(/model-00001-of-00002\.safetensors/);
  });

  it('an output that is the model folder, lies in it, or holds something else', async () => {
    const link = newPath('link');
    symlinkSync(model, link);
    for (const output of [model, link, join(model, 'out')]) {
      expect(await refusal(prune(runFile({ model, output }).path))).toMatch(/model folder/);
    }
    const other = newPath('other');
    cpSync(join(root, 'configs'), other, { recursive: true });
    expect(await refusal(prune(runFile({ model, output: other }).path, { fresh: true }))).toMatch(
      /holds something else/,
    );
    expect(fileHashes(model)).toEqual(fileHashes(quickstart));
  });

  it('a memory limit that is too small, with what would be enough', async () => {
    expect(await refusedUnwritten({ resources: '{memory_limit: 50MB}' })).toMatch(
      /needs at least (\d+) MB.*memory_limit: \1MB is the smallest that works/,
    );
  });
});
