/**
 * Input groups that blocks of most families have.
 * @module
 */

/** Of q, k and v, and of what else reads the same. */
export const ATTENTION_INPUT = 'attention input';

/** Of the projection of what the heads give. */
export const ATTENTION_OUTPUT = 'attention output';

/** Of what the feed-forward network begins with. */
export const MLP_INPUT = 'mlp input';

/** Of its last linear. */
export const MLP_HIDDEN = 'mlp hidden';
