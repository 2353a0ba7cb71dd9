/**
 * A graph that onnxruntime has made ready to run, in this thread.
 * @module
 */
import { ELEMENT_TYPES, elementCount } from '../graph/value.js';
import { addressOf } from '../system/native-memory.js';
import type { GraphRef } from './compiled-graph.js';
import { onnxRuntime } from './onnxruntime.js';
import { openSessions } from './open-sessions.js';
import type { TensorRef } from './tensor-ref.js';

/** Tensors by the names of a graph's inputs or outputs. */
export type Feeds = Readonly<Record<string, TensorRef>>;

export class Session {
  readonly #session: bigint;
  readonly #inputs: Names;
  readonly #outputs: Names;

  constructor({ model, inputs, outputs, threads }: Omit<GraphRef, 'id' | 'tables' | 'intermediateBytes'>) {
    const { create, env, sessionOptions } = onnxRuntime();
    const bytes = new Uint8Array(model);
    this.#session = create(
      'createSessionFromArray',
      env,
      bytes,
      BigInt(bytes.length),
      sessionOptions(threads),
    );
    openSessions?.add(this.#session);
    this.#inputs = new Names(inputs);
    this.#outputs = new Names(outputs);
  }

  /** Runs once; what is fed under names that the graph doesn't have is left alone. */
  run(inputs: Feeds, outputs: Feeds): void {
    const { call } = onnxRuntime();
    withValues(this.#inputs, inputs, (from) =>
      withValues(this.#outputs, outputs, (to) =>
        call(
          'run',
          ...[this.#session, null],
          ...[this.#inputs.pointers, from, BigInt(from.length)],
          ...[this.#outputs.pointers, BigInt(to.length), to],
        ),
      ),
    );
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

/** Calls `use` with onnxruntime's descriptions of tensors, in the order of their names; their memory stays ours. */
function withValues({ list }: Names, feeds: Feeds, use: (values: BigUint64Array) => void): void {
  const { create, memoryInfo, release } = onnxRuntime();
  const values = new BigUint64Array(list.length);
  // Arrays among the tensors must last until the end.
  const tensors: TensorRef[] = [];
  try {
    for (const [index, name] of list.entries()) {
      const tensor = feeds[name];
      if (!tensor) throw new Error(`nothing is given for ${name}`);
      tensors.push(tensor);
      const { address, shape, type = 'float32' } = tensor;
      const { code, bytes } = ELEMENT_TYPES[type];
      values[index] = create(
        'createTensorWithDataAsOrtValue',
        ...[memoryInfo, address, BigInt(elementCount(shape) * bytes)],
        ...[BigInt64Array.from(shape, BigInt), BigInt(shape.length), code],
      );
    }
    use(values);
  } finally {
    for (const index of tensors.keys()) if (values[index]) release('value', values[index]);
  }
}
