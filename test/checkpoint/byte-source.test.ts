import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openByteSource } from '../../src/checkpoint/byte-source.js';
import { RequestError, RunError } from '../../src/errors.js';
import { compiledModule } from './compiled-module.js';
import { temporaryFolders } from './temporary-folder.js';

/** As much of the global as is used here; neither the ES library nor Node's types declare it. */
declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => { buffer: ArrayBuffer };
};

const newFolder = temporaryFolders();

describe('a byte source', () => {
  it('reads every range as readFile does', () => {
    const path = join(newFolder(), 'file');
    const content = randomBytes(300_001);
    writeFileSync(path, content);
    const source = openByteSource(path);
    expect(source).toMatchObject({ path, size: content.length });
    fc.assert(
      fc.property(fc.nat(content.length), fc.nat(content.length), fc.nat(40), (a, b, shift) => {
        const [begin, end] = [Math.min(a, b), Math.max(a, b)];
        const memory = new Uint8Array(end - begin + shift + 3).fill(7);
        source.readInto(begin, memory.subarray(shift, shift + end - begin));
        expect(
          Buffer.compare(memory.subarray(shift, shift + end - begin), content.subarray(begin, end)),
        ).toBe(0);
        expect(
          [...memory.subarray(0, shift), ...memory.subarray(shift + end - begin)].every((x) => x === 7),
        ).toBe(true);
      }),
    );
    source.close();
  });

  it('fills views over WebAssembly memory, shared memory and very small arrays', () => {
    const path = join(newFolder(), 'file');
    const content = randomBytes(70_000);
    writeFileSync(path, content);
    const source = openByteSource(path);
    const memories = [
      new WebAssembly.Memory({ initial: 2 }).buffer,
      new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true }).buffer,
      new SharedArrayBuffer(131072),
    ];
    for (const memory of memories) {
      const target = new Uint8Array(memory, 333, 65_537);
      source.readInto(4097, target);
      expect(Buffer.from(target).equals(content.subarray(4097, 4097 + 65_537))).toBe(true);
      expect(new Uint8Array(memory, 0, 333).every((x) => x === 0)).toBe(true);
    }
    const small = new Uint8Array(5);
    source.readInto(69_995, small);
    expect([...small]).toEqual([...content.subarray(69_995)]);
    source.close();
  });

  it('reads beyond 4 GiB', () => {
    const path = join(newFolder(), 'file');
    const descriptor = openSync(path, 'w');
    ftruncateSync(descriptor, 5 * 2 ** 30);
    writeSync(descriptor, 'far away', 4.5 * 2 ** 30 + 3);
    closeSync(descriptor);
    const source = openByteSource(path);
    const target = new Uint8Array(12);
    source.readInto(4.5 * 2 ** 30 + 1, target);
    expect(Buffer.from(target).toString()).toBe('\0\0far away\0\0');
    source.close();
  });

  it('does not keep what it has read in memory', () => {
    const path = join(newFolder(), 'file');
    const chunk = randomBytes(1 << 20);
    const descriptor = openSync(path, 'w');
    for (let i = 0; i < 64; i++) writeSync(descriptor, chunk);
    closeSync(descriptor);
    const source = openByteSource(path);
    // As tensors lie behind a header: never on the border of a page.
    const target = new Uint8Array(128 * 1024);
    const read = (part: number) => source.readInto(568 + part * target.length, target);
    read(0);
    const before = process.memoryUsage().rss;
    for (let part = 0; part < 511; part++) read(part);
    expect(process.memoryUsage().rss - before).toBeLessThan(8 << 20);
    source.close();
  });

  it('reads nothing from an empty file', () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, '');
    const source = openByteSource(path);
    expect(source.size).toBe(0);
    source.readInto(0, new Uint8Array(0));
    expect(() => source.readInto(0, new Uint8Array(1))).toThrow(RunError);
    source.close();
  });

  it('refuses ranges outside the file and use after close', () => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, 'twelve bytes');
    const source = openByteSource(path);
    const target = new Uint8Array(4);
    for (const offset of [-1, 0.5, Number.NaN])
      expect(() => source.readInto(offset, target), String(offset)).toThrow(RangeError);
    for (const offset of [9, Number.MAX_SAFE_INTEGER - 4])
      expect(() => source.readInto(offset, target), String(offset)).toThrow(
        `${path} changed since its header was read: byte ${offset + 3} is needed and it has 12`,
      );
    source.readInto(8, target);
    expect(Buffer.from(target).toString()).toBe('ytes');
    source.close();
    source.close();
    expect(() => source.readInto(0, target)).toThrow('closed');
  });

  it('refuses what is not a readable regular file', () => {
    const folder = newFolder();
    mkdirSync(join(folder, 'sub'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const name of ['missing', 'sub', 'pipe'])
      expect(() => openByteSource(join(folder, name)), name).toThrow(RequestError);
    expect(() => openByteSource(join(folder, 'missing'))).toThrow(join(folder, 'missing'));
  });

  it.each([
    ['before the range', 5000],
    ['within the range', 100_500],
    ['to nothing', 0],
  ])('notices a file cut off %s', (_, size) => {
    const path = join(newFolder(), 'file');
    writeFileSync(path, randomBytes(101_000));
    const source = openByteSource(path);
    source.readInto(0, new Uint8Array(1000));
    truncateSync(path, size);
    const read = () => source.readInto(100_000, new Uint8Array(1000));
    expect(read).toThrow(RunError);
    expect(read).toThrow(path);
    source.close();
  });
});

describe('in processes of their own', () => {
  let compiled: { url: string; folder: string };
  beforeAll(() => {
    compiled = compiledModule('checkpoint/byte-source.ts');
  });
  afterAll(() => {
    rmSync(compiled.folder, { recursive: true, force: true });
  });
  const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

  it('a file cut off in the middle of reads ends in an error', async () => {
    const folder = newFolder();
    // Several times, as the cut has to meet the copy itself.
    for (let attempt = 0; attempt < 4; attempt++) {
      const path = join(folder, `file-${attempt}`);
      writeFileSync(path, Buffer.alloc(32 << 20, 1));
      const child = spawn(process.execPath, [fixture('read-until-error.mjs'), compiled.url, path]);
      let output = '';
      child.stdout.on('data', (data: Buffer) => {
        if (output === '') setTimeout(() => truncateSync(path, 1000), attempt * 3);
        output += data.toString();
      });
      child.stderr.on('data', (data: Buffer) => {
        output += data.toString();
      });
      const ended = await new Promise((resolve) => {
        child.on('close', (code, signal) => resolve({ code, signal }));
      });
      expect(ended, output).toEqual({ code: 0, signal: null });
      expect(output).toBe(
        `reading\nRunError: ${path} changed while it was being read: it had ${32 << 20} bytes and now has 1000; restore the file and run again\n`,
      );
    }
  });

  it('worker threads read the same file at the same time', () => {
    const path = join(newFolder(), 'file');
    const content = createHash('shake256', { outputLength: 300_000 }).update('secateur').digest();
    writeFileSync(path, content);
    const sum = readFileSync(path).reduce((total, byte) => total + byte, 0);
    const output = execFileSync(process.execPath, [fixture('read-in-worker.mjs'), compiled.url, path]);
    expect(output.toString().trim()).toBe(`${sum} ${sum} ${sum}`);
  });
});
