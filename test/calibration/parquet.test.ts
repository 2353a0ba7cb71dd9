import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { localTextFile } from '../../src/calibration/local-text-file.js';
import { readDocuments } from '../../src/calibration/read-documents.js';
import { contentOf, documentsOf, inFolder, openFiles, refusal } from './fixture.js';

const golden = fileURLToPath(new URL('../golden/parquet', import.meta.url));
const file = (name: string) => join(golden, name);

describe('a .parquet that Arrow wrote', () => {
  const names = readdirSync(golden).filter((name) => name.endsWith('.parquet'));
  it.each(names)('%s has the documents of the .jsonl', async (name) => {
    const field = name.includes('delta') ? { field: 'content' } : {};
    const documents = await documentsOf({ path: file(name), ...field });
    const lines = await documentsOf(file(`${name.split('-')[0]}.jsonl`));
    expect(documents.map(contentOf)).toEqual(lines.map(contentOf));
    const notes = documents.flatMap(({ note }) => note ?? []);
    expect(notes).toEqual(
      name.includes('required')
        ? []
        : [expect.stringMatching(/: there is no document where (text or messages|content) is null$/)],
    );
  });

  it('says in which row and row group a document is', async () => {
    const path = file('documents-snappy-dictionary.parquet');
    const places = (await documentsOf(path)).map(({ where }) => where);
    expect(places.slice(0, 2)).toEqual([`${path}, row 1 (row group 1)`, `${path}, row 2 (row group 1)`]);
    expect(places.at(-1)).toBe(`${path}, row 59 (row group 4)`);
    // Row 5 is null.
    expect(places[4]).toBe(`${path}, row 6 (row group 1)`);
  });

  it('says which columns there are, and what is wrong with the one that is named', async () => {
    const documents = file('documents-delta-length.parquet');
    expect(await refusal(() => documentsOf(documents))).toBe(
      `${documents}: neither text nor messages; found id, content, url; another column is named by field`,
    );
    const refused = (field: string, path = documents) => refusal(() => documentsOf({ path, field }));
    expect(await refused('body')).toBe(`${documents}: no column body; found id, content, url`);
    expect(await refused('id')).toBe(
      `${documents}: the column id is INT64; expected text, or a list of {role, content}`,
    );
    expect(await refused('messages.list', file('conversations-snappy.parquet'))).toMatch(
      /no column messages\.list/,
    );
  });

  it('is closed when reading stops', async () => {
    const documents = readDocuments(localTextFile(file('conversations-snappy.parquet')));
    await documents.next();
    expect(openFiles(golden)).toHaveLength(1);
    await documents.return(undefined);
    expect(openFiles(golden)).toEqual([]);
  });
});

/** A file of one column by another program. */
function write(column: object, options: object = {}): Uint8Array {
  return new Uint8Array(
    parquetWriteBuffer({ columnData: [{ nullable: true, ...column }] as never, ...options }),
  );
}

/** `list<struct<content, role>>`, of which everything may be null. */
const conversationSchema = [
  { name: 'root', num_children: 1 },
  { name: 'messages', repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
  { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
  { name: 'element', repetition_type: 'OPTIONAL', num_children: 2 },
  { name: 'content', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  { name: 'role', repetition_type: 'OPTIONAL', type: 'BYTE_ARRAY', converted_type: 'UTF8' },
];

const texts = fc.array(fc.option(fc.string({ unit: 'grapheme', maxLength: 40 }), { nil: null }), {
  minLength: 1,
  maxLength: 60,
});
const layout = fc.record({
  pageSize: fc.integer({ min: 16, max: 300 }),
  rowGroupSize: fc.integer({ min: 1, max: 40 }),
  codec: fc.constantFrom('SNAPPY', 'UNCOMPRESSED'),
});

describe('a .parquet', () => {
  it('gives back the texts that were written to it, as the same lines do, compressed too', async () => {
    await inFolder(async (_, save) => {
      await fc.assert(
        fc.asyncProperty(
          texts,
          layout,
          fc.constantFrom(undefined, 'PLAIN'),
          async (data, options, encoding) => {
            fc.pre(data.some((text) => text !== null));
            const column = { name: 'text', data, type: 'STRING', ...(encoding && { encoding }) };
            const parquet = await documentsOf(save('a.parquet', write(column, options)));
            const json = data.map((text) => JSON.stringify({ text })).join('\n');
            const lines = await documentsOf(save('a.jsonl', json));
            const compressed = await documentsOf(save('a.jsonl.gz', gzipSync(json)));
            expect(parquet.map(contentOf)).toEqual(data.filter((text) => text !== null));
            expect(lines.map(contentOf)).toEqual(parquet.map(contentOf));
            expect(compressed.map(contentOf)).toEqual(parquet.map(contentOf));
          },
        ),
        { numRuns: 100 },
      );
    });
  });

  it('gives back conversations, however they fall into pages', async () => {
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant'),
      content: fc.string({ maxLength: 30 }),
    });
    const conversations = fc.array(
      fc.option(fc.array(message, { minLength: 1, maxLength: 9 }), { nil: null }),
      {
        minLength: 1,
        maxLength: 30,
      },
    );
    await inFolder(async (_, save) => {
      await fc.assert(
        fc.asyncProperty(conversations, layout, async (data, options) => {
          fc.pre(data.some((messages) => messages !== null));
          const path = save(
            'a.parquet',
            write({ name: 'messages', data }, { schema: conversationSchema, ...options }),
          );
          const documents = await documentsOf(path);
          expect(documents.map(contentOf)).toEqual(data.filter((messages) => messages !== null));
        }),
        { numRuns: 100 },
      );
    });
  });

  it.each([
    ['one page', 2 ** 20],
    ['many pages', 1000],
  ])('has conversations of so many messages and bytes at most, in %s', async (_, pageSize) => {
    const refused = (content: string, messages: number) =>
      inFolder(async (folder, save) => {
        const data = [Array.from({ length: messages }, () => ({ role: 'user', content }))];
        const options = { schema: conversationSchema, pageSize };
        const path = save('a.parquet', write({ name: 'messages', data }, options));
        return (await refusal(() => documentsOf(path))).replaceAll(`${folder}/`, '');
      });
    expect(await refused('a', 10_100)).toBe('a.parquet, row 1 (row group 1): more than 10000 messages');
    // The text itself is in the file once.
    expect(await refused('a good sentence. '.repeat(2 ** 13), 200)).toBe(
      'a.parquet, row 1 (row group 1): longer than 16777216 bytes; give shorter documents',
    );
  });

  it('needs text or messages that are whole', async () => {
    const refused = (bytes: Uint8Array) =>
      inFolder(async (folder, save) => {
        const path = save('a.parquet', bytes);
        return (await refusal(() => documentsOf(path))).replaceAll(`${folder}/`, '');
      });
    const bytes = [new TextEncoder().encode('a'), new Uint8Array([0x61, 0xff])];
    expect(await refused(write({ name: 'text', data: bytes, type: 'BYTE_ARRAY' }))).toBe(
      'a.parquet, row 2 (row group 1): not valid UTF-8',
    );
    const both = [
      { name: 'text', data: ['a'] },
      { name: 'messages', data: ['b'] },
    ];
    expect(await refused(new Uint8Array(parquetWriteBuffer({ columnData: both })))).toBe(
      'a.parquet: both text and messages; a document is one of them, and field says which',
    );
    expect(await refused(write({ name: 'text', data: [null], type: 'STRING' }))).toBe(
      'a.parquet: the file has no text in it',
    );
    expect(await refused(write({ name: 'text', data: [1, 2], type: 'INT32' }))).toBe(
      'a.parquet: the column text is INT32; expected text, or a list of {role, content}',
    );
    expect(await refused(write({ name: 'text', data: ['x'.repeat(2 ** 24 + 1)], type: 'STRING' }))).toBe(
      'a.parquet, row 1 (row group 1): longer than 16777216 bytes; give shorter documents',
    );
  });
});
