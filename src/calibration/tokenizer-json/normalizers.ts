/**
 * Normalizers of `tokenizer.json`.
 * @module
 */
import type { JsonObject } from '../json-object.js';
import { patternOf } from './expressions.js';
import { listAt, objectAt, type Place, refuseValue, textAt, within } from './place.js';

/** For `content`, in which JavaScript would read `$&` and the like. */
const plainContent = (text: string) => text.replaceAll('$', '$$$$');

export const replacing = (Regex: string, content: string) => ({
  type: 'Replace',
  pattern: { Regex },
  content,
});

export function rewriteNormalizer(place: Place, value: unknown): JsonObject {
  const json = objectAt(place, value);
  const { type } = json;
  const sequence = (...normalizers: readonly JsonObject[]) => ({ type: 'Sequence', normalizers });
  switch (type) {
    case 'Sequence': {
      const inner = within(place, '.normalizers');
      const parts = listAt(inner, json.normalizers);
      return sequence(...parts.map((part, i) => rewriteNormalizer(within(inner, `[${i}]`), part)));
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
    case 'StripAccents':
      return { type };
    case 'Replace': {
      const content = json.content === '' ? '' : textAt(within(place, '.content'), json.content);
      return replacing(patternOf(within(place, '.pattern'), json.pattern), plainContent(content));
    }
    case 'Prepend':
      // An empty text stays empty.
      return replacing('\\A(?=[\\s\\S])', plainContent(textAt(within(place, '.prepend'), json.prepend)));
    case 'Strip':
      return sequence(
        ...(json.strip_left === true ? [replacing('\\A\\s+', '')] : []),
        ...(json.strip_right === true ? [replacing('(?<!\\s)\\s+\\z', '')] : []),
      );
    case 'Lowercase':
      // Wherever in a word it is; JavaScript has another letter for its end.
      return sequence(replacing('Σ', 'σ'), { type });
    default:
      return refuseValue(within(place, '.type'), type);
  }
}
