/**
 * A typed value of a graph: what operators take and return.
 * @module
 */

export type ElementType = 'float32' | 'int64';

/** By type, its number in `TensorProto.DataType`, which is also that of onnxruntime's C API, and the bytes of an element. */
export const ELEMENT_TYPES: Readonly<Record<ElementType, { readonly code: number; readonly bytes: number }>> =
  {
    float32: { code: 1, bytes: 4 },
    int64: { code: 7, bytes: 8 },
  };

/** A dimension that is known only when the graph runs; only graphs of one operator use it. */
export const FREE = -1;

/** One tensor inside a graph. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

/** Number of elements of a shape; 1 for a scalar. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
