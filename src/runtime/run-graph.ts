/**
 * Runs compiled graphs inside a worker. Sessions are made on first use and kept for the life of the thread.
 * @module
 */
import * as ort from 'onnxruntime-node';
import type { GraphRef } from './compiled-graph.js';
import { type TensorRef, toOrtTensor } from './tensor-ref.js';

/** One thread a session: parallelism comes from the workers, and one thread sums in one order. */
const SESSION_OPTIONS: ort.InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
};

const sessions = new Map<number, Promise<ort.InferenceSession>>();

function sessionOf(graph: GraphRef): Promise<ort.InferenceSession> {
  let session = sessions.get(graph.id);
  if (!session) {
    session = ort.InferenceSession.create(new Uint8Array(graph.model), SESSION_OPTIONS);
    sessions.set(graph.id, session);
  }
  return session;
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
