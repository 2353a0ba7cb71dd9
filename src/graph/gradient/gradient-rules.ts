/**
 * The derivatives of all operators that have one.
 * @module
 */
import { activationRules } from './activation-rules.js';
import { arithmeticRules } from './arithmetic-rules.js';
import { attentionRules } from './attention-rules.js';
import type { GradientRules } from './gradient-rule.js';
import { normalizationRules } from './normalization-rules.js';
import { reduceRules } from './reduce-rules.js';
import { rotaryRules } from './rotary-rules.js';
import { routingRules } from './routing-rules.js';
import { shapeRules } from './shape-rules.js';

export const GRADIENT_RULES: GradientRules = {
  ...activationRules,
  ...arithmeticRules,
  ...attentionRules,
  ...normalizationRules,
  ...reduceRules,
  ...rotaryRules,
  ...routingRules,
  ...shapeRules,
};
