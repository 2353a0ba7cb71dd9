/**
 * Runs compiled graphs inside a worker. Sessions are made on first use and kept until a graph of another store is run.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { trimReserve } from '../system/native-memory.js';
import type { GraphRef } from './compiled-graph.js';
import { type TensorRef, toOrtTensor } from './tensor-ref.js';

/**
 * One thread a session: parallelism comes from the workers, and one thread sums in one order. No memory pattern: it
 * asks for all activations of a run in one piece, and the session's arena then holds on to pieces of two kinds.
 */
const SESSION_OPTIONS: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  enableMemPattern: false,
  logSeverityLevel: 3,
};

/** Graphs that belong to no store, and stay: those of single operators. */
export const NO_STORE = -1;

const sessions = new Map<number, Promise<ort.InferenceSession>>();
let currentStore = NO_STORE;

async function sessionOf(graph: GraphRef): Promise<ort.InferenceSession> {
  if (graph.store !== NO_STORE && graph.store !== currentStore) {
    currentStore = graph.store;
    await releaseStored();
  }
  let session = sessions.get(graph.id);
  if (!session) {
    session = ort.InferenceSession.create(new Uint8Array(graph.model), SESSION_OPTIONS);
    sessions.set(graph.id, session);
  }
  return await session;
}

/** Sessions keep the memory of their activations; graphs of a store have ids from 0. */
async function releaseStored(): Promise<void> {
  for (const [id, session] of sessions) {
    if (id < 0) continue;
    sessions.delete(id);
    await (await session).release();
  }
  trimReserve();
}

export type Feeds = Readonly<Record<string, TensorRef | ort.Tensor>>;

function tensors(feeds: Feeds): Record<string, ort.Tensor> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [name, 'address' in tensor ? toOrtTensor(tensor) : tensor]),
  );
}

/** Runs a graph once; every output is written in place into `outputs`. An output may be one of the inputs' memory. */
export async function runGraph(graph: GraphRef, inputs: Feeds, outputs: Feeds): Promise<void> {
  const session = await sessionOf(graph);
  await session.run(tensors({ ...graph.tables, ...inputs }), tensors(outputs));
}
