/**
 * Whether two perplexities are of the same tokens.
 * @module
 */
import type { EvaluationText } from '../calibration/load-calibration.js';
import { RequestError } from '../errors.js';

/** What a checkpoint is evaluated on. */
export interface NamedText {
  /** The checkpoint's, for messages. */
  readonly name: string;
  readonly text: Pick<EvaluationText, 'tokens' | 'windows' | 'context' | 'bosTokenId' | 'fingerprint'>;
}

/** @throws RequestError saying what differs when the windows of the two aren't the same */
export function requireSameTokens(checkpoint: NamedText, baseline: NamedText): void {
  const [ours, theirs] = [checkpoint.text, baseline.text];
  if (ours.context !== theirs.context) {
    throw new RequestError(
      `${checkpoint.name} is evaluated in windows of ${ours.context} tokens and the baseline ${baseline.name} in ` +
        `windows of ${theirs.context}; give a context of ${Math.min(ours.context, theirs.context)} or less`,
    );
  }
  if (ours.fingerprint === theirs.fingerprint) return;
  if ((ours.bosTokenId === undefined) !== (theirs.bosTokenId === undefined)) {
    throw new RequestError(
      `the windows of ${checkpoint.name} begin ${beginning(ours)} and those of the baseline ${baseline.name} ` +
        `${beginning(theirs)}; give bos always or never, whichever suits both`,
    );
  }
  throw new RequestError(
    `${checkpoint.name} and the baseline ${baseline.name} cut the text into different tokens: ${difference(ours, theirs)}. ` +
      "Their tokenizers or chat templates differ, and perplexities over different tokens can't be compared; " +
      'evaluate each by itself, without --baseline',
  );
}

function difference(ours: NamedText['text'], theirs: NamedText['text']): string {
  const shorter = Math.min(ours.tokens.length, theirs.tokens.length);
  const first = ours.tokens.subarray(0, shorter).findIndex((id, i) => id !== theirs.tokens[i]);
  if (first < 0) return `${ours.windows} windows and ${theirs.windows}`;
  return `token ${first + 1} has id ${ours.tokens[first]} and ${theirs.tokens[first]}`;
}

function beginning({ bosTokenId }: NamedText['text']): string {
  return bosTokenId === undefined ? 'without BOS' : `with BOS, token ${bosTokenId}`;
}
