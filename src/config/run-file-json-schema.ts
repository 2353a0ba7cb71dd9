/**
 * The JSON Schema of `run.yaml`, for editors and for `secateur schema`.
 * @module
 */
import { z } from 'zod';
import type { RunConfig } from './run-schema.js';

/** JSON Schema (draft 2020-12) of what a user may write: shorthands allowed, keys with defaults optional. */
export function runFileJsonSchema(schema: z.ZodType<RunConfig>): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>;
  return { $schema, title: 'secateur run file', ...rest };
}
