/** What configs leave out, against transformers (scripts/golden/make-config-defaults.py). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { describeModel, families } from '../../src/model/describe-model.js';

const golden = fileURLToPath(new URL('../golden/config-defaults.json', import.meta.url));
const { defaults } = JSON.parse(readFileSync(golden, 'utf8')) as {
  readonly defaults: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
};

/** Without these transformers makes no model. */
const REQUIRED: Readonly<Record<string, object>> = { deepseek_v2: { num_experts_per_tok: 6 } };

/** Other names in our schemas. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  gpt_neox: { partial_rotary_factor: 'rotary_pct', rope_theta: 'rotary_emb_base' },
};

/** Where a field that a config leaves out is the same as one that it gives. */
const LEFT_OUT: Readonly<Record<string, unknown>> = {
  rope_theta: 10_000,
  partial_rotary_factor: 1,
  rotary_emb_base: 10_000,
  use_qk_norm: false,
  use_bidirectional_attention: false,
};

/** Fields that a family reads of a config with this model_type. */
function fieldsOf(schema: z.core.$ZodType, modelType: string): string[] {
  const def = schema._zod.def as z.core.$ZodTypeDef & { shape?: unknown; out?: unknown; options?: unknown };
  if (def.type === 'object') return Object.keys(def.shape as object);
  if (def.type === 'pipe') return fieldsOf(def.out as z.core.$ZodType, modelType);
  const options = (def.options as z.ZodObject[]).filter(
    (option) => option.shape.model_type?.safeParse(modelType).success,
  );
  return options.flatMap((option) => fieldsOf(option, modelType));
}

const modelTypes = families.flatMap((family) => family.modelTypes);

it('are known of every model_type', () => {
  expect(Object.keys(defaults).sort()).toEqual(modelTypes.toSorted());
});

describe.each(modelTypes)('%s', (modelType) => {
  const own = { model_type: modelType, ...REQUIRED[modelType] };

  it('reads what transformers reads of a config without fields', () => {
    const family = families.find((candidate) => candidate.modelTypes.includes(modelType));
    if (!family) throw new Error(`no family of ${modelType}`);
    const config = family.configSchema.parse({ ...family.defaults?.[modelType], ...own }) as Record<
      string,
      unknown
    >;
    const read = fieldsOf(family.configSchema, modelType);
    const compared = Object.entries(defaults[modelType] ?? {}).flatMap(([name, value]) => {
      const field = RENAMED[modelType]?.[name] ?? name;
      const isByKind = typeof value === 'object' && value !== null;
      return read.includes(field) && !isByKind && !Object.hasOwn(own, field) ? [[field, value] as const] : [];
    });
    expect(compared.length).toBeGreaterThan(6);
    for (const [field, value] of compared) {
      expect(config[field] ?? LEFT_OUT[field] ?? null, field).toEqual(value ?? LEFT_OUT[field] ?? null);
    }
  });

  it('describes a model of a config without fields', () => {
    const wanted = defaults[modelType];
    const model = describeModel(own, 'config.json');
    expect(model.vocabularySize).toBe(wanted?.vocab_size);
    expect(model.hiddenSize).toBe(wanted?.hidden_size);
    expect(model.blocks).toHaveLength(wanted?.num_hidden_layers as number);
  });

  it('takes a head that is stored, also where the config says that it is the embedding', () => {
    const tied = { ...own, num_hidden_layers: 1, tie_word_embeddings: true };
    const { head, embedding } = describeModel(tied, 'config.json');
    expect(head.name).toBe(embedding.name);
    const stored = new Set([embedding.name, 'lm_head.weight']);
    expect(describeModel(tied, 'config.json', stored).head.name).toBe('lm_head.weight');
  });
});
