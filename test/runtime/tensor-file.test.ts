/** Views of tensors against their definition, element by element. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rowsOf, transposedRowsOf } from '../../src/model/parts/placement.js';
import { isInterleaved, type Strides, type TensorView, viewParts } from '../../src/runtime/tensor-file.js';
import { bandReader, bandWriter } from '../../src/runtime/view-bands.js';
import { readView, writeView } from '../../src/runtime/view-bytes.js';
import { uniform } from '../support/random.js';

/** A view, the rows it has, and the elements of the larger tensor. */
interface Case {
  readonly view: TensorView;
  readonly rows: number;
  readonly whole: number;
}

const START = 24;

function viewOf(strides: Strides, columns: number, elementBytes: 2 | 4): TensorView {
  return { whole: 'tensor', start: START, elementBytes, columns, strides };
}

const size = (max: number) => fc.integer({ min: 1, max });
const elementBytes = fc.constantFrom<(2 | 4)[]>(2, 4);

/** Consecutive rows of [before + rows + after, columns], of its transpose, runs of rows, and every few rows of a transpose. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    kind: fc.constantFrom('rows', 'transposed', 'runs', 'transposed every few'),
    rows: size(20),
    columns: size(20),
    before: fc.nat(5),
    after: fc.nat(5),
    runs: size(5),
    every: size(3),
    elementBytes,
  })
  .map(({ kind, rows, columns, before, after, runs, every, elementBytes }) => {
    const all = before + rows + after;
    const part = { first: before, count: rows };
    switch (kind) {
      case 'rows': {
        const strides = rowsOf('', [all, columns], part);
        return { view: viewOf(strides, columns, elementBytes), rows, whole: all * columns };
      }
      case 'transposed': {
        const strides = transposedRowsOf('', [columns, all], part);
        return { view: viewOf(strides, columns, elementBytes), rows, whole: all * columns };
      }
      case 'runs': {
        const strides = rowsOf('', [runs * all, columns], { first: before, count: rows, step: all });
        return {
          view: viewOf(strides, columns, elementBytes),
          rows: runs * rows,
          whole: runs * all * columns,
        };
      }
      default: {
        // Every few columns of [runs, columns, width].
        const width = before + every * rows;
        const strides = {
          offset: before,
          run: rows,
          runStride: columns * width,
          rowStride: every,
          columnStride: width,
        };
        return {
          view: viewOf(strides, columns, elementBytes),
          rows: runs * rows,
          whole: runs * columns * width,
        };
      }
    }
  });

/** Place of an element in the file, in bytes. */
function placeOf({ start, elementBytes: bytes, columns, strides }: TensorView, index: number): number {
  const { offset, run, runStride, rowStride, columnStride } = strides;
  const [row, column] = [Math.floor(index / columns), index % columns];
  const element =
    offset + Math.floor(row / run) * runStride + (row % run) * rowStride + column * columnStride;
  return start + element * bytes;
}

function randomBytes(count: number, seed: number): Uint8Array {
  const next = uniform(seed);
  return Uint8Array.from({ length: count }, () => 256 * next());
}

function fileOf({ view, whole }: Case): Uint8Array {
  return randomBytes(START + whole * view.elementBytes + 16, 7);
}

/** What the definition says that some elements of a view hold. */
function elementsOf(view: TensorView, file: Uint8Array, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * view.elementBytes);
  for (let i = 0; i < count; i++) {
    const place = placeOf(view, first + i);
    bytes.set(file.subarray(place, place + view.elementBytes), i * view.elementBytes);
  }
  return bytes;
}

/** Reads from a file in memory, and only what belongs to the tensor. */
function readerOf(file: Uint8Array, { view, whole }: Case) {
  return (position: number, target: Uint8Array) => {
    expect(position).toBeGreaterThanOrEqual(START);
    expect(position + target.byteLength).toBeLessThanOrEqual(START + whole * view.elementBytes);
    target.set(file.subarray(position, position + target.byteLength));
  };
}

/** A case with some of its elements. */
const ranges = fc.tuple(cases, fc.nat(), fc.nat()).map(([own, a, b]) => {
  const elements = own.rows * own.view.columns;
  const first = a % elements;
  return { own, first, count: 1 + (b % (elements - first)) };
});

describe('a view of a tensor', () => {
  it('has every element that was asked for in one part, in order', () => {
    fc.assert(
      fc.property(ranges, ({ own: { view }, first, count }) => {
        const { rowStride, columnStride } = view.strides;
        let next = 0;
        for (const { position, rows, columns, index } of viewParts(view, first, count)) {
          expect(index).toBe(next);
          for (let i = 0; i < rows * columns; i++) {
            const element = Math.floor(i / columns) * rowStride + (i % columns) * columnStride;
            expect(position + element * view.elementBytes).toBe(placeOf(view, first + next));
            next++;
          }
        }
        expect(next).toBe(count);
      }),
    );
  });

  it('is read as its definition says, at any place in memory', () => {
    fc.assert(
      fc.property(ranges, fc.nat(3), ({ own, first, count }, shift) => {
        const { view } = own;
        const file = fileOf(own);
        const bytes = count * view.elementBytes;
        const target = new Uint8Array(shift + bytes).subarray(shift);
        readView(view, first * view.elementBytes, target, readerOf(file, own));
        expect(target).toEqual(elementsOf(view, file, first, count));
      }),
    );
  });

  it('is written as its definition says, and nothing beside it but what lies between its rows', () => {
    fc.assert(
      fc.property(ranges, fc.nat(3), ({ own, first, count }, shift) => {
        const { view } = own;
        const { elementBytes: bytes, strides } = view;
        const file = fileOf(own);
        const data = randomBytes(shift + count * bytes, 8).subarray(shift);
        const expected = file.slice();
        for (let i = 0; i < count; i++) {
          expected.set(data.subarray(i * bytes, (i + 1) * bytes), placeOf(view, first + i));
        }
        const written = new Set<number>();
        const write = (position: number, piece: Uint8Array) => {
          for (let i = 0; i < piece.byteLength; i++) written.add(position + i);
          file.set(piece, position);
        };
        writeView(view, first * bytes, data, write, readerOf(file, own));
        expect(file).toEqual(expected);
        if (isInterleaved(view)) expect(written.size).toBeLessThan(count * bytes * strides.rowStride);
        else expect(written.size).toBe(count * bytes);
      }),
    );
  });

  it('is read and written in bands, whatever the pieces that are asked for', () => {
    fc.assert(
      fc.property(ranges, fc.array(size(40)), ({ own, first, count }, sizes) => {
        const { view } = own;
        const { elementBytes: bytes } = view;
        const file = fileOf(own);
        const within = { offset: first * bytes, bytes: count * bytes };
        const target = new Uint8Array(file.length);
        const read = bandReader(view, within, readerOf(file, own));
        const write = bandWriter(
          view,
          within,
          (position, piece) => target.set(piece, position),
          readerOf(target, own),
        );
        for (let at = 0, step = 0; at < within.bytes; step++) {
          const piece = new Uint8Array(Math.min((sizes[step] ?? 30) * bytes, within.bytes - at));
          read(within.offset + at, piece);
          write(within.offset + at, piece);
          at += piece.byteLength;
        }
        expect(elementsOf(view, target, first, count)).toEqual(elementsOf(view, file, first, count));
      }),
    );
  });

  it('of several bands is read and written in long pieces', () => {
    const [rows, columns, all, first] = [2400, 2000, 4800, 1200];
    const view = {
      ...viewOf(transposedRowsOf('', [columns, all], { first, count: rows }), columns, 4),
      start: 0,
    };
    const words = Uint32Array.from({ length: columns * all }, (_, index) => index + 1);
    const file = new Uint8Array(words.buffer);
    const target = new Uint8Array(file.length);
    const within = { offset: 0, bytes: rows * columns * 4 };
    let [reads, writes] = [0, 0];
    const read = bandReader(view, within, (position, piece) => {
      reads++;
      piece.set(file.subarray(position, position + piece.byteLength));
    });
    const put = (position: number, piece: Uint8Array) => {
      writes++;
      target.set(piece, position);
    };
    const write = bandWriter(view, within, put, () => expect.unreachable());
    const chunk = new Uint8Array(30 * columns * 4);
    for (let at = 0; at < within.bytes; at += chunk.byteLength) {
      read(at, chunk);
      write(at, chunk);
    }
    const expected = words.map((word, index) => {
      const row = index % all;
      return row >= first && row < first + rows ? word : 0;
    });
    expect(Buffer.compare(target, new Uint8Array(expected.buffer))).toBe(0);
    // Two bands; a read has all of several columns, a write what one column of a band has.
    expect(reads).toBeLessThanOrEqual(columns);
    expect(writes).toBe(2 * columns);
  });

  it('refuses pieces out of order when it is written, and places outside of its range when it is read', () => {
    const view = viewOf(transposedRowsOf('', [4, 6], { first: 0, count: 6 }), 4, 2);
    const write = bandWriter(
      view,
      { offset: 0, bytes: 48 },
      () => {},
      () => {},
    );
    write(0, new Uint8Array(8));
    expect(() => write(16, new Uint8Array(8))).toThrow(/not written in order/);
    const read = bandReader(view, { offset: 8, bytes: 8 }, () => {});
    expect(() => read(0, new Uint8Array(8))).toThrow(/outside of its range/);
    expect(() => readView(view, 1, new Uint8Array(8), () => {})).toThrow(/no whole elements/);
  });
});
