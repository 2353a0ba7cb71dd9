/**
 * A size in `config.json`.
 * @module
 */
import { z } from 'zod';

/** Far above every published model; keeps absurd configs from asking for absurd memory. */
const MAX_SIZE = 2 ** 24;

export const configSize = z.int().positive().max(MAX_SIZE);
