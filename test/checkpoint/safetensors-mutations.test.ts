import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseSafetensorsHeader, readSafetensorsHeader } from '../../src/checkpoint/safetensors-header.js';
import { RequestError } from '../../src/errors.js';
import { safetensorsBytes } from './safetensors-bytes.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();

interface Found {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: string;
}

const WIDTHS: Readonly<Record<string, number>> = {
  ...{ BOOL: 8, U8: 8, I8: 8, BF16: 16, F16: 16, I16: 16, U16: 16, F4: 4 },
  ...{ F32: 32, I32: 32, U32: 32, F64: 64, I64: 64, U64: 64, C64: 64 },
};

/**
 * A second reader, of few words: JSON.parse and the rules of the format, checked tensor by tensor against a map of the
 * bytes. Undefined where a rule is broken. Knows the dtypes above.
 */
function readAgain(file: Uint8Array): Map<string, Found> | undefined {
  if (file.length < 8) return undefined;
  const length = Buffer.from(file).readBigUInt64LE();
  if (length > BigInt(file.length - 8)) return undefined;
  const start = 8 + Number(length);
  let header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, start)));
  } catch {
    return undefined;
  }
  const owner = new Uint8Array(file.length - start);
  const found = new Map<string, Found>();
  for (const [name, info] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, data_offsets: offsets } = info ?? {};
    const width = Object.hasOwn(WIDTHS, dtype) ? WIDTHS[dtype] : undefined;
    if (width === undefined || !Array.isArray(shape) || !Array.isArray(offsets)) return undefined;
    const [begin, end] = offsets;
    const bits = shape.reduce((product, size) => product * size, width);
    if (offsets.length !== 2 || bits !== (end - begin) * 8 || begin < 0 || end > owner.length)
      return undefined;
    for (let at = begin; at < end; at++) owner[at] = (owner[at] as number) + 1;
    found.set(name, {
      dtype,
      shape,
      data: Buffer.from(file.subarray(start + begin, start + end)).toString('hex'),
    });
  }
  return owner.every((count) => count === 1) ? found : undefined;
}

/** What the project's reader finds, undefined when it refuses; any other error is a failure. */
function read(file: Uint8Array): Map<string, Found> | undefined {
  try {
    const { tensors } = parseSafetensorsHeader(file, file.length, 'file');
    return new Map(
      [...tensors.values()].map(({ name, dtype, shape, offset, bytes }) => [
        name,
        { dtype, shape, data: Buffer.from(file.subarray(offset, offset + bytes)).toString('hex') },
      ]),
    );
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
}

/** The same entries, in any order. */
const asObject = (tensors: Map<string, Found> | undefined) =>
  tensors && Object.fromEntries([...tensors].map(([name, found]) => [`tensor ${name}`, found]));

const tensor = fc.record({
  dtype: fc.constantFrom(...Object.keys(WIDTHS).filter((dtype) => dtype !== 'F4')),
  shape: fc.array(fc.nat(3), { maxLength: 3 }),
});

/** A valid file: tensors of a few bytes, some metadata, some padding. */
const validFile = fc
  .record({
    tensors: fc.dictionary(fc.string({ maxLength: 6 }), tensor, { maxKeys: 4 }),
    metadata: fc.option(fc.dictionary(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }))),
    padding: fc.nat(8),
  })
  .map(({ tensors, metadata, padding }) => {
    let end = 0;
    const members = Object.entries(tensors).map(([name, { dtype, shape }]) => {
      const begin = end;
      end += shape.reduce((product, size) => product * size, (WIDTHS[dtype] as number) / 8);
      return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
    });
    if (metadata) members.push(`"__metadata__":${JSON.stringify(metadata)}`);
    const data = Uint8Array.from({ length: end }, (_, i) => (i * 37 + 11) % 256);
    return safetensorsBytes(`{${members.join(',')}}${' '.repeat(padding)}`, data);
  });

const PIECES = [
  '0',
  '1',
  '8',
  '-',
  '.',
  'e1',
  ',',
  ':',
  '"',
  '{',
  '}',
  '[',
  ']',
  '\\',
  ' ',
  'null',
  'F4',
  'U8',
  '[]',
];

/** Takes out up to five bytes at a place and puts something else there. */
const mutation = fc.record({
  at: fc.nat(),
  removed: fc.integer({ min: 0, max: 5 }),
  piece: fc.oneof(
    fc.constantFrom(...PIECES).map((text) => Buffer.from(text)),
    fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
  ),
  /** Whether the length is made to fit again, so that what lies behind it is reached. */
  repaired: fc.boolean(),
});
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutate(file: Buffer, { at, removed, piece, repaired }: Mutation): Buffer {
  const place = at % (file.length + 1);
  const changed = Buffer.concat([file.subarray(0, place), piece, file.subarray(place + removed)]);
  if (repaired && file.length >= 8 && changed.length >= 8 && place >= 8) {
    const length = file.readBigUInt64LE();
    if (BigInt(place) <= length + 8n)
      changed.writeBigUInt64LE(
        BigInt.asUintN(64, length + BigInt(piece.length - Math.min(removed, file.length - place))),
      );
  }
  return changed;
}

describe('a safetensors file', () => {
  it('is read as a second reader reads it', () => {
    fc.assert(
      fc.property(validFile, (file) => {
        expect(asObject(read(file))).toEqual(asObject(readAgain(file)));
        expect(read(file)).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });

  it('that was changed is refused by an error of ours, or read as a second reader reads it', () => {
    let accepted = 0;
    fc.assert(
      fc.property(validFile, fc.array(mutation, { minLength: 1, maxLength: 3 }), (file, mutations) => {
        const changed = mutations.reduce(mutate, Buffer.from(file));
        const ours = read(changed);
        if (ours === undefined) return;
        accepted++;
        expect(asObject(ours)).toEqual(asObject(readAgain(changed)));
      }),
      { numRuns: 6000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });
});

describe('a length that nobody vouches for', () => {
  afterEach(() => vi.unstubAllGlobals());

  it.each([
    ['2^60', 2n ** 60n, 16],
    ['2^64 - 1', 2n ** 64n - 1n, 16],
    ['just under the limit, in a file of 1 KB', 31_999_999n, 1024],
    ['over the limit, in a file that has as much', 100_000_000n, 200_000_000],
  ])('of %s allocates nothing', (_, claim, fileSize) => {
    const path = join(newFolder(), 'model.safetensors');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(claim);
    const descriptor = openSync(path, 'w');
    writeSync(descriptor, length);
    ftruncateSync(descriptor, fileSize);
    closeSync(descriptor);

    const sizes: number[] = [];
    const counted = <T extends object>(type: T) =>
      new Proxy(type, {
        construct(target, args: unknown[], newTarget) {
          if (typeof args[0] === 'number') sizes.push(args[0]);
          return Reflect.construct(target as never, args, newTarget);
        },
      });
    vi.stubGlobal('Uint8Array', counted(Uint8Array));
    vi.stubGlobal('ArrayBuffer', counted(ArrayBuffer));
    expect(() => readSafetensorsHeader(path)).toThrow(/its header claims \d+ bytes/);
    expect(sizes).toEqual([8]);
  });
});
