/**
 * Other names of what a config says.
 * @module
 */
import { z } from 'zod';

/** Names that GPT-2 gave to what others call as on the right. */
export const GPT2_NAMES = {
  n_embd: 'hidden_size',
  n_head: 'num_attention_heads',
  n_layer: 'num_hidden_layers',
  n_positions: 'max_position_embeddings',
} as const;

/** A schema for configs that may have other names for its fields. Where a config has both, the schema's own counts. */
export function withOtherNames<Schema extends z.ZodType>(
  names: Readonly<Record<string, string>>,
  schema: Schema,
) {
  return z.preprocess((raw) => {
    if (typeof raw !== 'object' || raw === null) return raw;
    const others = Object.entries(names).flatMap(([other, own]) =>
      Object.hasOwn(raw, other) ? [[own, (raw as Record<string, unknown>)[other]] as const] : [],
    );
    return { ...Object.fromEntries(others), ...raw };
  }, schema);
}
