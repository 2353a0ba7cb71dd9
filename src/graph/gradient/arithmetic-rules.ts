/**
 * Derivatives of element-wise operators and products.
 * @module
 */
import type { GraphBuilder } from '../graph-builder.js';
import { divide, gemm, matmul, multiply, power, scale, sign, subtract } from '../operators/arithmetic.js';
import { transpose } from '../operators/shape.js';
import type { Value } from '../value.js';
import { constantNumbers, type GradientRules, inputOf, numberAttribute, outputOf } from './gradient-rule.js';
import { sumToShape } from './sum-to-shape.js';

export const arithmeticRules: GradientRules = {
  Add(graph, node, gradient) {
    return node.inputs.map(
      ({ shape }) =>
        () =>
          sumToShape(graph, gradient, shape),
    );
  },

  Sub(graph, node, gradient) {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    return [
      () => sumToShape(graph, gradient, a.shape),
      () => scale(graph, sumToShape(graph, gradient, b.shape), -1),
    ];
  },

  Mul(graph, node, gradient) {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    return [
      () => sumToShape(graph, multiply(graph, gradient, b), a.shape),
      () => sumToShape(graph, multiply(graph, gradient, a), b.shape),
    ];
  },

  /** With y = a/b: g/b for a, −g·y/b for b. */
  Div(graph, node, gradient) {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    const share = () => divide(graph, gradient, b);
    return [
      () => sumToShape(graph, share(), a.shape),
      () => scale(graph, sumToShape(graph, multiply(graph, share(), outputOf(node)), b.shape), -1),
    ];
  },

  /** Zero almost everywhere. */
  Sign(graph, _node, gradient) {
    return [() => scale(graph, gradient, 0)];
  },

  Exp(graph, node, gradient) {
    return [() => multiply(graph, gradient, outputOf(node))];
  },

  Pow(graph, node, gradient) {
    const x = inputOf(node, 0);
    const [exponent = 0] = constantNumbers(graph, node, 1);
    return [() => multiply(graph, gradient, scale(graph, power(graph, x, exponent - 1), exponent))];
  },

  /** Nothing where x lies outside the bounds. */
  Clip(graph, node, gradient) {
    return [
      () => {
        const outside = sign(graph, subtract(graph, inputOf(node, 0), outputOf(node)));
        return subtract(graph, gradient, multiply(graph, gradient, multiply(graph, outside, outside)));
      },
    ];
  },

  MatMul(graph, node, gradient) {
    const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
    return [
      () => matmul(graph, gradient, transposeMatrices(graph, b)),
      () => matmul(graph, transposeMatrices(graph, a), gradient),
    ];
  },

  Gemm(graph, node, gradient) {
    const [a, b, c] = [inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
    const [transA, transB] = [
      numberAttribute(node, 'transA', 0) === 1,
      numberAttribute(node, 'transB', 0) === 1,
    ];
    const alpha = numberAttribute(node, 'alpha', 1);
    const rules = [
      () =>
        transA
          ? gemm(graph, b, gradient, { transposeA: transB, transposeB: true, alpha })
          : gemm(graph, gradient, b, { transposeB: !transB, alpha }),
      () =>
        transB
          ? gemm(graph, gradient, a, { transposeA: true, transposeB: transA, alpha })
          : gemm(graph, a, gradient, { transposeA: !transA, alpha }),
    ];
    return c ? [...rules, () => sumToShape(graph, gradient, c.shape)] : rules;
  },
};

/** The transposes of matrices that lie in the last two axes. */
function transposeMatrices(graph: GraphBuilder, x: Value): Value {
  const axes = [...x.shape.keys()];
  const [row = 0, column = 0] = axes.slice(-2);
  return transpose(graph, x, [...axes.slice(0, -2), column, row]);
}
