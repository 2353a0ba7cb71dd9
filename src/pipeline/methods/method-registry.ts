/**
 * The methods, and what may follow one, by the names that run files use.
 * @module
 */
import { z } from 'zod';
import { createRunSchema } from '../../config/run-schema.js';
import { gblm } from '../../scores/gblm.js';
import { gradient } from '../../scores/gradient.js';
import { obd } from '../../scores/obd.js';
import { ria } from '../../scores/ria.js';
import { wanda } from '../../scores/wanda.js';
import { allocations } from '../allocations/allocation-registry.js';
import { admmMethod, admmUpdateMethod } from './admm-method.js';
import { alpsMethod } from './alps-method.js';
import { dsnotMethod } from './dsnot-method.js';
import { leastSquaresMethod } from './least-squares-method.js';
import { lossChangeMethod } from './loss-change-method.js';
import { magnitudeMethod } from './magnitude-method.js';
import type { Method } from './method.js';
import { regionalMethod } from './regional-method.js';
import { scoreMethod } from './score-method.js';
import { sparseGptMethod } from './sparsegpt-method.js';
import { thanosMethod } from './thanos-method.js';
import { wandaPlusPlusMethod } from './wanda-plus-plus-method.js';

export const methods: readonly Method[] = [
  magnitudeMethod,
  scoreMethod(
    wanda,
    z.strictObject({}).describe('Wanda: in every row, the smallest |weight| · input norm go.'),
  ),
  scoreMethod(
    ria,
    z
      .strictObject({
        exponent: z.number().min(0).max(10).default(0.5).describe('The power of the input norm.'),
      })
      .describe(
        'RIA: in every row, the smallest shares of row and column, times a power of the input norm, go.',
      ),
  ),
  scoreMethod(
    obd,
    z
      .strictObject({
        hessian: z
          .enum(['gram', 'fisher'])
          .default('gram')
          .describe(
            "gram: of the squared output of the linear; fisher: of the model's cross-entropy, by the mean of its squared gradients over windows.",
          ),
      })
      .describe(
        'OBD: the weights that cost the least, each alone, go, by ½ · weight² · diagonal of a Hessian.',
      ),
  ),
  scoreMethod(
    gradient,
    z
      .strictObject({
        taylor: z
          .enum(['none', 'first', 'second'])
          .default('first')
          .describe(
            'none: |gradient|; first: |weight · gradient|; second: |weight · mean gradient − ½ · weight² · mean of the squared gradients|.',
          ),
        aggregate: z
          .enum(['window', 'set'])
          .default('window')
          .describe(
            'What stands for the gradient of none and first. window: the root mean square of those of windows; set: the mean of all, in which windows that disagree cancel.',
          ),
      })
      .describe("Gradient: the weights that the model's cross-entropy depends on least, each alone, go."),
  ),
  scoreMethod(
    gblm,
    z
      .strictObject({
        alpha: z
          .number()
          .min(0)
          .max(1e9)
          .default(100)
          .describe(
            'How much the norm of the gradient over 128 windows counts beside that of the input over 2048 tokens.',
          ),
      })
      .describe('GBLM: in every row, the smallest |weight| · (input norm + alpha · gradient) go.'),
  ),
  wandaPlusPlusMethod,
  sparseGptMethod,
  thanosMethod,
  admmMethod,
  alpsMethod,
  lossChangeMethod,
];

/** Other masks for what a method has left. */
export const refinements: readonly Method[] = [dsnotMethod];

/** Other weights for what a method has left. */
export const updates: readonly Method[] = [leastSquaresMethod, admmUpdateMethod, regionalMethod];

/** The schema of `run.yaml` with every method and allocation there is. */
export const runSchema = createRunSchema({
  methods: Object.fromEntries(methods.map(({ name, options }) => [name, options])),
  goalOptions: Object.fromEntries(
    methods.flatMap(({ name, goalOption }) => (goalOption === undefined ? [] : [[name, goalOption]])),
  ),
  allocations: Object.fromEntries(allocations.map(({ name, options }) => [name, options])),
  refinements: {
    none: z.strictObject({}).describe('The mask stays as the method chose it.'),
    ...Object.fromEntries(refinements.map(({ name, options }) => [name, options])),
  },
  updates: {
    none: z.strictObject({}).describe('The survivors keep the weights that the method gave them.'),
    ...Object.fromEntries(updates.map(({ name, options }) => [name, options])),
  },
});

export function methodByName(name: string): Method {
  return byName(methods, 'method', name);
}

export function refinementByName(name: string): Method {
  return byName(refinements, 'refinement', name);
}

export function updateByName(name: string): Method {
  return byName(updates, 'update', name);
}

function byName(list: readonly Method[], kind: string, name: string): Method {
  const found = list.find((candidate) => candidate.name === name);
  if (!found) throw new Error(`no ${kind} ${name}`);
  return found;
}
