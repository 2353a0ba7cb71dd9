import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ChatMessage } from '../../src/calibration/chat-message.js';
import { loadTokenizer, maximumTokenizerBytes, type Tokenizer } from '../../src/calibration/tokenizer.js';
import { inFolder, refusal, tinyTokenizer } from './fixture.js';

interface Golden {
  readonly vocabulary_size: number;
  readonly texts: readonly { readonly text: string; readonly ids: number[] }[];
  readonly chats: readonly { readonly messages: ChatMessage[]; readonly ids: number[] }[];
}

/** Made by Python's transformers: scripts/make-tokenizer-golden.py. */
const golden = JSON.parse(readFileSync(join(tinyTokenizer, '../tokenizer-ids.json'), 'utf8')) as Golden;

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tinyTokenizer);
});

describe('the tokenizer', () => {
  it.each(golden.texts.map(({ text, ids }) => [JSON.stringify(text).slice(0, 60), text, ids] as const))(
    "gives Python's ids for %s",
    (_, text, ids) => {
      expect([...tokenizer.encode(text)]).toEqual(ids);
    },
  );

  it.each(golden.chats)("gives Python's ids for conversation %#", async ({ messages, ids }) => {
    expect([...(await tokenizer.applyChatTemplate(messages))]).toEqual(ids);
  });

  it('knows its vocabulary', () => {
    expect(tokenizer.vocabularySize).toBe(golden.vocabulary_size);
    expect(tokenizer.tokenOf(tokenizer.eosTokenId ?? -1)).toBe('<|eos|>');
    expect(tokenizer.tokenOf(tokenizer.bosTokenId ?? -1)).toBe('<|bos|>');
    expect(tokenizer.tokenOf(384)).toBeUndefined();
  });

  it('loses no byte of any text', () => {
    // Byte-level BPE spells each byte as one printable character: bytes 33–126, 161–172, 174–255 as themselves, the
    // others from U+0100 up, in order.
    const byteOf = new Map<string, number>();
    let next = 0x100;
    for (let byte = 0; byte < 256; byte++) {
      const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      byteOf.set(String.fromCodePoint(printable ? byte : next++), byte);
    }
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const spelled = [...tokenizer.encode(text)].map((id) => tokenizer.tokenOf(id) ?? '').join('');
        const bytes = Uint8Array.from(spelled, (character) => byteOf.get(character) ?? -1);
        expect(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)).toBe(text);
      }),
    );
  });
});

describe('a chat template', () => {
  const withTemplate = <T>(template: string, body: (folder: string) => Promise<T>) =>
    inFolder(async (folder, write) => {
      cpSync(tinyTokenizer, folder, { recursive: true });
      write('chat_template.jinja', template);
      return body(folder);
    });
  const render = (template: string, content = 'x') =>
    withTemplate(template, async (folder) => {
      const loaded = await loadTokenizer(folder);
      const ids = await loaded.applyChatTemplate([{ role: 'user', content }]);
      return { loaded, ids: [...ids] };
    });

  it('may refuse messages', async () => {
    const message = await refusal(async () => tokenizer.applyChatTemplate([{ role: 'judge', content: 'x' }]));
    expect(message).toBe(
      `${tinyTokenizer}/chat_template.jinja: the chat template refuses these messages: unknown role judge`,
    );
  });

  it('is told the same day whenever it is used', async () => {
    const { loaded, ids } = await render('{{ strftime_now("%A, %-d %b %Y, %B %m %H:%M %%") }}');
    expect(ids).toEqual([...loaded.encode('Friday, 26 Jul 2024, July 07 00:00 %')]);
    expect(await refusal(() => render('{{ strftime_now("week %U") }}'))).toMatch(
      /the chat template refuses these messages: strftime: %U is not supported$/,
    );
  });

  it('cannot ask for endless lists', async () => {
    const { loaded, ids } = await render('{% for i in range(2, 8, 3) %}{{ i }},{% endfor %}');
    expect(ids).toEqual([...loaded.encode('2,5,')]);
    const message = await refusal(() => render('{% for i in range(10 ** 12) %}{{ i }}{% endfor %}'));
    expect(message).toMatch(/chat_template\.jinja: the chat template/);
    expect(await refusal(() => render('{% for i in range(1000000000000) %}{{ i }}{% endfor %}'))).toMatch(
      /the chat template refuses these messages: range\(\) of 1000000000000 entries/,
    );
  });

  it.each(['{% for %}', "{% include 'turns.jinja' %}", '{% raw %}{{ x }}{% endraw %}'])(
    'that cannot be read is named when messages come, and plain text does without: %s',
    async (template) => {
      await withTemplate(template, async (folder) => {
        const loaded = await loadTokenizer(folder);
        expect(loaded.encode('hi')).toEqual(tokenizer.encode('hi'));
        const ask = () => refusal(() => loaded.applyChatTemplate([{ role: 'user', content: 'hi' }]));
        const message = await ask();
        expect(message).toMatch(/chat_template\.jinja: the chat template cannot be read: /);
        expect(await ask()).toBe(message);
      });
    },
  );

  it('may stand in tokenizer_config.json, alone or among others', async () => {
    await inFolder(async (folder, write) => {
      write('tokenizer.json', readFileSync(join(tinyTokenizer, 'tokenizer.json')));
      const ids = async (chat_template: unknown) => {
        write('tokenizer_config.json', JSON.stringify({ eos_token: { content: '<|eos|>' }, chat_template }));
        const loaded = await loadTokenizer(folder);
        const given = await loaded.applyChatTemplate([{ role: 'user', content: 'hi' }]);
        return [...given].map((id) => loaded.tokenOf(id)).join('');
      };
      expect(await ids('{{ messages[0].content }}{{ eos_token }}')).toBe('hi<|eos|>');
      const list = [
        { name: 'tool_use', template: 'no' },
        { name: 'default', template: '{{ messages[0].role }}' },
      ];
      expect(await ids(list)).toBe('user');
      expect(await refusal(() => ids(undefined))).toBe(
        `${folder}: the model has no chat template (chat_template.jinja), which data with messages needs; give field text instead`,
      );
    });
  });
});

describe('a tokenizer that cannot be used', () => {
  it('is named when it is missing', async () => {
    await inFolder(async (folder) => {
      expect(await refusal(() => loadTokenizer(folder))).toBe(
        `${folder}: no tokenizer.json there; calibration and evaluation text need the model's tokenizer in that format`,
      );
      expect(await refusal(() => loadTokenizer(join(folder, 'nowhere')))).toMatch(
        /nowhere: no tokenizer\.json there/,
      );
    });
  });

  const vocabulary = (vocab: unknown, added: unknown = []) =>
    JSON.stringify({ model: { type: 'BPE', vocab }, added_tokens: added });
  it.each<[string, string | Uint8Array, RegExp]>([
    ['cut short', '{"model": {', /tokenizer\.json: not valid JSON: /],
    ['not UTF-8', new Uint8Array([0x22, 0xff, 0x22]), /tokenizer\.json: not valid UTF-8$/],
    ['a list', '[]', /tokenizer\.json: expected a JSON object$/],
    ['without a model', '{}', /tokenizer\.json: it has no vocabulary \(model\.vocab\)$/],
    ['with an empty vocabulary', vocabulary({}), /tokenizer\.json: it has no vocabulary/],
    [
      'with a fractional id',
      vocabulary({ a: 0.5 }),
      /tokenizer\.json: token id 0\.5 is not an integer from 0 to 16777216$/,
    ],
    ['with a negative id', vocabulary({ a: -1 }), /token id -1 is not an integer/],
    ['with an enormous id', vocabulary({ a: 4e9 }), /token id 4000000000 is not an integer/],
    ['with added tokens that are none', vocabulary({ a: 0 }, [1]), /token id undefined is not an integer/],
    [
      'with added tokens that are no list',
      vocabulary({ a: 0 }, {}),
      /tokenizer\.json: added_tokens is not a list$/,
    ],
    ['lacking parts', vocabulary({ a: 0 }), /tokenizer\.json: model\.unk_token is missing/],
  ])('is named when it is %s', async (_, content, message) => {
    await inFolder(async (folder, write) => {
      write('tokenizer.json', content);
      expect(await refusal(() => loadTokenizer(folder))).toMatch(message);
    });
  });

  it('is named when it is of an unknown kind', async () => {
    const json = JSON.parse(readFileSync(join(tinyTokenizer, 'tokenizer.json'), 'utf8'));
    await inFolder(async (folder, write) => {
      write('tokenizer.json', JSON.stringify({ ...json, pre_tokenizer: { type: 'Telepathy' } }));
      expect(await refusal(() => loadTokenizer(folder))).toMatch(
        /tokenizer\.json: pre_tokenizer\.type is "Telepathy", which is not supported$/,
      );
      write('tokenizer.json', JSON.stringify(json));
      write('tokenizer_config.json', 'nonsense');
      expect(await refusal(() => loadTokenizer(folder))).toMatch(/tokenizer_config\.json: not valid JSON: /);
    });
  });

  it('is not read when it is too large', async () => {
    const { truncateSync } = await import('node:fs');
    await inFolder(async (folder, write) => {
      truncateSync(write('tokenizer.json', ''), maximumTokenizerBytes + 1);
      expect(await refusal(() => loadTokenizer(folder))).toBe(
        `${folder}/tokenizer.json has 48000001 bytes; 48000000 at most are read`,
      );
    });
  });

  it('is named when it has no id for a part of a text', async () => {
    const json = {
      added_tokens: [],
      normalizer: null,
      pre_tokenizer: { type: 'WhitespaceSplit' },
      post_processor: null,
      decoder: null,
      model: {
        type: 'WordPiece',
        vocab: { a: 0, b: 1 },
        unk_token: '[UNK]',
        max_input_chars_per_word: 10,
        continuing_subword_prefix: '##',
      },
    };
    await inFolder(async (folder, write) => {
      write('tokenizer.json', JSON.stringify(json));
      const loaded = await loadTokenizer(folder);
      expect([...loaded.encode('a b a')]).toEqual([0, 1, 0]);
      expect(await refusal(async () => loaded.encode('a c'))).toBe(
        `${folder}/tokenizer.json: it has no token, not even an unknown one, for part 2 of a text`,
      );
    });
  });
});
