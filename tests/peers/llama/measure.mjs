// Reads and writes as many tokens as `refvlm bench --text-only`, with llama.cpp on the processor.
// node measure.mjs MODEL.gguf THREADS LENGTHS TOKENS RUNS -> JSON on the standard output
import { getLlama } from "node-llama-cpp";

const [path, threads, lengths, tokens, runs] = process.argv.slice(2);
const llama = await getLlama({ gpu: false, build: "never", maxThreads: +threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath: path });
const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
const figures = [];
for (const length of lengths.split(",").map(Number)) {
  const context = await model.createContext({
    contextSize: length + +tokens + 8, batchSize: Math.max(length, 512), threads: +threads,
  });
  const sequence = context.getSequence();
  const ids = Array.from({ length }, (_, i) => 1000 + (i * 7) % 48152);
  const [read, written] = [[], []];
  for (let run = 0; run < +runs; run++) {
    await sequence.clearHistory();
    let start = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(ids.slice(0, -1));
    // The last token of the question is read with the first that is written.
    read.push((length - 1) / (performance.now() - start));
    let count = 0;
    for await (const _ of sequence.evaluate(ids.slice(-1), { temperature: 0, yieldEogToken: true })) {
      if (count++ === 0) start = performance.now();
      if (count > +tokens) break;
    }
    written.push((count - 1) / (performance.now() - start));
  }
  figures.push({ length, read: 1e3 * median(read), written: 1e3 * median(written) });
  await context.dispose();
}
console.log(JSON.stringify(figures));
process.exit(0);
