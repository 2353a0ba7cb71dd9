/**
 * `tokenizer.json` as `@huggingface/tokenizers` has to be given it to make the ids that Python's `tokenizers` makes.
 *
 * The library leaves out some fields and takes others in another way (its 0.2.0 was compared with 0.23.3 in Python). What
 * it can be told in its own terms is rewritten, mostly as splits by regular expressions; what it can't is refused. Unicode
 * itself remains a difference: characters younger than the tables of either side may belong to other classes.
 * @module
 */
import { isObject, type JsonObject } from '../json-object.js';
import { checkAddedTokens } from './added-tokens.js';
import { rewriteModel } from './models.js';
import { rewriteNormalizer } from './normalizers.js';
import { listAt, objectAt, refuse } from './place.js';
import { type PreTokenizers, preTokenizersOf } from './pre-tokenizers.js';

/** The two arguments of the library's `Tokenizer`. */
export interface LibraryTokenizer {
  readonly tokenizer: JsonObject;
  readonly config: JsonObject;
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
