/**
 * Added tokens of `tokenizer.json`.
 * @module
 */
import { shortened } from '../../checkpoint/strict-json.js';
import type { JsonObject } from '../json-object.js';
import { objectAt, type Place, refuse, refuseValue, textAt, within } from './place.js';

/**
 * Refuses added tokens that the library would find elsewhere, or give another id. Python's pays no heed to their ids: a
 * token of the vocabulary keeps the id that it has there, any other gets the next one.
 */
export function checkAddedTokens(place: Place, added: readonly unknown[], vocab: unknown): void {
  const ids: Map<unknown, unknown> = new Map(
    Array.isArray(vocab)
      ? vocab.map((piece, id) => [Array.isArray(piece) ? piece[0] : undefined, id])
      : Object.entries(vocab as JsonObject),
  );
  const size = Array.isArray(vocab) ? vocab.length : ids.size;
  let highest = -1;
  added.forEach((value, i) => {
    const at = within(place, `[${i}]`);
    const { content, id, single_word } = objectAt(at, value);
    const text = textAt(within(at, '.content'), content);
    if (single_word === true) refuseValue(within(at, '.single_word'), single_word);
    const expected = ids.get(text) ?? Math.max(highest + 1, size);
    if (id !== expected) {
      refuse(
        within(at, '.id'),
        `is ${shortened(JSON.stringify(id))}, where the vocabulary makes it ${expected}`,
      );
    }
    ids.set(text, id);
    highest = Math.max(highest, id as number);
  });
  checkStripping(place, added as readonly JsonObject[]);
}

/** Refuses tokens that strip what is a token itself: Python's finds it all the same, the library doesn't. */
function checkStripping(place: Place, added: readonly JsonObject[]): void {
  for (const [key, space] of [
    ['lstrip', /\s$/],
    ['rstrip', /^\s/],
  ] as const) {
    const stripped = added.filter(({ content }) => space.test(content as string));
    added.forEach(({ normalized, ...token }, i) => {
      if (token[key] === true && stripped.some((other) => other.normalized === normalized)) {
        refuse(
          within(place, `[${i}].${key}`),
          'is true, which is not supported beside tokens of white space',
        );
      }
    });
  }
}
