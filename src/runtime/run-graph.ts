/**
 * Runs compiled graphs inside a worker. Sessions are made on first use and kept while there is room for what they keep.
 * @module
 */
import * as ort from 'onnxruntime-node';
import { trimReserve } from '../system/native-memory.js';
import type { GraphRef } from './compiled-graph.js';
import { KEPT_BYTES } from './kept-sessions.js';
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

/** In the order of their last use. */
const sessions = new Map<number, { readonly graph: GraphRef; readonly session: ort.InferenceSession }>();

async function sessionOf(graph: GraphRef): Promise<ort.InferenceSession> {
  const { id } = graph;
  const known = sessions.get(id);
  sessions.delete(id);
  await makeRoom(graph.intermediateBytes);
  const session =
    known?.session ?? (await ort.InferenceSession.create(new Uint8Array(graph.model), SESSION_OPTIONS));
  sessions.set(id, { graph, session });
  return session;
}

/** Releases what was used longest ago, so that the others and a session of `bytes` stay within what may be kept. */
async function makeRoom(bytes: number): Promise<void> {
  let kept = bytes;
  for (const { graph } of sessions.values()) kept += graph.intermediateBytes;
  if (kept <= KEPT_BYTES) return;
  for (const [id, { graph, session }] of sessions) {
    if (graph.intermediateBytes === 0) continue;
    sessions.delete(id);
    await session.release();
    kept -= graph.intermediateBytes;
    if (kept <= KEPT_BYTES) break;
  }
  trimReserve();
}

export type Feeds = Readonly<Record<string, TensorRef | ort.Tensor>>;

/** Of feeds those that are asked for: a view of memory costs time, and counts for the garbage collector. */
function tensors(names: readonly string[], feeds: Feeds): Record<string, ort.Tensor> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const tensor = feeds[name];
      if (!tensor) return [];
      return [[name, 'address' in tensor ? toOrtTensor(tensor) : tensor]];
    }),
  );
}

/**
 * Runs a graph once; every output is written in place into `outputs`. An output may be one of the inputs' memory; inputs
 * that the graph doesn't have are left alone.
 */
export async function runGraph(graph: GraphRef, inputs: Feeds, outputs: Feeds): Promise<void> {
  const session = await sessionOf(graph);
  const feeds = tensors(session.inputNames, { ...graph.tables, ...inputs });
  await session.run(feeds, tensors(session.outputNames, outputs));
}
