/**
 * A graph that onnxruntime has made ready to run, in this thread.
 * @module
 */
import { elementCount } from '../graph/value.js';
import { addressOf } from '../system/native-memory.js';
import type { GraphRef } from './compiled-graph.js';
import { onnxRuntime } from './onnxruntime.js';
import { openSessions } from './open-sessions.js';
import type { TensorRef } from './tensor-ref.js';

/** Tensors by the names of a graph's inputs or outputs. */
export type Feeds = Readonly<Record<string, TensorRef>>;

/** `ONNXTensorElementDataType` */
const ELEMENT_TYPES = { float32: { code: 1, bytes: 4 }, int64: { code: 7, bytes: 8 } } as const;

export class Session {
  readonly #session: bigint;
  readonly #inputs: Names;
  readonly #outputs: Names;

  constructor({ model, inputs, outputs }: Pick<GraphRef, 'model' | 'inputs' | 'outputs'>) {
    const { create, env, sessionOptions } = onnxRuntime();
    const bytes = new Uint8Array(model);
    this.#session = create('createSessionFromArray', env, bytes, BigInt(bytes.length), sessionOptions);
    openSessions?.add(this.#session);
    this.#inputs = new Names(inputs);
    this.#outputs = new Names(outputs);
  }

  /** Runs once; what is fed under names that the graph doesn't have is left alone. */
  run(inputs: Feeds, outputs: Feeds): void {
    const { call } = onnxRuntime();
    const from = new Values(this.#inputs, inputs);
    const to = new Values(this.#outputs, outputs);
    try {
      call(
        'run',
        ...[this.#session, null],
        ...[this.#inputs.pointers, from.pointers, BigInt(from.pointers.length)],
        ...[this.#outputs.pointers, BigInt(to.pointers.length), to.pointers],
      );
    } finally {
      from.release();
      to.release();
    }
  }

  release(): void {
    openSessions?.remove(this.#session);
    onnxRuntime().release('session', this.#session);
  }
}

/** C strings, and where they lie. */
class Names {
  readonly list: readonly string[];
  readonly pointers: BigUint64Array;
  /** Whose memory is pointed to. */
  readonly strings: readonly Uint8Array[];

  constructor(list: readonly string[]) {
    this.list = list;
    this.strings = list.map((name) => new TextEncoder().encode(`${name}\0`));
    this.pointers = BigUint64Array.from(this.strings, addressOf);
  }
}

/** onnxruntime's descriptions of tensors, whose memory stays ours. */
class Values {
  readonly pointers: BigUint64Array;
  /** Whose memory is pointed to, where it is JavaScript's. */
  readonly feeds: Feeds;

  constructor({ list }: Names, feeds: Feeds) {
    const { create, memoryInfo } = onnxRuntime();
    this.feeds = feeds;
    this.pointers = new BigUint64Array(list.length);
    for (const [index, name] of list.entries()) {
      const tensor = feeds[name];
      if (!tensor) {
        this.release();
        throw new Error(`nothing is given for ${name}`);
      }
      const { address, shape, type = 'float32' } = tensor;
      const { code, bytes } = ELEMENT_TYPES[type];
      const length = BigInt(elementCount(shape) * bytes);
      const sizes = BigInt64Array.from(shape, BigInt);
      const value = create(
        'createTensorWithDataAsOrtValue',
        ...[memoryInfo, address, length, sizes, BigInt(shape.length), code],
      );
      this.pointers[index] = value;
    }
  }

  release(): void {
    for (const value of this.pointers) if (value !== 0n) onnxRuntime().release('value', value);
  }
}
