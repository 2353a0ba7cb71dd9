import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadTokenizer } from '../../src/calibration/tokenizer.js';
import { documentsOf, inFolder, refusal, tinyTokenizer } from './fixture.js';

const tinyJson = () => JSON.parse(readFileSync(join(tinyTokenizer, 'tokenizer.json'), 'utf8'));

/** What tokenising a text, or rendering a message, with these files ends with. */
async function tokenizerRefusal(
  files: { tokenizer?: unknown; template?: string },
  use: 'encode' | 'chat' = 'encode',
): Promise<string> {
  return await inFolder(async (_, write) => {
    const folder = join(write('tokenizer.json', JSON.stringify(files.tokenizer ?? tinyJson())), '..');
    if (files.template !== undefined) write('chat_template.jinja', files.template);
    const message = await refusal(async () => {
      const tokenizer = await loadTokenizer(folder);
      if (use === 'encode') return tokenizer.encode('which branches should be cut and which should not be');
      return await tokenizer.applyChatTemplate([{ role: 'user', content: 'hi' }]);
    });
    return message.replaceAll(`${folder}/`, '');
  });
}

const withPattern = (Regex: string) => ({
  ...tinyJson(),
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', use_regex: false },
    ],
  },
});

describe('a tokenizer', () => {
  it('whose pattern never ends is stopped', async () => {
    expect(await tokenizerRefusal({ tokenizer: withPattern('(?:[a-z ]+)+!{9}') })).toMatch(
      /^tokenizer\.json: it cannot be applied to a text of 52 characters: it computed for \d\.\d s without an end; its patterns/,
    );
  });

  it('may not have patterns that end the process', async () => {
    const deep = `${'(?:'.repeat(1e5)}a${')*'.repeat(1e5)}`;
    expect(await tokenizerRefusal({ tokenizer: withPattern(deep) })).toBe(
      'tokenizer.json: a pattern of 500001 characters; 4096 at most are used',
    );
  });

  it('may not replace a letter by a long text, nor have pieces of millions of letters', async () => {
    const normalizer = { type: 'Replace', pattern: { Regex: '' }, content: 'x'.repeat(1e6) };
    expect(await tokenizerRefusal({ tokenizer: { ...tinyJson(), normalizer } })).toBe(
      'tokenizer.json: replacements that may make a text more than 256 times as long, which are not used',
    );
    const vocab = [
      ['<unk>', 0],
      ['a'.repeat(1e7), -1],
    ];
    const model = { type: 'Unigram', unk_id: 0, vocab };
    expect(await tokenizerRefusal({ tokenizer: { ...tinyJson(), model } })).toMatch(
      /^tokenizer\.json: pieces and added tokens of 10000\d{3} characters; 4000000 at most are read$/,
    );
  });

  it('that the library cannot apply is an error of ours', async () => {
    const tokenizer = tinyJson();
    tokenizer.model.merges = [1, null, ['a']];
    expect(await tokenizerRefusal({ tokenizer })).toMatch(
      /^tokenizer\.json: this tokenizer is not supported: /,
    );
  });
});

describe('a chat template', () => {
  const loops = `${'{% for a in range(99999) %}'.repeat(4)}${'{% endfor %}'.repeat(4)}`;
  const doubling = (start: string, sum: string) =>
    `{% set n = namespace(s=${start}) %}{% for i in range(99) %}{% set n.s = n.s ${sum} n.s %}{% endfor %}`;
  const collecting =
    '{% set n = namespace(s=[]) %}{% for i in range(9999) %}{% set n.s = n.s + [range(9999)] %}{% endfor %}';
  it.each([
    ['loops without end', loops, /refuses these messages: it does not come to an end$/],
    [
      'recurses without end',
      '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
      /more than 500 parts within/,
    ],
    ['doubles a text', doubling("'ab'", '~'), /a text of more than 16777216 characters$/],
    ['doubles a list', doubling('[1]', '+'), /a list of more than 100000 entries$/],
    ['collects lists', collecting, /it takes more than 64 MB of memory$|does not come to an end$/],
    ['is too deep to be read', `{{ ${'('.repeat(1e5)}1${')'.repeat(1e5)} }}`, /cannot be read: /],
  ])('that %s is stopped', async (_, template, message) => {
    expect(await tokenizerRefusal({ template }, 'chat')).toMatch(message);
  });

  it('that was stopped says so again', async () => {
    await inFolder(async (folder, write) => {
      write('tokenizer.json', JSON.stringify(tinyJson()));
      write('chat_template.jinja', `{% if messages[0].content == 'x' %}${loops}{% endif %}fine`);
      const tokenizer = await loadTokenizer(folder);
      const ask = (content: string) => tokenizer.applyChatTemplate([{ role: 'user', content }]);
      const all = await Promise.allSettled([ask('a'), ask('x'), ask('b')]);
      expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
      expect(await refusal(() => ask('c'))).toMatch(/it does not come to an end$/);
    });
  });
});

describe('a text', () => {
  it('that is a pipe, a device or a folder is not waited for', async () => {
    await inFolder(async (folder) => {
      execFileSync('mkfifo', [join(folder, 'pipe.txt')]);
      symlinkSync('/dev/zero', join(folder, 'zero.jsonl'));
      mkdirSync(join(folder, 'folder.txt'));
      for (const name of ['pipe.txt', 'zero.jsonl'])
        expect(await refusal(() => documentsOf(join(folder, name)))).toBe(
          `${folder}/${name}: not a regular file`,
        );
      expect(await refusal(() => documentsOf(join(folder, 'folder.txt')))).toContain(
        'a folder, not a text file',
      );
    });
  });

  it('with NULs, as UTF-16 has, is refused', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.txt', Buffer.from('some words', 'utf16le'));
      expect(await refusal(() => documentsOf(path))).toMatch(/NUL characters.*is it UTF-16/);
    });
  });

  it('that says the same over and over in next to no bytes is refused', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl.gz', gzipSync('{"text":"some words"}\n'.repeat(2_000_000)));
      expect(await refusal(() => documentsOf(path))).toMatch(
        /a\.jsonl\.gz:\d+: the compressed data are damaged here: \d+ bytes stand for \d{8}, which is no text$/,
      );
    });
  });

  it.each([
    ['blank lines', '\n'],
    ['lines without text', '{"text":""}\n'],
    ['lines of null', '{"text":null}\n'],
  ])('of %s without end is refused', async (_, line) => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl', `{"text":"words"}\n${line.repeat(100_001)}`);
      expect(await refusal(() => documentsOf(path))).toMatch(
        /a\.jsonl: more than 100000 lines or rows one after the other hold no text/,
      );
    });
  });

  it('whose line is a bomb of lists or levels is refused', async () => {
    await inFolder(async (_, write) => {
      const lists = write('a.jsonl', `{"text":"a"}\n{"text":[${'[],'.repeat(1_000_000)}[]]}\n`);
      expect(await refusal(() => documentsOf(lists))).toMatch(
        /a\.jsonl:2: more than 200000 keys and values at byte/,
      );
      const levels = write('b.jsonl', `{"text":${'['.repeat(100_000)}`);
      expect(await refusal(() => documentsOf(levels))).toMatch(
        /b\.jsonl:1: more than 64 nested arrays and objects/,
      );
    });
  });
});
