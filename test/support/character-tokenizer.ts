/** Tokenizers for which each character is a token. @module */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes one whose token `id` is the character `first + id`, but for the last one, which is any other character. */
export function writeCharacterTokenizer(folder: string, first: number, vocabulary: number): void {
  const unknown = '<unk>';
  const vocab = Array.from({ length: vocabulary - 1 }, (_, id) => [String.fromCharCode(first + id), id]);
  writeFileSync(
    join(folder, 'tokenizer.json'),
    JSON.stringify({
      version: '1.0',
      added_tokens: [],
      normalizer: null,
      post_processor: null,
      decoder: null,
      pre_tokenizer: { type: 'Split', pattern: { Regex: '.' }, behavior: 'Isolated', invert: false },
      model: {
        type: 'WordLevel',
        vocab: { ...Object.fromEntries(vocab), [unknown]: vocabulary - 1 },
        unk_token: unknown,
      },
    }),
  );
  writeFileSync(
    join(folder, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', unk_token: unknown }),
  );
}
