/** Configs of all types with absurd values: refused, or taken for what they say, and neither takes long. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { RequestError } from '../../src/errors.js';
import { checkTensors } from '../../src/model/check-tensors.js';
import { describeModel } from '../../src/model/describe-model.js';
import { parseQuantization } from '../../src/quantization/quantization-config.js';

const families = fileURLToPath(new URL('../golden/families', import.meta.url));

type Json = Readonly<Record<string, unknown>>;

const ABSURD: readonly unknown[] = [
  ...[2 ** 53, 2 ** 24 + 1, 2 ** 24, 65_536, 4096, 3, 1, 0.5, 0, -1, -0.001, 1e308, 5e-324, Infinity],
  ...[null, true, false, 'x', '', '__proto__', 'constructor', 'x'.repeat(100_000)],
  ...[[], {}, [null], ['x'], [1e9], { a: { a: 1 } }, Array(5000).fill('full_attention'), Array(5000).fill(0)],
];

/** A config with one value after the other replaced, or left out, in maps within it as well. */
function* changed(config: Json): Generator<{ readonly what: string; readonly config: Json }> {
  for (const [key, value] of Object.entries(config)) {
    for (const [index, absurd] of ABSURD.entries()) {
      yield { what: `${key}: value ${index}`, config: { ...config, [key]: absurd } };
    }
    const { [key]: _, ...rest } = config;
    yield { what: `no ${key}`, config: rest };
    if (Array.isArray(value)) {
      for (const list of [value.slice(1), [...value, value[0]]]) {
        yield { what: `${key}: ${list.length} entries`, config: { ...config, [key]: list } };
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const inner of changed(value as Json)) {
        yield { what: `${key}.${inner.what}`, config: { ...config, [key]: inner.config } };
      }
    }
  }
}

/** Many of everything at once, by the names that families have for it. */
const MANY: Readonly<Record<string, Json>> = {
  blocks: { num_hidden_layers: 4096, n_layer: 4096, layer_types: undefined, no_rope_layers: undefined },
  experts: {
    ...{ num_hidden_layers: 4096, num_local_experts: 8, num_experts: 8, n_routed_experts: 8 },
    ...{ num_experts_per_tok: 1, n_group: 1, topk_group: 1, moe_layer_freq: 1, decoder_sparse_step: 1 },
    ...{ first_k_dense_replace: 0, mlp_only_layers: [], layer_types: undefined },
  },
  heads: {
    ...{ hidden_size: 2 ** 24, n_embd: 2 ** 24, n_embed: 2 ** 24, num_attention_heads: 2 ** 22 },
    ...{ n_head: 2 ** 22, num_key_value_heads: 2 ** 22, num_kv_heads: 2 ** 22, partial_rotary_factor: 1 },
    ...{ qk_layernorm: true, use_qk_norm: true },
  },
};

const configs = readdirSync(families).map((name): [type: unknown, folder: string, config: Json] => {
  const folder = join(families, name);
  const config: Json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  return [config.model_type, folder, config];
});
/** One of each type. */
const byType = [...new Map(configs.map((each) => [each[0], each])).values()];

describe.each(byType)('%s', async (_, folder, whole) => {
  const { tensors } = await openCheckpoint(folder);
  const names = new Set(tensors.keys());
  /** What is said against a config, if anything. */
  const refusal = (config: Json): string | undefined => {
    try {
      parseQuantization(config, 'config.json');
      checkTensors(describeModel(config, 'config.json', names), tensors, 'model');
      return undefined;
    } catch (error) {
      if (error instanceof RequestError) return error.message;
      throw error;
    }
  };
  const text = whole.text_config as Json | undefined;
  const withText = (config: Json): Json => (text ? { ...whole, text_config: config } : config);

  it('is refused in few words, or taken', () => {
    expect(refusal(whole)).toBeUndefined();
    for (const { what, config } of changed(whole)) {
      expect((refusal(config) ?? '').length, what).toBeLessThan(2000);
    }
  });

  it.each(Object.entries(MANY))('many %s are refused at once', (_, many) => {
    const config = withText({ ...(text ?? whole), ...many });
    const before = process.cpuUsage();
    expect(refusal(config)).toMatch(/config\.json/);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6).toBeLessThan(0.5);
  });
});
