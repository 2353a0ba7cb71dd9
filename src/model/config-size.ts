/**
 * Sizes in `config.json`.
 * @module
 */
import { z } from 'zod';

/** Far above every published model; keeps absurd configs from asking for absurd memory. */
const MAX_SIZE = 2 ** 24;

/** Widths, vocabularies, sequence lengths. */
export const configSize = z.int().positive().max(MAX_SIZE);

/** Blocks are described one by one before the checkpoint is looked at; the deepest published models have some hundred. */
export const MAX_LAYERS = 4096;

export const configLayers = z.int().positive().max(MAX_LAYERS);

/** Experts are described one by one as well; published models have 512 in a block at most, and some 25,000 in all. */
const MAX_EXPERTS = 4096;

export const configExperts = z.int().positive().max(MAX_EXPERTS);

/** Experts of all blocks. */
export const MAX_ALL_EXPERTS = 2 ** 15;

/** Heads of all blocks that have tensors of their own, which are described one by one; published models have some 1,600. */
export const MAX_ALL_HEADS = 2 ** 16;

/** Rotary frequencies are computed for every pair of a head; published heads have 256 dimensions at most. */
const MAX_HEAD_SIZE = 2 ** 14;

export const configHeadSize = z.int().positive().max(MAX_HEAD_SIZE);
