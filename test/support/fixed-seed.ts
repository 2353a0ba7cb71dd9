/**
 * Property tests draw the same cases in every run, so that a failure is about the change at hand. Set SEED to draw others.
 * @module
 */
import fc from 'fast-check';

fc.configureGlobal({ seed: Number(process.env.SEED ?? 20_261_124) });
