import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { localTextFile } from '../../src/calibration/local-text-file.js';
import { readDocuments } from '../../src/calibration/read-documents.js';
import { maximumDocumentBytes } from '../../src/calibration/text-document.js';
import { documentsOf, inFolder, openFiles, refusal } from './fixture.js';

type Field = { field?: string };

/** The documents of a file with this content; places without its folder. */
const read = (name: string, content: string | Uint8Array, field: Field = {}) =>
  inFolder(async (folder, write) => {
    const documents = await documentsOf({ path: write(name, content), ...field });
    return documents.map((each) => ({ ...each, where: each.where.replace(`${folder}/`, '') }));
  });

/** The refusal of a file with this content, its folder cut off. */
const refused = (name: string, content: string | Uint8Array, field: Field = {}) =>
  inFolder(async (folder, write) => {
    const path = write(name, content);
    return (await refusal(() => documentsOf({ path, ...field }))).replaceAll(`${folder}/`, '');
  });

describe('a .txt file', () => {
  it('is one document, exactly as it stands', async () => {
    const text = '\n  two\n\nparagraphs \t\u00a0\n';
    expect(await read('a.txt', text)).toEqual([{ where: 'a.txt', text }]);
    expect(await read('a.TXT', text)).toEqual([{ where: 'a.TXT', text }]);
  });

  it('loses a byte order mark, and has line ends of one kind, which is told', async () => {
    expect(await read('a.txt', '\uFEFFa\r\nb\rc\n\r\n')).toEqual([
      {
        where: 'a.txt',
        text: 'a\nb\nc\n\n',
        note: expect.stringMatching(/a\.txt: line ends \\r\\n and \\r are read as \\n$/),
      },
    ]);
  });

  it('is refused when empty, not UTF-8, too long, missing, a folder or of another kind', async () => {
    expect(await refused('a.txt', '')).toBe('a.txt: the file has no text in it');
    expect(await refused('a.txt', '\uFEFF')).toBe('a.txt: the file has no text in it');
    expect(await refused('a.txt', new Uint8Array([0x61, 0xc3]))).toBe('a.txt: not UTF-8 text');
    expect(await refused('a.txt', Buffer.alloc(maximumDocumentBytes + 1, 'a'))).toBe(
      'a.txt: longer than 16777216 bytes; cut it, or make it a .jsonl with one document a line',
    );
    const kinds = 'a text file is a .txt, a .jsonl, one of them as .gz or .zst, or a .parquet, found';
    expect(await refused('a.csv', 'x')).toBe(`a.csv: ${kinds} .csv`);
    expect(await refused('a.csv.gz', 'x')).toBe(`a.csv.gz: ${kinds} .csv.gz`);
    expect(await refused('a', 'x')).toBe(`a: ${kinds} no ending`);
    expect(await refused('a.txt', 'x', { field: 'content' })).toBe(
      'a.txt: a .txt has no field content; leave field out',
    );
    await inFolder(async (folder) => {
      expect(await refusal(() => documentsOf(join(folder, 'b.txt')))).toBe(`${folder}/b.txt: no such file`);
      expect(await refusal(() => documentsOf(`${folder}.txt`))).toBe(`${folder}.txt: no such file`);
      const { mkdirSync } = await import('node:fs');
      mkdirSync(join(folder, 'd.jsonl'));
      expect(await refusal(() => documentsOf(join(folder, 'd.jsonl')))).toBe(
        `${folder}/d.jsonl: a folder, not a text file`,
      );
    });
  });
});

describe('a .jsonl file', () => {
  it('has a document a line', async () => {
    const content = [
      '\uFEFF{"text": "one\\r\\ntwo", "id": 7}',
      '',
      '  {"messages": [{"role": "user", "content": "hi", "name": "x"}, {"role": "assistant", "content": ""}]}\t\r',
      '\r',
      '{"text": ""}',
    ].join('\n');
    expect(await read('a.jsonl', content)).toEqual([
      { where: 'a.jsonl:1', text: 'one\r\ntwo' },
      {
        where: 'a.jsonl:3',
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: '' },
        ],
      },
      { where: 'a.jsonl:5', text: '' },
    ]);
  });

  it('gives back what was written to it, however its chunks fall', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }), { minLength: 1, maxLength: 8 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        async (texts, newline, ended) => {
          const content =
            texts.map((text) => JSON.stringify({ text })).join(newline) + (ended ? newline : '');
          expect(await read('a.jsonl', content)).toEqual(
            texts.map((text, i) => ({ where: `a.jsonl:${i + 1}`, text })),
          );
        },
      ),
      { numRuns: 50 },
    );
    // Lines longer than the reader's chunks of 256 KiB.
    const long = Array.from({ length: 5 }, (_, i) => 'é'.repeat(200_000 + i));
    const content = long.map((text) => JSON.stringify({ text })).join('\n');
    expect(await read('a.jsonl', content)).toEqual(
      long.map((text, i) => ({ where: `a.jsonl:${i + 1}`, text })),
    );
  });

  it.each([
    ['bad JSON', '{"text": "a"}\n{"text": }', /^a\.jsonl:2: not valid JSON: /],
    ['not an object', '\n["a"]', /^a\.jsonl:2: expected a JSON object with text or messages$/],
    ['null', 'null', /^a\.jsonl:1: expected a JSON object/],
    [
      'other fields',
      '{"content": "a", "id": 1}',
      /^a\.jsonl:1: neither text nor messages; found content, id; another field is named by field$/,
    ],
    ['no fields', '{}', /^a\.jsonl:1: neither text nor messages; found no fields at all; /],
    [
      'inherited names',
      '{"__proto__": {"text": "a"}}',
      /^a\.jsonl:1: neither text nor messages; found __proto__; /,
    ],
    [
      'both',
      '{"text": "a", "messages": []}',
      /^a\.jsonl:1: both text and messages; a document is one of them, and field says which$/,
    ],
    ['text of another type', '{"text": 1}', /^a\.jsonl:1: text is not a JSON string$/],
    [
      'no messages',
      '{"messages": []}',
      /^a\.jsonl:1: messages must be a list of at least one \{role, content\}$/,
    ],
    ['messages of another type', '{"messages": "a"}', /^a\.jsonl:1: messages must be a list/],
    [
      'a message without content',
      '{"messages": [{"role": "user"}]}',
      /^a\.jsonl:1: messages\[0\] must have a role and a content, both text$/,
    ],
    [
      'a message with parts',
      '{"messages": [{"role": "a", "content": "b"}, {"role": "user", "content": []}]}',
      /^a\.jsonl:1: messages\[1\] must have/,
    ],
    ['a null message', '{"messages": [null]}', /^a\.jsonl:1: messages\[0\] must have/],
    ['only blank lines', '\n \n\r\n', /^a\.jsonl: the file has no text in it$/],
  ])('with %s is refused', async (_, content, message) => {
    expect(await refused('a.jsonl', content)).toMatch(message);
  });

  it('is refused where a line is not UTF-8 or too long', async () => {
    const bad = Buffer.concat([
      Buffer.from('{"text": "a"}\n{"text": "'),
      Buffer.from([0xff]),
      Buffer.from('"}\n'),
    ]);
    expect(await refused('a.jsonl', bad)).toBe('a.jsonl:2: not valid UTF-8');
    const long = Buffer.concat([
      Buffer.from('{"text": "a"}\n\n'),
      Buffer.alloc(maximumDocumentBytes + 1, 'a'),
    ]);
    expect(await refused('a.jsonl', long)).toBe(
      'a.jsonl:3: the line is longer than 16777216 bytes; give shorter documents',
    );
  });

  it('is read no further than asked, and closed', async () => {
    await inFolder(async (folder, write) => {
      const path = write('a.jsonl', '{"text": "a"}\nnonsense\n');
      for await (const document of readDocuments(localTextFile(path))) {
        expect(document).toEqual({ where: `${path}:1`, text: 'a' });
        break;
      }
      expect(openFiles(folder)).toEqual([]);
    });
  });

  it('may have its documents in another field', async () => {
    const messages = [{ role: 'user', content: 'hi' }];
    const content = `{"content": "a", "text": "b"}\n${JSON.stringify({ content: messages })}\n`;
    expect(await read('a.jsonl', content, { field: 'content' })).toEqual([
      { where: 'a.jsonl:1', text: 'a' },
      { where: 'a.jsonl:2', messages },
    ]);
    expect(await refused('a.jsonl', content, { field: 'body' })).toBe(
      'a.jsonl:1: no field body; found content, text',
    );
    expect(await refused('a.jsonl', '{"body": 1}', { field: 'body' })).toBe(
      'a.jsonl:1: body is not a JSON string, nor a list of {role, content}',
    );
    expect(await refused('a.jsonl', '{"__proto__": null}', { field: 'constructor' })).toBe(
      'a.jsonl:1: no field constructor; found __proto__',
    );
  });

  it('has no document where the field is null, which is told once', async () => {
    const content = '{"text": null}\n{"text": "a"}\n{"text": null}\n{"text": "b"}\n';
    expect(await read('a.json', content)).toEqual([
      {
        where: 'a.json:2',
        text: 'a',
        note: expect.stringMatching(/a\.json: there is no document where text or messages is null$/),
      },
      { where: 'a.json:4', text: 'b' },
    ]);
    expect(await refused('a.json', '{"text": null}')).toBe('a.json: the file has no text in it');
  });
});

describe('a .gz file', () => {
  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => `${JSON.stringify({ text: `${i} `.repeat(i % 50) })}\n`).join('');

  it('has the same documents as what was compressed', async () => {
    const plain = await read('a.jsonl', lines(20_000));
    const named = plain.map((each) => ({ ...each, where: each.where.replace('.jsonl', '.JSONL.GZ') }));
    expect(await read('a.JSONL.GZ', gzipSync(lines(20_000)))).toEqual(named);
    expect(await read('a.txt.gz', gzipSync('a\r\nb'))).toEqual([
      { where: 'a.txt.gz', text: 'a\nb', note: expect.anything() },
    ]);
  });

  it('may be several streams one after the other, and zeros behind them', async () => {
    const parts = [gzipSync('{"text": "a"}\n{"te'), gzipSync('xt": "b"}\n'), Buffer.alloc(40_000)];
    expect((await read('a.json.gz', Buffer.concat(parts))).map(({ where }) => where)).toEqual([
      'a.json.gz:1',
      'a.json.gz:2',
    ]);
  });

  it('is refused where it is damaged or ends early, with the line', async () => {
    const whole = gzipSync(lines(50_000));
    const cut = await refused('a.jsonl.gz', whole.subarray(0, whole.length - 3));
    expect(cut).toBe('a.jsonl.gz:50001: the compressed data are damaged here: unexpected end of file');
    const half = await refused('a.jsonl.gz', whole.subarray(0, whole.length / 2));
    expect(half).toMatch(
      /^a\.jsonl\.gz:\d{5}: the compressed data are damaged here: unexpected end of file$/,
    );
    const other = Buffer.from(whole);
    other.writeUInt8(other.readUInt8(other.length - 6) ^ 1, other.length - 6);
    expect(await refused('a.jsonl.gz', other)).toMatch(/^a\.jsonl\.gz:\d{5}: .*: incorrect data check$/);
    expect(await refused('a.jsonl.gz', lines(3))).toMatch(/a\.jsonl\.gz:1: .*: incorrect header check$/);
    expect(await refused('a.txt.gz', '')).toBe(
      'a.txt.gz: the compressed data are damaged: unexpected end of file',
    );
  });

  it('is not read beyond what is asked for, so that what is wrong further on does not matter', async () => {
    await inFolder(async (folder, write) => {
      const whole = gzipSync(lines(50_000));
      const path = write('a.jsonl.gz', whole.subarray(0, whole.length - 3));
      const documents = readDocuments(localTextFile(path));
      for (let i = 0; i < 49_000; i++) await documents.next();
      await documents.return(undefined);
      expect(openFiles(folder)).toEqual([]);
    });
  });

  it('that grows without end is stopped at the longest document', async () => {
    const bomb = gzipSync(Buffer.alloc(400_000_000, 'a'), { level: 1 });
    expect(await refused('a.jsonl.gz', bomb)).toBe(
      'a.jsonl.gz:1: the line is longer than 16777216 bytes; give shorter documents',
    );
    expect(await refused('a.txt.gz', bomb)).toMatch(/^a\.txt\.gz: longer than 16777216 bytes/);
  });
});
