import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  maximumDocumentBytes,
  readDocuments,
  type TextDocument,
} from '../../src/calibration/read-documents.js';
import { inFolder, refusal } from './fixture.js';

async function all(path: string): Promise<TextDocument[]> {
  const documents: TextDocument[] = [];
  for await (const document of readDocuments(path)) documents.push(document);
  return documents;
}

const read = (name: string, content: string | Uint8Array) =>
  inFolder(async (_, write) => all(write(name, content)));

/** The refusal of a file with this content, its folder cut off. */
const refused = (name: string, content: string | Uint8Array) =>
  inFolder(async (folder, write) => {
    const path = write(name, content);
    return (await refusal(() => all(path))).replaceAll(`${folder}/`, '');
  });

describe('a .txt file', () => {
  it('is one document, exactly as it stands', async () => {
    const text = '\n  two\n\nparagraphs \t\u00a0\n';
    expect(await read('a.txt', text)).toEqual([{ line: 1, text }]);
    expect(await read('a.TXT', text)).toEqual([{ line: 1, text }]);
  });

  it('loses a byte order mark, and has line ends of one kind, which is told', async () => {
    expect(await read('a.txt', '\uFEFFa\r\nb\rc\n\r\n')).toEqual([
      {
        line: 1,
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
    expect(await refused('a.parquet', 'x')).toBe(
      'a.parquet: a text file is a .txt or a .jsonl, found .parquet',
    );
    expect(await refused('a', 'x')).toBe('a: a text file is a .txt or a .jsonl, found no ending');
    await inFolder(async (folder) => {
      expect(await refusal(() => all(join(folder, 'b.txt')))).toBe(`${folder}/b.txt: no such file`);
      expect(await refusal(() => all(`${folder}.txt`))).toBe(`${folder}.txt: no such file`);
      const { mkdirSync } = await import('node:fs');
      mkdirSync(join(folder, 'd.jsonl'));
      expect(await refusal(() => all(join(folder, 'd.jsonl')))).toBe(
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
      { line: 1, text: 'one\r\ntwo' },
      {
        line: 3,
        messages: [
          { role: 'user', content: 'hi' },
          { role: 'assistant', content: '' },
        ],
      },
      { line: 5, text: '' },
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
          expect(await read('a.jsonl', content)).toEqual(texts.map((text, i) => ({ line: i + 1, text })));
        },
      ),
      { numRuns: 50 },
    );
    // Lines longer than the reader's chunks of 256 KiB.
    const long = Array.from({ length: 5 }, (_, i) => 'é'.repeat(200_000 + i));
    const content = long.map((text) => JSON.stringify({ text })).join('\n');
    expect(await read('a.jsonl', content)).toEqual(long.map((text, i) => ({ line: i + 1, text })));
  });

  it.each([
    ['bad JSON', '{"text": "a"}\n{"text": }', /^a\.jsonl:2: not valid JSON: /],
    ['not an object', '\n["a"]', /^a\.jsonl:2: expected a JSON object with text or messages$/],
    ['null', 'null', /^a\.jsonl:1: expected a JSON object/],
    [
      'other fields',
      '{"content": "a", "id": 1}',
      /^a\.jsonl:1: neither text nor messages; found content, id$/,
    ],
    ['no fields', '{}', /^a\.jsonl:1: neither text nor messages; found no fields at all$/],
    [
      'inherited names',
      '{"__proto__": {"text": "a"}}',
      /^a\.jsonl:1: neither text nor messages; found __proto__$/,
    ],
    [
      'both',
      '{"text": "a", "messages": []}',
      /^a\.jsonl:1: both text and messages; a document is one of them$/,
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

  it('is read no further than asked', async () => {
    await inFolder(async (_, write) => {
      const path = write('a.jsonl', '{"text": "a"}\nnonsense\n');
      for await (const document of readDocuments(path)) {
        expect(document).toEqual({ line: 1, text: 'a' });
        break;
      }
    });
  });
});
