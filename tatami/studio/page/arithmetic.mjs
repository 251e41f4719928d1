// What the lessons compute, on one channel: rows of numbers in, rows of numbers out.

/** The places that a window takes along an axis: ONNX's floor rule. */
export const places = (length, { kernel, stride, pad, dilation = 1 }) =>
  Math.max(0, Math.floor((length + 2 * pad - (kernel - 1) * dilation - 1) / stride) + 1);

/** What lies under the window at a place, row by row; undefined is padding. */
export function under(picture, { kernel, stride, pad, dilation = 1 }, row, column) {
  const found = [];
  for (let u = 0; u < kernel; u += 1)
    for (let v = 0; v < kernel; v += 1)
      found.push(picture[row * stride - pad + u * dilation]?.[column * stride - pad + v * dilation]);
  return found;
}

const everywhere = (picture, window, at) =>
  Array.from({ length: places(picture.length, window) }, (_, row) =>
    Array.from({ length: places(picture[0].length, window) }, (_, column) =>
      at(under(picture, window, row, column))));

/** The sum of the products with a kernel, its rows one after another; padding is 0. */
export const convolve = (picture, weights, bias, window) =>
  everywhere(picture, window, (seen) =>
    seen.reduce((sum, value, i) => sum + (value ?? 0) * weights[i], bias));

/** The largest under the window; padding never wins. */
export const maxPool = (picture, window) =>
  everywhere(picture, window, (seen) => Math.max(...seen.filter((one) => one !== undefined)));

/** The mean under the window; padding does not count. */
export const averagePool = (picture, window) =>
  everywhere(picture, window, (seen) => {
    const there = seen.filter((one) => one !== undefined);
    return there.reduce((sum, one) => sum + one, 0) / there.length;
  });

/** A column for each place, with what lies under the window there. */
export function columns(picture, window) {
  const found = everywhere(picture, window, (seen) => seen.map((one) => one ?? 0)).flat();
  return found[0].map((_, tap) => found.map((column) => column[tap]));
}

/** A row of numbers times a matrix. */
export const product = (row, matrix) =>
  matrix[0].map((_, column) =>
    row.reduce((sum, value, i) => sum + value * matrix[i][column], 0));

/** A normalization taken into the weights and bias before it. */
export function folded(weights, bias, { gamma, beta, mean, variance, epsilon }) {
  const scale = gamma / Math.sqrt(variance + epsilon);
  return { weights: weights.map((one) => one * scale), bias: (bias - mean) * scale + beta };
}

/** A normalization by itself. */
export const normalize = (picture, { gamma, beta, mean, variance, epsilon }) =>
  picture.map((row) =>
    row.map((one) => ((one - mean) / Math.sqrt(variance + epsilon)) * gamma + beta));
