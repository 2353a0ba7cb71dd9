import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { decompressZstd } from '../../src/calibration/parquet/decompress-zstd.js';
import { requireRuns } from '../../src/calibration/parquet/require-runs.js';
import { thriftExtent } from '../../src/calibration/parquet/thrift-extent.js';
import { RequestError } from '../../src/errors.js';
import { uniform } from '../support/random.js';
import { documentsOf, inFolder, refusal } from './fixture.js';

const golden = fileURLToPath(new URL('../golden/parquet/', import.meta.url));
const names = readdirSync(golden).filter((name) => name.endsWith('.parquet'));

/** Ends in documents, or the message of a refusal; anything else is thrown. */
async function outcome(path: string, field: string | undefined): Promise<string> {
  try {
    return `${(await documentsOf({ path, ...(field && { field }) })).length} documents`;
  } catch (error) {
    if (error instanceof RequestError) return error.message;
    throw error;
  }
}

const refused = (bytes: Uint8Array) =>
  inFolder(async (folder, write) => {
    const path = write('a.parquet', bytes);
    return (await refusal(() => documentsOf(path))).replaceAll(`${folder}/`, '');
  });

describe('a damaged .parquet', () => {
  it.each(names)('%s ends in documents or in a RequestError, in little time and memory', async (name) => {
    const whole = readFileSync(golden + name);
    const field = name.includes('delta') ? 'content' : undefined;
    const random = uniform(names.indexOf(name) + 1);
    const below = (limit: number) => Math.floor(random() * limit);
    await inFolder(async (_, write) => {
      const before = process.memoryUsage().rss;
      const outcomes = new Set<string>();
      for (let round = 0; round < 60; round++) {
        const bytes = Buffer.from(whole);
        for (let flips = 1 + below(3); flips > 0; flips--) {
          // One in three where the sizes are.
          const at =
            below(3) === 0 ? bytes.length - 1 - below(Math.min(600, bytes.length)) : below(bytes.length);
          bytes[at] = below(2) === 0 ? (bytes[at] as number) ^ (1 << below(8)) : below(256);
        }
        outcomes.add(await outcome(write('a.parquet', bytes), field));
      }
      for (let length = 0; length < whole.length; length += 97)
        outcomes.add(await outcome(write('a.parquet', whole.subarray(0, length)), field));
      expect(outcomes.size).toBeGreaterThan(5);
      expect(process.memoryUsage().rss - before).toBeLessThan(500e6);
    });
  });

  it('is named: by what it ends with, by the size of its footer, by what is in that', async () => {
    const whole = readFileSync(`${golden}documents-large-string.parquet`);
    const footer = (length: number) => {
      const bytes = Buffer.from(whole);
      bytes.writeUInt32LE(length, bytes.length - 8);
      return bytes;
    };
    expect(await refused(Buffer.from('PAR1'))).toMatch(/^a\.parquet: not a Parquet file, or cut off/);
    expect(await refused(Buffer.from(''))).toMatch(/^a\.parquet: not a Parquet file/);
    expect(await refused(whole.subarray(0, 700))).toMatch(/^a\.parquet: not a Parquet file, or cut off/);
    expect(await refused(Buffer.concat([whole, Buffer.from('PARE')]))).toMatch(/the file is encrypted/);
    expect(await refused(footer(2 ** 32 - 1))).toBe(
      'a.parquet: a footer of 4294967295 bytes; 32000000 at most are read',
    );
    expect(await refused(footer(31_000_000))).toMatch(
      /^a\.parquet: damaged: a footer of 31000000 bytes in \d+$/,
    );
    expect(await refused(footer(20))).toMatch(/^a\.parquet: the footer is damaged: /);
  });

  it('with pages that are not what they say is refused with the row', async () => {
    const texts = Array.from({ length: 9 }, (_, i) => `text number ${i} of nine`);
    const column = { name: 'text', data: texts, type: 'STRING' as const, encoding: 'PLAIN' as const };
    const write = (compressors: object) =>
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [column],
          codec: 'GZIP',
          compressors: compressors as never,
          pageSize: 60,
        }),
      );
    expect(await refused(write({ GZIP: () => Buffer.from('this is no gzip') }))).toMatch(
      /^a\.parquet, row 1 \(row group 1\): damaged: /,
    );
    expect(await refused(write({ GZIP: () => gzipSync(Buffer.alloc(50_000_000)) }))).toMatch(
      /^a\.parquet, row 1 \(row group 1\): damaged: Cannot create a Buffer larger than \d+ bytes$/,
    );
    let pages = 0;
    expect(
      await refused(
        write({ GZIP: (bytes: Uint8Array) => gzipSync(++pages < 3 ? bytes : bytes.subarray(1)) }),
      ),
    ).toMatch(/^a\.parquet, row [3-7] \(row group 1\): damaged: GZIP data of \d+ bytes, \d+ were announced$/);
    expect(
      await refused(
        new Uint8Array(
          parquetWriteBuffer({
            columnData: [column],
            codec: 'LZ4_RAW',
            compressors: { LZ4_RAW: (bytes) => bytes },
          }),
        ),
      ),
    ).toBe(
      'a.parquet, row group 1: compressed with LZ4_RAW, which is not read; write the file with UNCOMPRESSED, SNAPPY, GZIP, BROTLI, ZSTD',
    );
  });
});

describe('a page that would be decoded without end', () => {
  const texts = Array.from({ length: 200 }, (_, i) => `text number ${i % 20}`);
  const write = (codec: 'SNAPPY' | 'GZIP', compress: (bytes: Uint8Array) => Uint8Array) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [{ name: 'text', data: texts, type: 'STRING' }],
        codec,
        compressors: { [codec]: compress } as never,
      }),
    );

  it('is stopped where a piece of snappy goes back to its own beginning', async () => {
    // Five bytes less than none.
    const piece = [0xfc, 0xfa, 0xff, 0xff, 0xff];
    const bytes = write('SNAPPY', () => Uint8Array.from([0xff, 0x7f, ...piece, ...Array(20).fill(0)]));
    expect(await refused(bytes)).toMatch(
      /^a\.parquet, row 1 \(row group 1\): damaged: it computed for \d\.\d s without an end$/,
    );
  });

  it('is refused where one text comes 2³¹−1 times', async () => {
    let pages = 0;
    const bytes = write('GZIP', (page) => {
      const own = Buffer.from(page);
      // The first one is the dictionary.
      if (pages++ > 0) own.set([1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0]);
      return gzipSync(own);
    });
    expect(await refused(bytes)).toBe(
      'a.parquet, row 1 (row group 1): damaged: a run of 2147483647 numbers where 200 are left',
    );
  });
});

describe('decompressZstd', () => {
  const block = (last: boolean, type: number, size: number, ...content: number[]) => {
    const header = (size << 3) | (type << 1) | Number(last);
    return [header & 255, header >> 8, 0, ...content];
  };
  /** A frame in one segment that says it has `length` bytes, whatever is in it. */
  const frame = (length: number, ...blocks: number[][]) =>
    Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, length, ...blocks.flat()]);
  const stored = (last: boolean, text: string) => block(last, 0, text.length, ...Buffer.from(text));
  const repeated = (last: boolean, text: string, count: number) =>
    block(last, 1, count, ...Buffer.from(text));
  /** Without a sequence: its literals, and nothing else. */
  const literals = (last: boolean, text: string) =>
    block(last, 2, text.length + 2, text.length << 3, ...Buffer.from(text), 0);

  it('gives what blocks of every kind hold', () => {
    const bytes = frame(11, stored(false, 'abc'), repeated(false, 'd', 4), literals(true, 'efgh'));
    expect(Buffer.from(decompressZstd(bytes, 11)).toString()).toBe('abcddddefgh');
  });

  it.each([
    ['stored', stored],
    ['compressed', literals],
    ['repeated', (last: boolean, text: string) => repeated(last, text.slice(0, 1), text.length)],
  ])('notices %s blocks that are shorter or longer than announced', (_, make) => {
    const bytes = frame(8, make(false, 'aaaa'), make(true, 'bbbb'));
    expect(decompressZstd(bytes, 8)).toHaveLength(8);
    expect(() => decompressZstd(bytes, 9)).toThrow('fewer bytes than the 9 announced');
    expect(() => decompressZstd(bytes, 7)).toThrow();
    expect(() => decompressZstd(bytes.subarray(0, bytes.length - 1), 8)).toThrow('ends early');
  });
});

describe('thriftExtent', () => {
  const limits = { maxDepth: 4, maxValues: 10 };
  const measure = (...bytes: number[]) => thriftExtent(Uint8Array.from(bytes), limits);
  it('measures a structure', () => {
    expect(measure(0)).toEqual({ bytes: 1 });
    // A boolean, a byte, a number of two bytes, a double, two letters, a list of three, a structure.
    const fields = [0x11, 0x13, 7, 0x15, 0x80, 1, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x18, 2, 65, 66];
    expect(measure(...fields, 0x19, 0x35, 1, 2, 3, 0x1c, 0x00, 0x00, 99)).toEqual({
      bytes: fields.length + 8,
    });
    // A field whose number is written out, and a list whose length is.
    expect(measure(0x08, 2, 1, 65, 0x19, 0xf1, 1, 1, 0)).toEqual({ bytes: 9 });
  });
  it.each([
    ['nothing', [], 'it ends early', true],
    ['no end', [0x13, 1], 'it ends early', true],
    ['letters that are not there', [0x18, 0xff, 0xff, 0xff, 0x7f], 'it ends early', true],
    ['a list that is not there', [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x0f, 1], 'it ends early', true],
    ['a number without end', [0x15, ...Array(20).fill(0x80)], 'a number of more than 10 bytes', false],
    ['too much of it', [...Array(11).fill(0x11), 0], 'more than 10 values', false],
    ['too long a list', [0x19, 0xf3, 11, ...Array(11).fill(1), 0], 'more than 10 values', false],
    ['too many levels', [0x1c, 0x1c, 0x1c, 0x1c, 0, 0, 0, 0, 0], 'more than 4 levels', false],
    ['an unknown kind', [0x1b, 0, 0], 'a value of the unknown kind 11', false],
  ])('says what is wrong with %s', (_, bytes, reason, incomplete) => {
    expect(measure(...bytes)).toEqual({ reason, incomplete });
  });
});

describe('requireRuns', () => {
  const check = (bytes: number[], width: number, wanted: number) => () =>
    requireRuns(Uint8Array.from(bytes), 0, width, wanted);
  it('takes runs that give as many numbers as are wanted', () => {
    expect(check([8, 1], 1, 4)).not.toThrow();
    expect(check([8, 1, 3, 0xff], 1, 9)).not.toThrow();
    // What lies behind them is not looked at.
    expect(check([8, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f], 1, 4)).not.toThrow();
    expect(check([], 3, 4)).not.toThrow();
    expect(check([0xff], 3, 4)).not.toThrow();
  });
  it.each([
    ['a run of 2³¹−1', [0xfe, 0xff, 0xff, 0xff, 0x0f, 1], 1, 'a run of 2147483647 numbers where 4 are left'],
    ['groups of as many', [0xff, 0xff, 0xff, 0xff, 0x0f], 0, /^a run of \d+ numbers where 4 are left$/],
    ['a length without end', [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], 1, 'a run whose length has no end'],
    ['wide numbers', [8, 1], 33, 'numbers of 33 bits'],
  ])('refuses %s', (_, bytes, width, message) => {
    expect(check(bytes, width, 4)).toThrow(message);
  });
});
