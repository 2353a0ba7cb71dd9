import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../../src/calibration/json-object.js';
import { loadTokenizer } from '../../src/calibration/tokenizer.js';
import { rewriteTokenizer } from '../../src/calibration/tokenizer-json/rewrite-tokenizer.js';
import { inFolder, refusal, tinyTokenizer } from './fixture.js';

interface Variant {
  readonly name: string;
  /** Parts instead of the base's; of the model, fields, and tokens that its vocabulary is `without`. */
  readonly change: JsonObject & { readonly model?: JsonObject & { readonly without?: readonly string[] } };
  /** For each text, as an index of the sequences. */
  readonly ids: readonly number[];
}

interface Golden {
  readonly texts: readonly string[];
  readonly sequences: readonly (readonly number[])[];
  readonly tokenizers: readonly {
    readonly base: { readonly model: JsonObject & { readonly vocab: JsonObject } };
    readonly variants: readonly Variant[];
  }[];
}

/** Made by Python's tokenizers: scripts/make-tokenizer-golden.py. */
const golden = JSON.parse(readFileSync(join(tinyTokenizer, '../tokenizer-variants.json'), 'utf8')) as Golden;

const cases = golden.tokenizers.flatMap(({ base, variants }) =>
  variants.map(({ name, change, ids }) => {
    const { without = [], ...fields } = change.model ?? {};
    const all = { ...base.model, ...fields };
    const vocab = Object.entries(all.vocab as JsonObject).filter(([token]) => !without.includes(token));
    const model = fields.type === undefined ? { ...all, vocab: Object.fromEntries(vocab) } : fields;
    return { name, tokenizer: { ...base, ...change, model }, ids };
  }),
);

describe('a rewritten tokenizer', () => {
  it.each(cases)("gives Python's ids: $name", async ({ tokenizer, ids }) => {
    await inFolder(async (folder, write) => {
      write('tokenizer.json', JSON.stringify(tokenizer));
      const { encode } = await loadTokenizer(folder);
      expect(golden.texts.map((text) => [text, ...encode(text)])).toEqual(
        golden.texts.map((text, i) => [text, ...(golden.sequences[ids[i] as number] ?? [])]),
      );
    });
  });
});

describe('a tokenizer whose ids would differ', () => {
  const base = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    model: { type: 'BPE', vocab: { a: 0, b: 1, '?': 2 }, merges: [], unk_token: '?' },
  };
  const model = (fields: JsonObject) => ({ model: { ...base.model, ...fields } });
  const added = (fields: JsonObject) => ({
    added_tokens: [{ id: 3, content: '<s>', special: true, normalized: false, ...fields }],
  });
  const split = (Regex: string, behavior: unknown = 'Isolated', invert = false) => ({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Digits' }, { type: 'Split', pattern: { Regex }, behavior, invert }],
    },
  });
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
  const unigram = { type: 'Unigram', vocab: [['a', 0]], unk_id: 0 };
  const at = 'pre_tokenizer.pretokenizers[1]';

  it.each<[JsonObject, string]>([
    [{ model: 7 }, 'model is 7, which is not supported'],
    [model({ type: 'Oracle' }), 'model.type is "Oracle", which is not supported'],
    [model({ dropout: 0.1 }), 'model.dropout is 0.1, which is not supported'],
    [
      model({ continuing_subword_prefix: '##' }),
      'model.continuing_subword_prefix is "##", which is not supported',
    ],
    [model({ end_of_word_suffix: '</w>' }), 'model.end_of_word_suffix is "</w>", which is not supported'],
    [
      model({ unk_token: null }),
      'model.unk_token is missing, without which unknown characters are not supported',
    ],
    [
      { ...model({ fuse_unk: true }), pre_tokenizer: { type: 'WhitespaceSplit' } },
      'model.fuse_unk is true, which is not supported with this pre_tokenizer',
    ],
    [model({ merges: ['a b', '? b'] }), 'model.merges have the unk_token ? in them, which is not supported'],
    [{ model: { ...unigram, unk_id: null } }, 'model.unk_id is null, which is not supported'],
    [{ model: { ...unigram, vocab: [['a', 'b']] } }, 'model.vocab[0] is ["a","b"], which is not supported'],
    [{ model: { ...unigram, byte_fallback: true } }, 'model.byte_fallback is true, which is not supported'],
    [
      { model: unigram, pre_tokenizer: { type: 'WhitespaceSplit' } },
      'model.type is "Unigram", which is not supported with this pre_tokenizer',
    ],
    [model({ type: 'WordPiece' }), 'model.continuing_subword_prefix is missing, which is not supported'],
    [{ model: { ...unigram, type: 'WordLevel' } }, 'model.vocab is [["a",0]], which is not supported'],
    [added({ single_word: true }), 'added_tokens[0].single_word is true, which is not supported'],
    [added({ id: 7 }), 'added_tokens[0].id is 7, where the vocabulary makes it 3'],
    [added({ content: 'b' }), 'added_tokens[0].id is 3, where the vocabulary makes it 1'],
    [added({ content: null }), 'added_tokens[0].content is null, which is not supported'],
    [
      {
        added_tokens: [
          { id: 3, content: '<s>', rstrip: true, normalized: false },
          { id: 4, content: '\n\n', normalized: false },
        ],
      },
      'added_tokens[0].rstrip is true, which is not supported beside tokens of white space',
    ],
    [{ normalizer: 'NFC' }, 'normalizer is "NFC", which is not supported'],
    [
      { normalizer: { type: 'BertNormalizer' } },
      'normalizer.type is "BertNormalizer", which is not supported',
    ],
    [
      { normalizer: { type: 'Sequence', normalizers: [{ type: 'Precompiled' }] } },
      'normalizer.normalizers[0].type is "Precompiled", which is not supported',
    ],
    [
      { normalizer: { type: 'Sequence', normalizers: null } },
      'normalizer.normalizers is null, which is not supported',
    ],
    [
      { pre_tokenizer: { type: 'UnicodeScripts' } },
      'pre_tokenizer.type is "UnicodeScripts", which is not supported',
    ],
    [split('a', 'Lost'), `${at}.behavior is "Lost", which is not supported`],
    [
      split('a|b', 'MergedWithNext'),
      `${at}.behavior is MergedWithNext, which is not supported with the pattern a|b`,
    ],
    [
      split('\\d*', 'Contiguous'),
      `${at}.behavior is Contiguous, which is not supported with the pattern \\d*`,
    ],
    [
      { pre_tokenizer: { type: 'Split', pattern: { String: 'ab' }, behavior: 'MergedWithPrevious' } },
      'pre_tokenizer.behavior is MergedWithPrevious, which is not supported with the pattern ab',
    ],
    [
      { pre_tokenizer: { type: 'Split', pattern: { String: '' }, behavior: 'Isolated' } },
      'pre_tokenizer.pattern is {"String":""}, which is not supported',
    ],
    [split('(a)', 'Removed'), `${at}.behavior is Removed, which is not supported with the pattern (a)`],
    [split('(?>a+)b'), `${at}.pattern.Regex has a group (?…) that is not supported: (?>a+)b`],
    [split('(?m:.)'), `${at}.pattern.Regex has a group (?…) that is not supported: (?m:.)`],
    [split("(?i:'st|x)"), `${at}.pattern.Regex has a group (?…) that is not supported: (?i:'st|x)`],
    [split('(?i:[a-z]+)'), `${at}.pattern.Regex has a group (?…) that is not supported: (?i:[a-z]+)`],
    [
      { pre_tokenizer: { type: 'FixedLength', length: 0 } },
      'pre_tokenizer.length is 0, which is not supported',
    ],
    [
      { pre_tokenizer: { ...metaspace, prepend_scheme: 'last' } },
      'pre_tokenizer.prepend_scheme is "last", which is not supported',
    ],
    [
      { pre_tokenizer: { ...metaspace, add_prefix_space: false } },
      'pre_tokenizer.add_prefix_space is false, and prepend_scheme is not never',
    ],
    [
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits' }, metaspace] } },
      'pre_tokenizer: prepend_scheme "first" behind another pre-tokenizer is not supported',
    ],
    [
      { pre_tokenizer: metaspace, normalizer: { type: 'NFC' } },
      'pre_tokenizer: prepend_scheme "first" behind a normalizer is not supported',
    ],
  ])('is refused by its field %#', async (change, message) => {
    expect(await refusal(async () => rewriteTokenizer({ ...base, ...change }, 'tokenizer.json'))).toBe(
      `tokenizer.json: ${message}`,
    );
  });

  it('is taken where nothing differs', () => {
    for (const change of [
      {},
      model({ dropout: 0, continuing_subword_prefix: '', end_of_word_suffix: '' }),
      model({ type: undefined }),
      added({}),
      added({ id: 1, content: 'b' }),
      { pre_tokenizer: metaspace, normalizer: { type: 'Sequence', normalizers: [] } },
    ]) {
      expect(rewriteTokenizer({ ...base, ...change }, 'tokenizer.json').tokenizer).toMatchObject({
        model: { type: 'BPE' },
      });
    }
  });
});
