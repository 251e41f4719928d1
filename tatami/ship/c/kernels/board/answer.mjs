// Answer requests by a module of WebAssembly: node answer.mjs MODULE. Each request comes on standard
// input with its length before it, four bytes, little-endian; answers go to standard output.
import { readFileSync } from "node:fs";
import process from "node:process";

import { Network } from "../../../wasm/page/network.mjs";

const network = await Network.open(readFileSync(process.argv[2]));
let unread = Buffer.alloc(0);
for await (const some of process.stdin) {
  unread = Buffer.concat([unread, some]);
  for (let end; unread.length >= 4; unread = unread.subarray(end)) {
    end = 4 + unread.readUInt32LE();
    if (unread.length < end) break;
    const answers = network.ask(unread.subarray(4, end));
    if (answers === null) process.exit(2);
    if (!process.stdout.write(answers))
      await new Promise((done) => process.stdout.once("drain", done));
  }
}
