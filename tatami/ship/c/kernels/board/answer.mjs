// Answer requests.bin by a module of WebAssembly, into answers.bin: node answer.mjs MODULE
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";

import { Network } from "./network.mjs";

const network = await Network.open(readFileSync(process.argv[2]));
const answers = network.ask(readFileSync("requests.bin"));
if (answers === null) process.exit(2);
writeFileSync("answers.bin", answers);
