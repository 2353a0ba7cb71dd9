/**
 * Buffers that a worker thread keeps between tasks.
 * @module
 */
import { alignedFloat32 } from '../system/native-memory.js';

const buffers = new Map<string, Float32Array<ArrayBuffer>>();

/** The thread's buffer of that name, grown when needed; its content is whatever the last task left. */
export function scratch(name: string, length: number): Float32Array<ArrayBuffer> {
  let buffer = buffers.get(name);
  if (!buffer || buffer.length < length) {
    buffer = alignedFloat32(length);
    buffers.set(name, buffer);
  }
  return buffer.subarray(0, length);
}
