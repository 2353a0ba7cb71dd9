/**
 * Activation functions by their names in configs.
 * @module
 */

import { shortened } from '../../checkpoint/strict-json.js';
import type { GraphBuilder } from '../../graph/graph-builder.js';
import { gelu, geluSigmoid, geluTanh, relu, silu, squaredRelu } from '../../graph/operators/activation.js';
import type { Value } from '../../graph/value.js';
import { ConfigError } from '../config-error.js';

export type Activation = (graph: GraphBuilder, x: Value) => Value;

const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  silu,
  swish: silu,
  gelu,
  gelu_python: gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_python_tanh: geluTanh,
  gelu_accurate: geluTanh,
  gelu_fast: geluTanh,
  quick_gelu: geluSigmoid,
  relu,
  relu2: squaredRelu,
};

/** @throws ConfigError for a name that isn't known */
export function activationNamed(name: string): Activation {
  const activation = Object.hasOwn(ACTIVATIONS, name) ? ACTIVATIONS[name] : undefined;
  if (activation) return activation;
  const supported = Object.keys(ACTIVATIONS).join(', ');
  throw new ConfigError(`the activation ${shortened(name)} is not supported; supported: ${supported}`);
}
