/**
 * A matrix in rectangular tiles, in the order of rows of tiles. Those at the lower and right edges are as large as what is
 * left.
 * @module
 */
import { partsOf } from '../runtime/parts.js';

export class Tiling {
  readonly rows: number;
  readonly columns: number;
  /** Of a tile, at most. */
  readonly tileRows: number;
  readonly tileColumns: number;
  /** Tiles beside each other. */
  readonly across: number;
  readonly count: number;

  constructor(rows: number, columns: number, [tileRows, tileColumns]: readonly [number, number]) {
    this.rows = rows;
    this.columns = columns;
    this.tileRows = Math.min(tileRows, rows);
    this.tileColumns = Math.min(tileColumns, columns);
    this.across = Math.ceil(columns / this.tileColumns);
    this.count = this.across * Math.ceil(rows / this.tileRows);
  }

  /** Weights of a tile. */
  size(tile: number): number {
    const { height, width } = this.#place(tile);
    return height * width;
  }

  /** Indices in the matrix of the weights of a tile, ascending. */
  indices(tile: number): Uint32Array {
    const { row, column, height, width } = this.#place(tile);
    return Uint32Array.from(
      { length: height * width },
      (_, at) => (row + Math.floor(at / width)) * this.columns + column + (at % width),
    );
  }

  /** Rows of so many tiles that they have about that many weights, for tasks. */
  parts(elements: number): { readonly firstRow: number; readonly rows: number }[] {
    const step = Math.max(1, Math.floor(elements / (this.tileRows * this.columns))) * this.tileRows;
    return partsOf(this.rows, step).map(({ first, count }) => ({ firstRow: first, rows: count }));
  }

  #place(tile: number) {
    const row = Math.floor(tile / this.across) * this.tileRows;
    const column = (tile % this.across) * this.tileColumns;
    return {
      row,
      column,
      height: Math.min(this.tileRows, this.rows - row),
      width: Math.min(this.tileColumns, this.columns - column),
    };
  }
}
