import { closeSync, ftruncateSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsOf, DTYPES } from '../../src/checkpoint/dtype.js';
import {
  MAX_HEADER_BYTES,
  MAX_HEADER_VALUES,
  parseSafetensorsHeader,
  readSafetensorsHeader,
} from '../../src/checkpoint/safetensors-header.js';
import { RequestError } from '../../src/errors.js';
import { safetensorsBytes } from './safetensors-bytes.js';
import { temporaryFolders } from './temporary-folder.js';

const newFolder = temporaryFolders();
const parse = (file: Uint8Array) => parseSafetensorsHeader(file, file.byteLength, '/some/file.safetensors');
const F32 = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
const DATA = new Uint8Array(4);
const DEEP = (depth: number) =>
  `{"a":{"dtype":"F32","x":${'['.repeat(depth)}${']'.repeat(depth)},"shape":[1],"data_offsets":[0,4]}}`;
const U8 = (begin: number, end: number) => ({
  dtype: 'U8',
  shape: [end - begin],
  data_offsets: [begin, end],
});

// What the two lists say was asked of Python's safetensors 0.8.0 too: it accepts the first and refuses the second,
// except for the last entries, which are refused on purpose.
describe('parseSafetensorsHeader accepts', () => {
  it.each<[string, unknown, Uint8Array]>([
    ['a plain header', `{"a":${F32}}`, DATA],
    ['white space after the JSON', `{"a":${F32}} \n\t\r `, DATA],
    ['white space inside', `{ "a" :\n${F32}\t}`, DATA],
    ['no tensors', '{}', new Uint8Array(0)],
    ['metadata null', `{"__metadata__":null,"a":${F32}}`, DATA],
    ['metadata empty', `{"__metadata__":{},"a":${F32}}`, DATA],
    ['unknown fields', '{"a":{"x":[1e5,{"y":null}],"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', DATA],
    ['127 levels', DEEP(125), DATA],
    [
      'an empty tensor of a huge shape',
      { a: { dtype: 'F32', shape: [0, 2 ** 53 - 1, 2 ** 53 - 1], data_offsets: [0, 0] } },
      new Uint8Array(0),
    ],
    ['a scalar', { a: { dtype: 'F32', shape: [], data_offsets: [0, 4] } }, DATA],
    [
      '6-bit elements in whole bytes',
      { a: { dtype: 'F6_E2M3', shape: [4], data_offsets: [0, 3] } },
      new Uint8Array(3),
    ],
    ['tensors in another order than their data', { b: U8(2, 4), a: U8(0, 2) }, DATA],
    ['empty tensors between others', { z: U8(4, 4), y: U8(0, 0), a: U8(0, 4) }, DATA],
    ['a surrogate pair', `{"\\ud83d\\ude00":${F32}}`, DATA],
    ['a NUL in a name', `{"\\u0000":${F32}}`, DATA],
    [
      'a tiny number in an unknown field',
      '{"a":{"x":1e-999,"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      DATA,
    ],
  ])('%s', (_, header, data) => {
    expect(() => parse(safetensorsBytes(header, data))).not.toThrow();
  });
});

const withShape = (shape: string) => `{"a":{"dtype":"F32","shape":${shape},"data_offsets":[0,4]}}`;
const withOffsets = (offsets: string) => `{"a":{"dtype":"F32","shape":[1],"data_offsets":${offsets}}}`;

describe('parseSafetensorsHeader refuses', () => {
  it.each<[string, unknown, Uint8Array, string]>([
    [
      'a hole',
      { b: U8(2, 4), a: U8(0, 1) },
      DATA,
      '"b" begins at byte 2 of the data, but the tensors before it end at byte 1',
    ],
    ['a hole at the start', { a: U8(1, 4) }, DATA, '"a" begins at byte 1'],
    ['an overlap', { b: U8(1, 4), a: U8(0, 2) }, DATA, '"b" begins at byte 1'],
    ['the same bytes twice', { b: U8(0, 4), a: U8(0, 4) }, DATA, 'begins at byte 0'],
    [
      'an end before the beginning',
      { a: { dtype: 'U8', shape: [0], data_offsets: [4, 0] } },
      DATA,
      'before it begins',
    ],
    ['missing bytes', `{"a":${F32}}`, new Uint8Array(3), 'cut short'],
    ['trailing bytes', `{"a":${F32}}`, new Uint8Array(5), '1 bytes follow the last tensor'],
    ['trailing bytes without tensors', '{}', new Uint8Array(1), '1 bytes follow'],
    [
      'too few bytes for the shape',
      { a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } },
      DATA,
      '"a" of dtype F32 and shape [2] needs 8 bytes but its offsets give 4',
    ],
    [
      'too many bytes for the shape',
      { a: { dtype: 'F16', shape: [1], data_offsets: [0, 4] } },
      DATA,
      'needs 2 bytes',
    ],
    [
      'an element count over 64 bits',
      { a: { dtype: 'U8', shape: [2 ** 52, 2 ** 12, 0], data_offsets: [0, 0] } },
      new Uint8Array(0),
      'more bytes than can be counted',
    ],
    [
      'a bit count over 64 bits',
      { a: { dtype: 'F32', shape: [2 ** 52, 2 ** 8], data_offsets: [0, 0] } },
      new Uint8Array(0),
      'more bytes than can be counted',
    ],
    [
      'half bytes',
      { a: { dtype: 'F4', shape: [3], data_offsets: [0, 2] } },
      new Uint8Array(2),
      'does not fill whole bytes',
    ],
    [
      'an unknown dtype',
      { a: { dtype: 'F31', shape: [1], data_offsets: [0, 4] } },
      DATA,
      'tensor "a" has the unknown dtype "F31"',
    ],
    [
      'a dtype in lower case',
      { a: { dtype: 'f32', shape: [1], data_offsets: [0, 4] } },
      DATA,
      'unknown dtype "f32"',
    ],
    [
      'a dtype named like an inherited property',
      { a: { dtype: 'constructor', shape: [1], data_offsets: [0, 4] } },
      DATA,
      'unknown dtype',
    ],
    ['a missing dtype', '{"a":{"shape":[1],"data_offsets":[0,4]}}', DATA, 'no "dtype"'],
    ['a missing shape', '{"a":{"dtype":"F32","data_offsets":[0,4]}}', DATA, 'no "shape"'],
    ['missing offsets', '{"a":{"dtype":"F32","shape":[1]}}', DATA, 'no "data_offsets"'],
    ['a tensor that is null', '{"a":null}', new Uint8Array(0), '"a" is not described by an object'],
    [
      'a field twice',
      '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      DATA,
      'the key "dtype" a second time',
    ],
    ...['1.0', '1e0', '1E0', '-0', '-1', '"1"', 'null', 'true', '[1]'].map(
      (n): [string, unknown, Uint8Array, string] => [
        `the dimension ${n}`,
        withShape(`[${n}]`),
        DATA,
        '"a" has no "shape" array of non-negative integers',
      ],
    ),
    ...['01', '+1', '1.', '.5', '0x1'].map((n): [string, unknown, Uint8Array, string] => [
      `the dimension ${n}`,
      withShape(`[${n}]`),
      DATA,
      'not valid JSON',
    ]),
    ['a shape that is not an array', withShape('1'), DATA, 'no "shape"'],
    ['one offset', withOffsets('[0]'), DATA, 'no "data_offsets" pair'],
    ['three offsets', withOffsets('[0,4,4]'), DATA, 'no "data_offsets" pair'],
    ['a fraction as offset', withOffsets('[0,4.0]'), DATA, 'no "data_offsets" pair'],
    [
      'offsets beyond any file',
      { a: { dtype: 'U8', shape: [2 ** 52], data_offsets: [0, 2 ** 52] } },
      DATA,
      'cut short',
    ],
    ['metadata that is an array', `{"__metadata__":[],"a":${F32}}`, DATA, '"__metadata__" is not an object'],
    [
      'a metadata value that is a number',
      `{"__metadata__":{"k":1},"a":${F32}}`,
      DATA,
      '"k" that is not a string',
    ],
    [
      'a metadata value that is null',
      `{"__metadata__":{"k":null},"a":${F32}}`,
      DATA,
      '"k" that is not a string',
    ],
    ['metadata twice', `{"__metadata__":{},"__metadata__":{},"a":${F32}}`, DATA, 'a second time'],
    ['no JSON', '', new Uint8Array(0), 'does not begin with "{"'],
    ['an array', '[]', new Uint8Array(0), 'does not begin with "{"'],
    ['null', 'null', new Uint8Array(0), 'does not begin with "{"'],
    ['a byte order mark', `\ufeff{"a":${F32}}`, DATA, 'does not begin with "{"'],
    ['zeros after the JSON', `{"a":${F32}}\0`, DATA, 'an unexpected character'],
    ['a trailing comma', `{"a":${F32},}`, DATA, 'not valid JSON'],
    ['an unclosed object', `{"a":${F32}`, DATA, 'not valid JSON'],
    ['invalid UTF-8', Buffer.from(`{"\xff":${F32}}`, 'latin1'), DATA, 'not valid UTF-8'],
    ['half a surrogate pair', `{"\\ud800":${F32}}`, DATA, 'surrogate'],
    ['a control character', `{"a\n":${F32}}`, DATA, 'control character'],
    ['an unknown escape', `{"a\\xb":${F32}}`, DATA, 'invalid escape'],
    [
      'an infinite number',
      '{"a":{"x":1e999,"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      DATA,
      'out of range',
    ],
    // From here on Python's reader is more lenient.
    ['a name twice', `{"a":${F32},"a":${F32}}`, DATA, 'the key "a" a second time'],
    ['a name twice, spelt differently', `{"a":${F32},"\\u0061":${F32}}`, DATA, 'the key "a" a second time'],
    [
      'a metadata key twice',
      `{"__metadata__":{"k":"1","k":"2"},"a":${F32}}`,
      DATA,
      'the key "k" a second time',
    ],
    ['white space before the JSON', ` {"a":${F32}}`, DATA, 'does not begin with "{"'],
    ['a tensor described by an array', '{"a":["F32",[1],[0,4]]}', DATA, 'not described by an object'],
    [
      'a dtype wrapped in an object',
      '{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}',
      DATA,
      'no "dtype" string',
    ],
    [
      'an integer over 2^53 - 1',
      '{"a":{"dtype":"F32","shape":[0,9007199254740993],"data_offsets":[0,0]}}',
      new Uint8Array(0),
      'no "shape"',
    ],
  ])('%s', (_, header, data, reason) => {
    const file = safetensorsBytes(header, data);
    expect(() => parse(file)).toThrow(RequestError);
    expect(() => parse(file)).toThrow('/some/file.safetensors is not a valid safetensors file: ');
    expect(() => parse(file)).toThrow(reason);
  });

  it.each([
    ['an empty file', Buffer.alloc(0), 'it has 0 bytes'],
    ['seven bytes', Buffer.alloc(7), 'it has 7 bytes'],
    [
      'a length of 2^64 - 1',
      Buffer.alloc(16, 0xff),
      'claims 18446744073709551615 bytes; the limit is 32000000',
    ],
    [
      'a length beyond the file',
      Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 0x7b]),
      'claims 9 bytes but only 1 follow',
    ],
    ['a length of zero', Buffer.alloc(8), 'does not begin with "{"'],
  ])('%s', (_, file, reason) => {
    expect(() => parse(file)).toThrow(RequestError);
    expect(() => parse(file)).toThrow(reason);
  });
});

describe('parseSafetensorsHeader', () => {
  it.each([
    ['128 levels', DEEP(126), 'more than 127 nested arrays and objects at byte 150'],
    [
      'a million values',
      `{"a":{"x":[${'0,'.repeat(MAX_HEADER_VALUES)}0],"dtype":"F32"}}`,
      `more than ${MAX_HEADER_VALUES} keys and values at byte`,
    ],
  ])('says of %s that they are over the limit', (_, header, reason) => {
    const file = safetensorsBytes(header, DATA);
    expect(() => parse(file)).toThrow(RequestError);
    expect(() => parse(file)).toThrow(`/some/file.safetensors: its header is over the limit: ${reason}`);
  });

  it('says where each tensor lies, in the order of the data', () => {
    const file = safetensorsBytes({ b: U8(1, 4), __metadata__: { k: 'v' }, a: U8(0, 1) }, DATA);
    const { tensors, metadata, dataStart } = parse(file);
    expect(dataStart).toBe(file.byteLength - 4);
    expect([...tensors.values()]).toEqual([
      { name: 'a', dtype: 'U8', shape: [1], offset: dataStart, bytes: 1 },
      { name: 'b', dtype: 'U8', shape: [3], offset: dataStart + 1, bytes: 3 },
    ]);
    expect(metadata).toEqual(new Map([['k', 'v']]));
  });

  it('gives names such as __proto__ no meaning', () => {
    const text = `{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"constructor":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},"7":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}`;
    const { tensors } = parse(safetensorsBytes(text, DATA));
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor', '7']);
    expect(tensors.has('toString')).toBe(false);
    expect(Object.prototype).not.toHaveProperty('dtype');
  });

  it('accepts any consistent header and refuses it with any byte of data more or less', () => {
    const tensor = fc.record({
      dtype: fc.constantFrom(...DTYPES.filter((dtype) => bitsOf(dtype) >= 8)),
      shape: fc.array(fc.nat(6), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'binary' }), tensor), (specs) => {
        let end = 0;
        const header = Object.entries(specs).map(([name, { dtype, shape }]) => {
          const begin = end;
          end += (shape.reduce((product, size) => product * size, 1) * bitsOf(dtype)) / 8;
          return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`;
        });
        const file = safetensorsBytes(`{${header.join(',')}}`, new Uint8Array(end + 1));
        const { tensors } = parse(file.subarray(0, -1));
        expect([...tensors.keys()].sort()).toEqual(Object.keys(specs).sort());
        expect(() => parse(file)).toThrow(RequestError);
        if (end > 0) expect(() => parse(file.subarray(0, -2))).toThrow(RequestError);
      }),
    );
  });

  it('never fails in another way, whatever bytes it gets', () => {
    const valid = safetensorsBytes(`{"__metadata__":{"format":"pt"},"a":${F32}}`, DATA);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const file = Buffer.from(valid);
          for (const [at, byte] of changes) file[at] = byte;
          try {
            const { tensors, dataStart } = parse(file);
            let position = dataStart;
            for (const { offset, bytes } of tensors.values()) {
              expect(offset).toBe(position);
              position += bytes;
            }
            expect(position).toBe(file.byteLength);
          } catch (error) {
            expect(error).toBeInstanceOf(RequestError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('readSafetensorsHeader', () => {
  it('reads the header alone, of a file of any size', () => {
    const path = join(newFolder(), 'model.safetensors');
    const bytes = 6 * 2 ** 30;
    const header = safetensorsBytes({ big: { dtype: 'BF16', shape: [bytes / 2], data_offsets: [0, bytes] } });
    const descriptor = openSync(path, 'w');
    writeSync(descriptor, header);
    ftruncateSync(descriptor, header.byteLength + bytes);
    closeSync(descriptor);
    const file = readSafetensorsHeader(path);
    expect(file.tensors.get('big')).toMatchObject({ offset: header.byteLength, bytes });
    expect(file.size).toBe(header.byteLength + bytes);
    expect(Buffer.from(file.headerBytes).equals(header)).toBe(true);
  });

  it('does not allocate what a hostile length asks for', () => {
    const folder = newFolder();
    const path = join(folder, 'model.safetensors');
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(MAX_HEADER_BYTES + 1));
    const descriptor = openSync(path, 'w');
    writeSync(descriptor, length);
    ftruncateSync(descriptor, 2 * MAX_HEADER_BYTES);
    closeSync(descriptor);
    expect(() => readSafetensorsHeader(path)).toThrow(
      `${path} is not a valid safetensors file: its header claims`,
    );
    writeFileSync(path, 'short');
    expect(() => readSafetensorsHeader(path)).toThrow('it has 5 bytes');
    expect(() => readSafetensorsHeader(join(folder, 'missing'))).toThrow(RequestError);
  });
});
