/**
 * Optimal brain damage: ½·w_ij²·H_jj with the diagonal of H = (2/tokens)·XᵀX, which is the loss of a linear's output when
 * that weight alone goes; compared over the whole matrix (LeCun, Denker & Solla 1990, NIPS 2). What is computed is its
 * square root but for a factor, |w_ij|·‖X_j‖₂, which orders weights in the same way.
 * @module
 */
import type { Score } from './score.js';
import { wanda } from './wanda.js';

export const obd: Score = { ...wanda, name: 'obd', comparisonGroup: 'tensor' };
