/**
 * Windows of attention as configs of Qwen say them: a width, and whether it counts.
 * @module
 */
import { z } from 'zod';
import { configSize } from '../config-size.js';
import { type BlockKind, layerTypesShape } from './rope-decoder.js';

export const optionalWindowShape = {
  ...layerTypesShape,
  /** `transformers` writes 0 where there are no windows. */
  sliding_window: configSize.or(z.literal(0)).nullish(),
  use_sliding_window: z.boolean().default(false),
  max_window_layers: z.int().nonnegative().default(28),
};

type OptionalWindow = z.infer<z.ZodObject<typeof optionalWindowShape>>;

/** Tokens of the window; undefined where there is none. */
export function windowOf(config: OptionalWindow): number | undefined {
  return (config.use_sliding_window && config.sliding_window) || undefined;
}

/** A block with this window, or without. */
export function windowedBlock(attention: BlockKind['attention'], window: number | undefined): BlockKind {
  return { name: window ? 'sliding_attention' : 'full_attention', attention: { ...attention, window } };
}
