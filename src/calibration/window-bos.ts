/**
 * Whether windows begin with the tokenizer's BOS token.
 * @module
 */
import type { BosOption } from '../config/bos-option.js';
import { RequestError } from '../errors.js';
import type { Tokenizer } from './tokenizer.js';

/** What decides of a model. */
export interface BosLimits {
  /** Whether it predicts nothing sensible of a text that doesn't begin with BOS. */
  readonly beginsWithBos?: boolean | undefined;
  /** Rows of the embedding: the id must be below. */
  readonly vocabularySize: number;
}

/** Whether windows are to begin with BOS, so that the tokenizer has to be asked for it. */
export function wantsBos(option: BosOption, { beginsWithBos = false }: BosLimits): boolean {
  return option === 'always' || (option === 'auto' && beginsWithBos);
}

/**
 * The token that windows begin with; undefined for none.
 *
 * @param key of the option, for messages
 * @param notes told where the model needs BOS and the tokenizer has none
 * @throws RequestError where BOS is asked for and the tokenizer has none, or one that the model hasn't
 */
export function windowBos(
  option: BosOption,
  { bosTokenId }: Pick<Tokenizer, 'bosTokenId'>,
  limits: BosLimits,
  key: string,
  notes: string[] = [],
): number | undefined {
  if (!wantsBos(option, limits)) return undefined;
  if (bosTokenId !== undefined) {
    const { vocabularySize } = limits;
    if (bosTokenId < vocabularySize) return bosTokenId;
    throw new RequestError(
      `${key} ${option}: BOS has id ${bosTokenId}, outside the model's vocabulary of ${vocabularySize}; the tokenizer does not fit the model`,
    );
  }
  if (option === 'always') {
    throw new RequestError(
      `${key} always: the tokenizer has no BOS token; name one of its tokens as bos_token in tokenizer_config.json, or take auto or never`,
    );
  }
  notes.push(
    `${key}: the model needs BOS before every text, and the tokenizer has none (bos_token in tokenizer_config.json); windows begin without it`,
  );
  return undefined;
}
