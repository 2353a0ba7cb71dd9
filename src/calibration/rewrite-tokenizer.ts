/**
 * `tokenizer.json` as `@huggingface/tokenizers` has to be given it to make the ids that Python's `tokenizers` makes.
 *
 * The library leaves out some fields and takes others in another way (its 0.2.0 was compared with 0.23.3 in Python). What
 * it can be told in its own terms is rewritten, mostly as splits by regular expressions; what it can't is refused. Unicode
 * itself remains a difference: characters younger than the tables of either side may belong to other classes.
 * @module
 */
import { shortened } from '../checkpoint/strict-json.js';
import { RequestError } from '../errors.js';
import { isObject, type JsonObject } from './json-object.js';

/** The two arguments of the library's `Tokenizer`. */
export interface LibraryTokenizer {
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
}

/** A file and the field in it, for messages. */
interface Place {
  readonly path: string;
  readonly field: string;
}

const within = ({ path, field }: Place, key: string): Place => ({ path, field: `${field}${key}` });

function refuse({ path, field }: Place, why: string): never {
  throw new RequestError(`${path}: ${field} ${why}`);
}

function refuseValue(place: Place, value: unknown): never {
  refuse(place, `is ${shortened(JSON.stringify(value) ?? 'missing')}, which is not supported`);
}

function objectAt(place: Place, value: unknown): JsonObject {
  return isObject(value) ? value : refuseValue(place, value);
}

function textAt(place: Place, value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : refuseValue(place, value);
}

function listAt(place: Place, value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : refuseValue(place, value);
}

const literal = (text: string) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** For `content`, in which JavaScript would read `$&` and the like. */
const plainContent = (text: string) => text.replaceAll('$', '$$$$');

/** The characters that spell bytes: printable ones as themselves, the others from U+0100 up, in order. */
const byteCharacters = (() => {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
})();

/** Bytes that UTF-8 never has. */
const impossible = (byte: number) => byte === 0xc0 || byte === 0xc1 || byte > 0xf4;

// ---- Patterns ----

/** Letters, in alternatives and classes, whatever their case. */
const caselessGroup = /\(\?i:([A-Za-z'’|[\]]*)\)/g;

const withoutEscapes = (expression: string) => expression.replace(/\\./gsu, '');

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
function patternOf(place: Place, value: unknown): string {
  const { String: text, Regex: expression } = objectAt(place, value);
  return typeof text === 'string' ? literal(text) : expressionOf(within(place, '.Regex'), expression);
}

/** One character, class or property, or a run of it, which never matches nothing and knows no context. */
const simpleExpression =
  /^(\[(?:[^[\]\\&]|\\.)+\]|\\[pP]\{\^?\w+\}|\\[sSdDwWnrt]|\\[^A-Za-z0-9]|[^\\[\](){}*+?|^$.])(\+?)$/su;

// ---- Pre-tokenizers ----

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

const inTurn = (...pretokenizers: readonly JsonObject[]) => ({ type: 'Sequence', pretokenizers });

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

// ---- Normalizers ----

const replacing = (Regex: string, content: string) => ({ type: 'Replace', pattern: { Regex }, content });

function rewriteNormalizer(place: Place, value: unknown): JsonObject {
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

// ---- Models ----

/** The type of a model that doesn't say it. */
function modelType({ type, merges, vocab, continuing_subword_prefix: prefix }: JsonObject): unknown {
  if (type !== undefined) return type;
  if (merges !== undefined) return 'BPE';
  if (Array.isArray(vocab)) return 'Unigram';
  return prefix === undefined ? 'WordLevel' : 'WordPiece';
}

interface PreTokenizers {
  /** The outermost and those in sequences, in order. */
  readonly all: readonly JsonObject[];
  /** As they are rewritten. */
  readonly rewritten: JsonObject | null;
}

function preTokenizersOf(place: Place, json: unknown): PreTokenizers {
  if (json === undefined || json === null) return { all: [], rewritten: null };
  const flat = (each: unknown): JsonObject[] =>
    isObject(each) ? (Array.isArray(each.pretokenizers) ? each.pretokenizers.flatMap(flat) : [each]) : [];
  return { all: flat(json), rewritten: rewritePreTokenizer(place, json) };
}

/** Whether they leave a text in one piece, so that no tokens of two pieces can become one unknown token. */
const keepWhole = ({ all }: PreTokenizers) =>
  all.every(({ type, split }) => type === 'Metaspace' && split === false);

interface Model {
  readonly model: JsonObject;
  readonly preTokenizer: JsonObject | null;
}

/**
 * A BPE model. Python's looks up the characters of a piece before it merges, the library afterwards. Where a piece is made
 * of bytes, those that the vocabulary lacks are treated before, as the last of the pre-tokenizers.
 */
function rewriteBpe(place: Place, json: JsonObject, before: PreTokenizers): Model {
  const { vocab, merges, dropout, unk_token, fuse_unk, byte_fallback, ignore_merges } = json;
  if (dropout !== undefined && dropout !== null && dropout !== 0)
    refuseValue(within(place, '.dropout'), dropout);
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    if (json[key]) refuseValue(within(place, `.${key}`), json[key]);
  }
  const known = objectAt(within(place, '.vocab'), vocab);
  const spelled = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  const fallsBack = (text: string) =>
    byte_fallback === true && Buffer.from(text).every((byte) => Object.hasOwn(known, spelled(byte)));
  const model = { type: 'BPE', vocab, merges, unk_token, byte_fallback, ignore_merges };
  const hasUnknown = typeof unk_token === 'string';
  if (before.rewritten !== null && before.all.some(({ type }) => type === 'ByteLevel')) {
    const missing = byteCharacters
      .filter((_, byte) => !impossible(byte))
      .filter((character) => !Object.hasOwn(known, character) && !fallsBack(character));
    const [first] = missing;
    if (first === undefined) return { model, preTokenizer: before.rewritten };
    refuseMerging(within(place, '.merges'), merges, unk_token);
    if (hasUnknown && fuse_unk !== true) return { model, preTokenizer: before.rewritten };
    const codes = missing.map((character) => character.charCodeAt(0).toString(16).padStart(4, '0'));
    const anyMissing = `[${codes.map((code) => `\\u${code}`).join('')}]+`;
    return {
      model,
      preTokenizer: inTurn(before.rewritten, replacing(anyMissing, hasUnknown ? first : '')),
    };
  }
  const complete =
    byte_fallback === true &&
    byteCharacters.every((_, byte) => impossible(byte) || Object.hasOwn(known, spelled(byte)));
  if (complete) return { model, preTokenizer: before.rewritten };
  if (!hasUnknown)
    refuse(within(place, '.unk_token'), 'is missing, without which unknown characters are not supported');
  refuseMerging(within(place, '.merges'), merges, unk_token);
  if (fuse_unk === true && !keepWhole(before))
    refuse(within(place, '.fuse_unk'), 'is true, which is not supported with this pre_tokenizer');
  return { model: { ...model, fuse_unk }, preTokenizer: before.rewritten };
}

/** Python's merges what stands for unknown characters with its neighbours, the library doesn't. */
function refuseMerging(place: Place, merges: unknown, unknownToken: unknown): void {
  const pairs = Array.isArray(merges) ? merges : [];
  const has = pairs.some((pair) =>
    (typeof pair === 'string' ? pair.split(' ') : Array.isArray(pair) ? pair : []).includes(unknownToken),
  );
  if (has)
    refuse(place, `have the unk_token ${shortened(String(unknownToken))} in them, which is not supported`);
}

function rewriteUnigram(place: Place, json: JsonObject, before: PreTokenizers): Model {
  const { vocab, unk_id, byte_fallback } = json;
  const pieces = listAt(within(place, '.vocab'), vocab);
  if (!Number.isInteger(unk_id) || (unk_id as number) < 0 || (unk_id as number) >= pieces.length)
    refuseValue(within(place, '.unk_id'), unk_id);
  pieces.forEach((piece, i) => {
    const [text, score] = Array.isArray(piece) ? piece : [];
    if (typeof text !== 'string' || !Number.isFinite(score))
      refuseValue(within(place, `.vocab[${i}]`), piece);
  });
  if (byte_fallback === true) refuseValue(within(place, '.byte_fallback'), byte_fallback);
  if (!keepWhole(before)) {
    refuse(within(place, '.type'), 'is "Unigram", which is not supported with this pre_tokenizer');
  }
  return { model: { type: 'Unigram', vocab, unk_id }, preTokenizer: before.rewritten };
}

function rewriteModel(place: Place, json: JsonObject, before: PreTokenizers): Model {
  const type = modelType(json);
  switch (type) {
    case 'BPE':
      return rewriteBpe(place, json, before);
    case 'Unigram':
      return rewriteUnigram(place, json, before);
    case 'WordPiece': {
      const { unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word } = json;
      const vocab = objectAt(within(place, '.vocab'), json.vocab);
      textAt(within(place, '.continuing_subword_prefix'), prefix);
      return {
        model: { type, vocab, unk_token, continuing_subword_prefix: prefix, max_input_chars_per_word },
        preTokenizer: before.rewritten,
      };
    }
    case 'WordLevel':
      // The library, which doesn't know it, then looks up whole pieces.
      return {
        model: { type, vocab: objectAt(within(place, '.vocab'), json.vocab) },
        preTokenizer: before.rewritten,
      };
    default:
      return refuseValue(within(place, '.type'), type);
  }
}

// ---- Added tokens ----

/**
 * Refuses added tokens that the library would find elsewhere, or give another id. Python's pays no heed to their ids: a
 * token of the vocabulary keeps the id that it has there, any other gets the next one.
 */
function checkAddedTokens(place: Place, added: readonly unknown[], vocab: unknown): void {
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

/**
 * The normalizer, an empty one where there is none: with one, the library looks for tokens that are `normalized` after the
 * others, as Python's does. But `prepend_scheme: first` means the beginning of the text, and the library only knows the first
 * section, which it counts between those others; so there it gets none.
 */
function normalizerOf(json: JsonObject, { all }: PreTokenizers, path: string): JsonObject | null {
  const given = json.normalizer ?? { type: 'Sequence', normalizers: [] };
  const first = all.findLastIndex(({ prepend_scheme: scheme }) => scheme === 'first');
  if (first < 0) return rewriteNormalizer({ path, field: 'normalizer' }, given);
  const empty = isObject(given) && Array.isArray(given.normalizers) && given.normalizers.length === 0;
  const before = first > 0 ? 'another pre-tokenizer' : empty ? undefined : 'a normalizer';
  if (before !== undefined) {
    refuse({ path, field: 'pre_tokenizer:' }, `prepend_scheme "first" behind ${before} is not supported`);
  }
  return null;
}

/**
 * Rewrites a tokenizer for the library.
 * @param json `tokenizer.json`, whose `model.vocab` and `added_tokens` were looked at
 * @param path of the file, for messages
 * @throws RequestError that names the file and the field, where ids would differ from Python's
 */
export function rewriteTokenizer(json: JsonObject, path: string): LibraryTokenizer {
  const model = objectAt({ path, field: 'model' }, json.model);
  const added = listAt({ path, field: 'added_tokens' }, json.added_tokens ?? []);
  checkAddedTokens({ path, field: 'added_tokens' }, added, model.vocab);
  const before = preTokenizersOf({ path, field: 'pre_tokenizer' }, json.pre_tokenizer);
  const rewritten = rewriteModel({ path, field: 'model' }, model, before);
  return {
    tokenizer: {
      added_tokens: added,
      normalizer: normalizerOf(json, before, path),
      pre_tokenizer: rewritten.preTokenizer,
      model: rewritten.model,
      // Never used: no special tokens are added, and nothing is decoded.
      post_processor: null,
      decoder: null,
    },
    // All that the library takes from elsewhere for a text.
    config: rewritten.model.type === 'WordLevel' ? { unk_token: model.unk_token } : {},
  };
}
