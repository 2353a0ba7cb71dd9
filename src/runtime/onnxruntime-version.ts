/**
 * The version of the inference runtime.
 * @module
 */
import { createRequire } from 'node:module';

/** From its package: loading the runtime itself takes as long as starting does, and only workers need it. */
export const onnxruntimeVersion: string = createRequire(import.meta.url)(
  'onnxruntime-node/package.json',
).version;
