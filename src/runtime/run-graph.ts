/**
 * Runs compiled graphs inside a worker. Sessions are made on first use and kept while there is room for what they keep.
 * @module
 */
import { trimReserve } from '../system/native-memory.js';
import type { GraphRef } from './compiled-graph.js';
import { KEPT_BYTES } from './kept-sessions.js';
import { type Feeds, Session } from './session.js';

/** In the order of their last use. */
const sessions = new Map<number, { readonly graph: GraphRef; readonly session: Session }>();

function sessionOf(graph: GraphRef): Session {
  const { id } = graph;
  const known = sessions.get(id);
  sessions.delete(id);
  makeRoom(graph.intermediateBytes);
  const session = known?.session ?? new Session(graph);
  sessions.set(id, { graph, session });
  return session;
}

/** Releases what was used longest ago, so that the others and a session of `bytes` stay within what may be kept. */
function makeRoom(bytes: number): void {
  let kept = bytes;
  for (const { graph } of sessions.values()) kept += graph.intermediateBytes;
  if (kept <= KEPT_BYTES) return;
  for (const [id, { graph, session }] of sessions) {
    if (graph.intermediateBytes === 0) continue;
    sessions.delete(id);
    session.release();
    kept -= graph.intermediateBytes;
    if (kept <= KEPT_BYTES) break;
  }
  trimReserve();
}

/**
 * Runs a graph once; every output is written in place into `outputs`. An output may be one of the inputs' memory; inputs
 * that the graph doesn't have are left alone.
 */
export function runGraph(graph: GraphRef, inputs: Feeds, outputs: Feeds): void {
  sessionOf(graph).run({ ...graph.tables, ...inputs }, outputs);
}
