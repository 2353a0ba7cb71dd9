/**
 * Pre-tokenizers of `tokenizer.json`, mostly as splits by regular expressions.
 * @module
 */
import { shortened } from '../../checkpoint/strict-json.js';
import { isObject, type JsonObject } from '../json-object.js';
import { literal, patternOf, simpleExpression, withoutEscapes } from './expressions.js';
import { listAt, objectAt, type Place, refuse, refuseValue, textAt, within } from './place.js';

const isolated = (Regex: string) => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Isolated',
  invert: false,
});

/** The matches alone. */
const matchesOf = (Regex: string) => ({
  type: 'Split',
  pattern: { Regex },
  behavior: 'Removed',
  invert: true,
});

/** Those that put matches together, with each other or with what is beside them. */
const mergingBehaviors: readonly unknown[] = ['Contiguous', 'MergedWithPrevious', 'MergedWithNext'];

export const inTurn = (...pretokenizers: readonly JsonObject[]) => ({ type: 'Sequence', pretokenizers });

/** Python's `Split` by a regular expression, for the library, which knows `Isolated` and `Removed`. */
function splitBy(place: Place, pattern: string, behavior: unknown, invert = false): JsonObject {
  if (behavior === 'Isolated') return isolated(pattern);
  if (behavior === 'Removed' && invert) return matchesOf(pattern);
  // JavaScript's split gives what groups match too.
  const groups = /\((?!\?)|\(\?<(?![=!])/.test(withoutEscapes(pattern));
  if (behavior === 'Removed' && !groups) {
    return { type: 'Split', pattern: { Regex: pattern }, behavior, invert: false };
  }
  const at = within(place, '.behavior');
  if (behavior !== 'Removed' && !mergingBehaviors.includes(behavior)) refuseValue(at, behavior);
  const [, one, several] = simpleExpression.exec(pattern) ?? [];
  if (one === undefined) {
    refuse(
      at,
      `is ${shortened(String(behavior))}, which is not supported with the pattern ${shortened(pattern)}`,
    );
  }
  if (behavior === 'Contiguous') return isolated(`${one}+`);
  // Text parts behind each match, or before it. Merging what doesn't match into what is before it is the same as
  // merging matches into what is after them.
  const behind = (behavior === 'MergedWithPrevious') !== invert;
  if (several === '') return isolated(behind ? `(?<=${one})` : `(?=${one})`);
  return isolated(behind ? `(?<=${one})(?!${one})` : `(?<!${one})(?=${one})`);
}

function rewriteSplit(place: Place, { pattern, behavior, invert }: JsonObject): JsonObject {
  const at = within(place, '.pattern');
  const expression = patternOf(at, pattern);
  if (expression === '') refuseValue(at, pattern);
  return splitBy(place, expression, behavior, invert === true);
}

const gpt2Pattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const punctuation = '[\\p{P}!-/:-@\\[-`{-~]';
const wordCharacters = '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\u200c\\u200d';

function rewriteByteLevel({ add_prefix_space: prefix, use_regex: regex }: JsonObject): JsonObject {
  return inTurn(
    ...(prefix === true ? [{ type: 'Replace', pattern: { Regex: '\\A(?=[^ ])' }, content: ' ' }] : []),
    ...(regex === false ? [] : [isolated(gpt2Pattern)]),
    { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
  );
}

function rewriteMetaspace(place: Place, json: JsonObject): JsonObject {
  const replacement = textAt(within(place, '.replacement'), json.replacement);
  const { prepend_scheme: scheme = 'always', split } = json;
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never')
    refuseValue(within(place, '.prepend_scheme'), scheme);
  if (json.add_prefix_space === false && scheme !== 'never') {
    refuse(within(place, '.add_prefix_space'), 'is false, and prepend_scheme is not never');
  }
  return inTurn(
    { type: 'Metaspace', replacement, prepend_scheme: scheme },
    ...(split === false ? [] : [splitBy(place, literal(replacement), 'MergedWithNext')]),
  );
}

function rewritePreTokenizer(place: Place, value: unknown): JsonObject {
  const json = objectAt(place, value);
  switch (json.type) {
    case 'Sequence': {
      const inner = within(place, '.pretokenizers');
      const parts = listAt(inner, json.pretokenizers);
      return inTurn(...parts.map((part, i) => rewritePreTokenizer(within(inner, `[${i}]`), part)));
    }
    case 'ByteLevel':
      return rewriteByteLevel(json);
    case 'Split':
      return rewriteSplit(place, json);
    case 'Digits':
      return isolated(json.individual_digits === true ? '\\p{N}' : '\\p{N}+');
    case 'Punctuation':
      return splitBy(place, punctuation, json.behavior ?? 'Isolated');
    case 'CharDelimiterSplit': {
      const delimiter = textAt(within(place, '.delimiter'), json.delimiter);
      return splitBy(place, literal(delimiter), 'Removed');
    }
    case 'Whitespace':
      return matchesOf(`[${wordCharacters}]+|[^${wordCharacters}\\s]+`);
    case 'WhitespaceSplit':
      return matchesOf('\\S+');
    case 'BertPreTokenizer':
      return inTurn(matchesOf('\\S+'), isolated(punctuation));
    case 'FixedLength': {
      const { length } = json;
      if (!Number.isSafeInteger(length) || (length as number) < 1)
        refuseValue(within(place, '.length'), length);
      return isolated(`[\\s\\S]{1,${length}}`);
    }
    case 'Metaspace':
      return rewriteMetaspace(place, json);
    default:
      return refuseValue(within(place, '.type'), json.type);
  }
}

export interface PreTokenizers {
  /** The outermost and those in sequences, in order. */
  readonly all: readonly JsonObject[];
  /** As they are rewritten. */
  readonly rewritten: JsonObject | null;
}

export function preTokenizersOf(place: Place, json: unknown): PreTokenizers {
  if (json === undefined || json === null) return { all: [], rewritten: null };
  const flat = (each: unknown): JsonObject[] =>
    isObject(each) ? (Array.isArray(each.pretokenizers) ? each.pretokenizers.flatMap(flat) : [each]) : [];
  return { all: flat(json), rewritten: rewritePreTokenizer(place, json) };
}

/** Whether they leave a text in one piece, so that no tokens of two pieces can become one unknown token. */
export const keepWhole = ({ all }: PreTokenizers) =>
  all.every(({ type, split }) => type === 'Metaspace' && split === false);
