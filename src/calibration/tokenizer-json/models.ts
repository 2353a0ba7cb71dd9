/**
 * Models of `tokenizer.json`, with what their pre-tokenizers have to do beside.
 * @module
 */
import { shortened } from '../../checkpoint/strict-json.js';
import type { JsonObject } from '../json-object.js';
import { replacing } from './normalizers.js';
import { listAt, objectAt, type Place, refuse, refuseValue, textAt, within } from './place.js';
import { inTurn, keepWhole, type PreTokenizers } from './pre-tokenizers.js';

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

/** The type of a model that doesn't say it. */
function modelType({ type, merges, vocab, continuing_subword_prefix: prefix }: JsonObject): unknown {
  if (type !== undefined) return type;
  if (merges !== undefined) return 'BPE';
  if (Array.isArray(vocab)) return 'Unigram';
  return prefix === undefined ? 'WordLevel' : 'WordPiece';
}

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

export function rewriteModel(place: Place, json: JsonObject, before: PreTokenizers): Model {
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
