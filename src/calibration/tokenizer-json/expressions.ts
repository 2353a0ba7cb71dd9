/**
 * Regular expressions of `tokenizer.json`, as the library takes them.
 * @module
 */
import { shortened } from '../../checkpoint/strict-json.js';
import { objectAt, type Place, refuse, textAt, within } from './place.js';

export const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** Letters, in alternatives and classes, whatever their case. */
const caselessGroup = /\(\?i:([A-Za-z'’|[\]]*)\)/g;

export const withoutEscapes = (expression: string) => expression.replace(/\\./gsu, '');

/**
 * A regular expression whose `(?i:…)` are as Oniguruma's, to which `ſ` is an `s` and the Kelvin sign a `k`; the library
 * knows case in ASCII alone.
 */
function expressionOf(place: Place, value: unknown): string {
  const text = textAt(place, value);
  // Oniguruma also takes `ß`, `ﬆ` and other ligatures for their letters.
  const ligatures = [...text.matchAll(caselessGroup)].some(([, body = '']) =>
    /ss|st|ff|fi|fl/i.test(body.replace(/\[[^\]]*\]/g, ' ')),
  );
  if (ligatures || /\(\?[a-z>~-]/i.test(withoutEscapes(text.replace(caselessGroup, '(?:)')))) {
    refuse(place, `has a group (?…) that is not supported: ${shortened(text)}`);
  }
  return text.replace(caselessGroup, (_, body: string) => {
    const letters = body.replace(/\[[^\]]*\]|[sk]/gi, (part) => {
      const those = part.startsWith('[') ? part.slice(1, -1) : part;
      return `[${those}${/s/i.test(those) ? 'ſ' : ''}${/k/i.test(those) ? '\u212a' : ''}]`;
    });
    return `(?i:${letters})`;
  });
}

/** The regular expression of a `pattern`. */
export function patternOf(place: Place, value: unknown): string {
  const { String: text, Regex: expression } = objectAt(place, value);
  return typeof text === 'string' ? literal(text) : expressionOf(within(place, '.Regex'), expression);
}

/** One character, class or property, or a run of it, which never matches nothing and knows no context. */
export const simpleExpression =
  /^(\[(?:[^[\]\\&]|\\.)+\]|\\[pP]\{\^?\w+\}|\\[sSdDwWnrt]|\\[^A-Za-z0-9]|[^\\[\](){}*+?|^$.])(\+?)$/su;
