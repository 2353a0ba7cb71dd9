/**
 * The version of the inference runtime.
 * @module
 */
import { env } from 'onnxruntime-node';

export const onnxruntimeVersion: string = env.versions.node ?? env.versions.common;
