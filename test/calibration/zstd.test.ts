/** Texts compressed by Zstandard, against Python's zstandard (scripts/golden/make-zstd-golden.py). */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { localTextFile } from '../../src/calibration/local-text-file.js';
import { readDocuments } from '../../src/calibration/read-documents.js';
import { ContentChecksum } from '../../src/calibration/zstd/content-checksum.js';
import { unzstd } from '../../src/calibration/zstd/unzstd.js';
import { contentOf, documentsOf, inFolder, openFiles, refusal } from './fixture.js';

const golden = fileURLToPath(new URL('../golden/zstd', import.meta.url));
const lines = readFileSync(join(golden, 'lines.jsonl'));
const compressed = (name: string) => readFileSync(join(golden, `lines-${name}.jsonl.zst`));

async function decompress(bytes: Uint8Array, step = bytes.length): Promise<Buffer> {
  async function* chunks() {
    for (let start = 0; start < bytes.length; start += step) yield bytes.subarray(start, start + step);
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of unzstd(chunks(), 'a.zst')) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The message of the refusal of a file with this content. */
const refused = (content: Uint8Array, name = 'a.jsonl.zst') =>
  inFolder(async (folder, write) => {
    const path = write(name, content);
    return (await refusal(() => documentsOf(path))).replaceAll(`${folder}/`, '');
  });

describe('what zstandard compressed', () => {
  it.each(['level-3-checksum', 'level-19-streamed', 'fast-streamed', 'window-27', 'frames'])(
    '%s is what it was, however its chunks fall',
    async (name) => {
      const bytes = compressed(name);
      for (const step of name === 'window-27' ? [bytes.length] : [bytes.length, 1_000, 7]) {
        expect((await decompress(bytes, step)).equals(lines)).toBe(true);
      }
    },
  );

  it('has the documents of the lines, whatever the ending of what was compressed', async () => {
    const plain = await documentsOf(join(golden, 'lines.jsonl'));
    const documents = await documentsOf(join(golden, 'lines-frames.jsonl.zst'));
    expect(documents.map(contentOf)).toEqual(plain.map(contentOf));
    expect(documents.at(-1)?.where).toMatch(/lines-frames\.jsonl\.zst:500$/);
    await inFolder(async (_, write) => {
      const json = await documentsOf(write('a.JSON.ZST', compressed('frames')));
      expect(json.map(contentOf)).toEqual(plain.map(contentOf));
      const text = await documentsOf(write('a.txt.zst', compressed('fast-streamed')));
      expect(text.map(contentOf)).toEqual([lines.toString()]);
    });
  });

  it('is refused with a dictionary or too large a window', async () => {
    expect(await refused(compressed('window-28'))).toBe(
      'a.jsonl.zst: its zstd data need a window of 268435456 bytes; up to 134217728 are read; compress it without --long',
    );
    expect(await refused(compressed('dictionary'))).toMatch(
      /^a\.jsonl\.zst: its zstd data need dictionary \d+; compress it without one$/,
    );
  });
});

describe('damaged data', () => {
  const damaged = /^a\.jsonl\.zst:\d+: the compressed data are damaged here: (.*)$/;

  it('are refused where they end early, with the line', async () => {
    const whole = compressed('level-3-checksum');
    for (const missing of [1, 4, 5, 1_000]) {
      const message = await refused(whole.subarray(0, whole.length - missing));
      expect(damaged.exec(message)?.[1]).toBe('unexpected end of file');
    }
    expect(await refused(whole.subarray(0, whole.length - 1))).toMatch(/^a\.jsonl\.zst:501: /);
    expect(await refused(new Uint8Array(), 'a.txt.zst')).toBe(
      'a.txt.zst: the compressed data are damaged: unexpected end of file',
    );
    const frames = compressed('frames');
    expect(await refused(frames.subarray(0, 12))).toMatch(/unexpected end of file$/);
  });

  it('are refused where they are something else', async () => {
    expect(await refused(lines)).toBe(
      'a.jsonl.zst:1: the compressed data are damaged here: no Zstandard frame',
    );
    const behind = Buffer.concat([compressed('level-3-checksum'), Buffer.from('something else')]);
    expect(await refused(behind)).toBe(
      'a.jsonl.zst:501: the compressed data are damaged here: no Zstandard frame',
    );
  });

  it('are noticed by their checksum or size, whatever bit is wrong', async () => {
    const whole = compressed('level-3-checksum');
    const outcomes = new Set<string>();
    for (let at = 5; at < whole.length; at += Math.floor(whole.length / 60)) {
      const other = Buffer.from(whole);
      other.writeUInt8(other.readUInt8(at) ^ (1 << (at % 8)), at);
      await expect(decompress(other)).rejects.toThrow();
      await decompress(other).catch((error: Error) => outcomes.add(error.constructor.name));
    }
    expect([...outcomes].sort()).toEqual(['CompressedDataError']);
    const last = Buffer.from(whole);
    last.writeUInt8(last.readUInt8(last.length - 1) ^ 1, last.length - 1);
    expect(await refused(last)).toMatch(/: incorrect checksum$/);
  });

  it('do not matter behind what is asked for', async () => {
    await inFolder(async (folder, write) => {
      const whole = compressed('frames');
      const documents = readDocuments(
        localTextFile(write('a.jsonl.zst', whole.subarray(0, whole.length - 60))),
      );
      for (let i = 0; i < 400; i++) expect((await documents.next()).done).toBe(false);
      await documents.return(undefined);
      expect(openFiles(folder)).toEqual([]);
    });
  });
});

describe('hostile data', () => {
  const header = (window: number) => [0x28, 0xb5, 0x2f, 0xfd, 0, window];
  const block = (type: number, last: boolean, size: number, content: number[]) => {
    const bits = (size << 3) | (type << 1) | Number(last);
    return [bits & 255, (bits >> 8) & 255, bits >> 16, ...content];
  };
  const megabyte = 0x50;

  it('that grow without end are stopped at the longest document', async () => {
    const repeated = block(1, false, 2 ** 17, [0x61]);
    const bomb = Uint8Array.from([
      ...header(megabyte),
      ...Array.from({ length: 9_000 }, () => repeated).flat(),
    ]);
    expect(await refused(bomb)).toBe(
      'a.jsonl.zst:1: the line is longer than 16777216 bytes; give shorter documents',
    );
    expect(await refused(bomb, 'a.txt.zst')).toMatch(/^a\.txt\.zst: longer than 16777216 bytes/);
  });

  it('with a block of more than there may be are refused', async () => {
    const bytes = Uint8Array.from([...header(megabyte), ...block(1, true, 2 ** 17 + 1, [0x61])]);
    expect(await refused(bytes)).toMatch(/damaged here: a block of more than 131072 bytes$/);
    const small = Uint8Array.from([...header(0), ...block(1, true, 1025, [0x61])]);
    expect(await refused(small)).toMatch(/damaged here: a block of more than 1024 bytes$/);
    const reserved = Uint8Array.from([...header(0), ...block(3, true, 4, [1, 2, 3, 4])]);
    expect(await refused(reserved)).toMatch(/damaged here: invalid block type$/);
  });

  it('with many small blocks beside a large window are stopped', async () => {
    const blocks = Array.from({ length: 1_000 }, () => block(1, false, 1, [0x61])).flat();
    const bytes = Uint8Array.from([...header(17 << 3), ...blocks]);
    expect(await refused(bytes)).toMatch(/too little in too many blocks for so large a window$/);
    expect(await refused(Uint8Array.from([...header(megabyte), ...blocks]))).toMatch(
      /unexpected end of file$/,
    );
  });

  it('with work without end are stopped', async () => {
    // One literal, 98,047 sequences, each of the longest match, by codes that take no bits.
    const content = [0x08, 0x61, 255, 255, 255, 0x54, 0, 0, 52, 1];
    const bytes = Uint8Array.from([...header(megabyte), ...block(2, true, content.length, content)]);
    expect(await refused(bytes)).toMatch(
      /damaged here: it (computed for \d\.\d s without an end|took too long)/,
    );
  });
});

describe('ContentChecksum', () => {
  // From the specification's own program, by Python's xxhash.
  const bytes = Uint8Array.from({ length: 1_000 }, (_, i) => (i * i * 7 + i) & 255);
  it.each([
    [0, 1373170073],
    [1, 3674548072],
    [3, 2756523740],
    [4, 507874484],
    [7, 465584920],
    [8, 880373367],
    [12, 429323241],
    [31, 4259441809],
    [32, 1046590048],
    [33, 3306866831],
    [63, 1047360862],
    [64, 1278260225],
    [100, 554859177],
    [1000, 4157144640],
  ] as const)('of %i bytes, in pieces of any size', (length, expected) => {
    for (const step of [1, 5, 31, 32, 33, 1_000]) {
      const checksum = new ContentChecksum();
      for (let start = 0; start < length; start += step)
        checksum.update(bytes.subarray(start, Math.min(length, start + step)));
      expect(checksum.value()).toBe(expected);
    }
  });
});
