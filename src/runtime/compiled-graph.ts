/**
 * A graph ready to run in any worker.
 * @module
 */
import { encodeOnnx } from '../graph/encode-onnx.js';
import type { Graph } from '../graph/graph-builder.js';
import { peakIntermediateBytes } from '../graph/intermediate-bytes.js';
import { allocateNative, float32View, freeNative, type NativeRegion } from '../system/native-memory.js';
import type { TensorRef } from './tensor-ref.js';

/** Plain data for a worker: the model's bytes (shared) and where its tables lie. */
export interface GraphRef {
  readonly id: number;
  /** What its session comes to keep for values on the way. */
  readonly intermediateBytes: number;
  readonly model: Uint8Array<SharedArrayBuffer>;
  /** Among which onnxruntime divides each of its operators. */
  readonly threads: number;
  /** Names, those of the tables included. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly tables: Readonly<Record<string, TensorRef>>;
}

let nextId = 0;

/** What a worker needs to run a graph, but for the memory of its tables. */
export function compile(graph: Graph, threads = 1): Omit<GraphRef, 'id' | 'tables'> {
  return {
    intermediateBytes: peakIntermediateBytes(graph),
    model: encodeOnnx(graph),
    threads,
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => name),
  };
}

/** Encodes graphs once and owns the memory of their tables. */
export class GraphStore {
  readonly #compiled = new Map<string, GraphRef>();
  readonly #regions: NativeRegion[] = [];

  /**
   * The compiled form of `build()`, made on the first use of `key`.
   *
   * @param threads as a rule one: parallelism comes from the workers
   */
  get(key: string, build: () => Graph, threads = 1): GraphRef {
    const place = `${threads} ${key}`;
    const known = this.#compiled.get(place);
    if (known) return known;
    const graph = build();
    const tables: Record<string, TensorRef> = {};
    for (const { value, data } of graph.tables) {
      const region = allocateNative(data.byteLength);
      this.#regions.push(region);
      float32View(region.address, data.length).set(data);
      tables[value.name] = { address: region.address, shape: value.shape };
    }
    const compiled = { id: nextId++, ...compile(graph, threads), tables };
    this.#compiled.set(place, compiled);
    return compiled;
  }

  /** Frees the tables; no worker may be running one of the graphs. */
  dispose(): void {
    for (const region of this.#regions.splice(0)) freeNative(region);
    this.#compiled.clear();
  }
}
