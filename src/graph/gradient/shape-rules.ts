/**
 * Derivatives of operators that move or repeat elements.
 * @module
 */
import { dimension, expand, reshape, slice, transpose } from '../operators/shape.js';
import { constantNumbers, type GradientRules, inputOf, numberAttribute } from './gradient-rule.js';
import { sumToShape } from './sum-to-shape.js';

export const shapeRules: GradientRules = {
  Identity(_graph, _node, gradient) {
    return [() => gradient];
  },

  Reshape(graph, node, gradient) {
    return [() => reshape(graph, gradient, inputOf(node, 0).shape)];
  },

  Transpose(graph, node, gradient) {
    const permutation = node.attributes.perm?.value;
    if (!Array.isArray(permutation)) throw new Error('Transpose has no permutation');
    const inverse = permutation.map((_, axis) => permutation.indexOf(axis));
    return [() => transpose(graph, gradient, inverse)];
  },

  Slice(graph, node, gradient) {
    const bounds = [1, 2, 3].map((index) => constantNumbers(graph, node, index));
    if (node.inputs.length > 4 || bounds.some(({ length }) => length !== 1)) {
      throw new Error('Slice: only consecutive elements of one axis have a gradient');
    }
    const [start = 0, end = 0, axis = 0] = bounds.flat();
    return [() => ({ axis, start, end, gradient })];
  },

  Concat(graph, node, gradient) {
    const axis = numberAttribute(node, 'axis', 0);
    let end = 0;
    return node.inputs.map((part) => {
      const start = end;
      end += dimension(part, axis);
      const bounds = [start, end] as const;
      return () => slice(graph, gradient, axis, ...bounds);
    });
  },

  Pad(graph, node, gradient) {
    const x = inputOf(node, 0);
    const before = constantNumbers(graph, node, 1);
    return [
      () =>
        x.shape.reduce((part, size, axis) => {
          const start = before[axis] ?? 0;
          return slice(graph, part, axis, start, start + size);
        }, gradient),
    ];
  },

  Expand(graph, node, gradient) {
    return [() => sumToShape(graph, gradient, inputOf(node, 0).shape)];
  },

  GatherElements(graph, node, gradient) {
    const [x, indices] = [inputOf(node, 0), inputOf(node, 1)];
    return [
      () => {
        const zeros = expand(graph, graph.constant('zero', [], Float32Array.of(0)), x.shape);
        return graph.node('ScatterElements', [zeros, indices, gradient], x.shape, {
          axis: { kind: 'int', value: numberAttribute(node, 'axis', 0) },
          reduction: { kind: 'string', value: 'add' },
        });
      },
    ];
  },
};
