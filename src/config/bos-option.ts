/**
 * When windows of text begin with the tokenizer's BOS token.
 * @module
 */

/** `auto`: where the model needs it. */
export const bosOptions = ['auto', 'always', 'never'] as const;

export type BosOption = (typeof bosOptions)[number];
