// A network that was shipped as WebAssembly. It imports nothing: requests go into its memory and
// answers are read from there. What they say stands in proof.c, which is what was compiled.
export class Network {
  /** Compile and start a module: its bytes, or what `fetch` gives. */
  static async open(source) {
    const bytes = source instanceof Response ? await source.arrayBuffer() : source;
    const { instance } = await WebAssembly.instantiate(bytes, {});
    return new Network(instance.exports);
  }

  constructor(exports) {
    this.exports = exports;
  }

  /** Answer requests (Uint8Array): a new Uint8Array, or null where one of them is bad. */
  ask(requests) {
    const place = this.exports.requests(requests.length);
    new Uint8Array(this.exports.memory.buffer, place, requests.length).set(requests);
    if (!this.exports.answer()) return null;
    const { buffer } = this.exports.memory; // it may have grown
    return new Uint8Array(buffer, this.exports.answers(), this.exports.answered()).slice();
  }
}
