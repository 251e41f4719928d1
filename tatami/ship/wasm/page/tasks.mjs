// What a network of each task is asked, and what its answer says: proof.c's requests as bytes.

/** A request: a letter, numbers, then a picture's sides and its pixels, three bytes each. */
function request(letter, floats, picture) {
  const { width, height, rgb } = picture;
  const bytes = new Uint8Array(1 + 4 * floats.length + 8 + rgb.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = letter.charCodeAt(0);
  floats.forEach((value, i) => view.setFloat32(1 + 4 * i, value, true));
  const at = 1 + 4 * floats.length;
  view.setInt32(at, width, true);
  view.setInt32(at + 4, height, true);
  bytes.set(rgb, at + 8);
  return bytes;
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Boxes in pixels of the picture, best first. */
export function detect(network, picture, threshold) {
  const answer = view(network.ask(request("D", [threshold], picture)));
  return Array.from({ length: answer.getInt32(0, true) }, (_, i) => {
    const [x1, y1, x2, y2, score] = [0, 1, 2, 3, 4].map((k) =>
      answer.getFloat32(4 + 24 * i + 4 * k, true),
    );
    return { x1, y1, x2, y2, score, label: answer.getInt32(24 + 24 * i, true) };
  });
}

/** The probability of every class. */
export function classify(network, picture) {
  const bytes = network.ask(request("S", [], picture));
  const answer = view(bytes);
  return Array.from({ length: bytes.length / 4 }, (_, i) => answer.getFloat32(4 * i, true));
}

/** The class of every pixel, row by row. */
export function segment(network, picture) {
  return network.ask(request("M", [], picture));
}

/** The name of the kernels in use. */
export function kernels(network) {
  return new TextDecoder().decode(network.ask(new TextEncoder().encode("K\n"))).trim();
}
