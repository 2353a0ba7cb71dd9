/**
 * What can be said against a Thrift structure before anything is made of it: that it holds more than is allowed (one byte
 * can become a hundred of memory), or that it is garbage.
 * @see https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
 * @module
 */

export interface ThriftLimits {
  /** Structures and lists that may be open at once. */
  readonly maxDepth: number;
  /** Fields and elements of lists that there may be in all. */
  readonly maxValues: number;
}

/** How many bytes the structure takes; or what is wrong, `incomplete` when only more bytes could tell. */
export type ThriftExtent =
  | { readonly bytes: number }
  | { readonly reason: string; readonly incomplete: boolean };

/** Kinds of values by their code, as far as Parquet uses them. */
const TRUE = 1;
const FALSE = 2;
const BYTE = 3;
const I64 = 6;
const DOUBLE = 7;
const BINARY = 8;
const LIST = 9;
const STRUCT = 12;

/** Bytes of the longest number: 64 bits, seven a byte. */
const maximumVarint = 10;

/** A list's length in its head means that it follows. */
const longList = 15;

class Problem extends Error {
  constructor(
    reason: string,
    readonly incomplete = false,
  ) {
    super(reason);
  }
}

/** Measures the structure at the beginning of `bytes`, in the compact protocol. */
export function thriftExtent(bytes: Uint8Array, limits: ThriftLimits): ThriftExtent {
  let at = 0;
  let values = 0;

  const skip = (count: number) => {
    if (count > bytes.length - at) throw new Problem('it ends early', true);
    at += count;
  };
  const next = (): number => {
    skip(1);
    return bytes[at - 1] as number;
  };
  const varint = (): number => {
    let value = 0;
    for (let i = 0; i < maximumVarint; i++) {
      const byte = next();
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw new Problem(`a number of more than ${maximumVarint} bytes`);
  };
  const count = (added: number) => {
    values += added;
    if (values > limits.maxValues) throw new Problem(`more than ${limits.maxValues} values`);
  };
  const requireDepth = (depth: number) => {
    if (depth > limits.maxDepth) throw new Problem(`more than ${limits.maxDepth} levels`);
  };
  const value = (type: number, depth: number): void => {
    if (type === BYTE) skip(1);
    else if (type > BYTE && type <= I64) varint();
    else if (type === DOUBLE) skip(8);
    else if (type === BINARY) skip(varint());
    else if (type === LIST) list(depth + 1);
    else if (type === STRUCT) struct(depth + 1);
    else if (type !== TRUE && type !== FALSE) throw new Problem(`a value of the unknown kind ${type}`);
  };
  const list = (depth: number) => {
    requireDepth(depth);
    const head = next();
    const length = head >> 4 === longList ? varint() : head >> 4;
    const type = head & 0x0f;
    // Every element takes a byte.
    if (length > bytes.length - at) throw new Problem('it ends early', true);
    count(length);
    for (let i = 0; i < length; i++) value(type === TRUE || type === FALSE ? BYTE : type, depth);
  };
  const struct = (depth: number) => {
    requireDepth(depth);
    for (;;) {
      const head = next();
      if ((head & 0x0f) === 0) return;
      if (head >> 4 === 0) varint();
      count(1);
      value(head & 0x0f, depth);
    }
  };

  try {
    struct(1);
    return { bytes: at };
  } catch (error) {
    if (error instanceof Problem) return { reason: error.message, incomplete: error.incomplete };
    throw error;
  }
}
