import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadRunFile } from '../../src/config/load-run-file.js';
import { createRunSchema, type RunConfig } from '../../src/config/run-schema.js';
import { RequestError } from '../../src/errors.js';

/** A schema with two methods, two allocations, two refinements and two updates, as the registries make it. */
export const schema = createRunSchema({
  methods: {
    magnitude: z.strictObject({}),
    sparsegpt: z.object({
      damping: z.number().positive().default(0.01),
      block_size: z.int().min(1).default(128),
    }),
  },
  allocations: {
    uniform: z.strictObject({}),
    owl: z.object({
      lambda: z.number().min(0).lt(1).default(0.08),
      outlier: z.number().positive().default(5),
    }),
  },
  refinements: { none: z.strictObject({}), swap: z.strictObject({ cycles: z.int().min(0).default(50) }) },
  updates: { none: z.strictObject({}), refit: z.strictObject({ steps: z.int().min(1).default(50) }) },
});

/** Runs `body` with an empty folder that is gone afterwards. */
export function inFolder<T>(body: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'secateur-config-'));
  try {
    return body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The config of a run file with this text, and the folder it lay in. */
export function load(text: string | Uint8Array, set: string[] = []): { config: RunConfig; folder: string } {
  return inFolder((folder) => {
    const path = join(folder, 'run.yaml');
    writeFileSync(path, text);
    return { config: loadRunFile(path, schema, { set }).config, folder };
  });
}

/** The message that loading this text ends with, the file's folder cut off. Throws when it loads. */
export function failure(text: string | Uint8Array, set: string[] = []): string {
  return inFolder((folder) => {
    const path = join(folder, 'run.yaml');
    writeFileSync(path, text);
    try {
      loadRunFile(path, schema, { set });
    } catch (error) {
      if (error instanceof RequestError) return error.message.replaceAll(`${folder}/`, '');
      throw error;
    }
    throw new Error('this run file was expected to be refused');
  });
}
