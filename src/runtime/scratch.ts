/**
 * Buffers that a worker thread keeps between tasks.
 * @module
 */
const buffers = new Map<string, Float32Array<ArrayBuffer>>();

/** The thread's buffer of that name, grown when needed; its content is whatever the last task left. */
export function scratch(name: string, length: number): Float32Array<ArrayBuffer> {
  let buffer = buffers.get(name);
  if (!buffer || buffer.length < length) {
    buffer = new Float32Array(length);
    buffers.set(name, buffer);
  }
  return buffer.subarray(0, length);
}
