// What programs do with TanStack AI and its adapter for Sora, unmodified, and what must come of it.
//
// The same as client.mjs: `node tanstack.mjs CONFIG` prints one JSON line for every scenario.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

const config = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const entry = (name) => pathToFileURL(path.join(config.packages, "node_modules", name, "dist/esm/index.js"));
const { generateVideo, getVideoJobStatus } = await import(entry("@tanstack/ai"));
const { createOpenaiVideo } = await import(entry("@tanstack/ai-openai"));

const PROMPT = "a red balloon rising over the mountains at noon";
const SIZE = "1280x720"; // the adapter lets only Sora's own sizes and lengths through
const DURATION = 4;
const adapter = createOpenaiVideo("sora-2", config.key, { baseURL: config.base_url });
const debug = false; // it logs to standard output, where the reports are
const asked = { adapter, size: SIZE, duration: DURATION, debug };

async function finished(jobId) {
  let status = await getVideoJobStatus({ adapter, jobId, debug });
  while (["pending", "processing"].includes(status.status)) {
    await sleep(200);
    status = await getVideoJobStatus({ adapter, jobId, debug });
  }
  return status;
}

function save(url, name) {
  const [head, body] = url.split(",");
  assert.equal(head, "data:video/mp4;base64");
  const file = path.join(config.folder, name);
  fs.writeFileSync(file, Buffer.from(body, "base64"));
  return file;
}

const scenarios = {
  async generate() {
    const { jobId } = await generateVideo({ ...asked, prompt: PROMPT });
    const result = await finished(jobId);
    assert.equal(result.status, "completed", JSON.stringify(result));
    return { files: { video: save(result.url, "generated.mp4") }, size: SIZE, seconds: DURATION };
  },

  async image() {
    const source = { type: "data", value: fs.readFileSync(config.large_image, "base64"), mimeType: "image/png" };
    const prompt = [{ type: "text", content: PROMPT }, { type: "image", source }];
    const { jobId } = await generateVideo({ ...asked, prompt });
    const result = await finished(jobId);
    assert.equal(result.status, "completed", JSON.stringify(result));
    return { first_frame: save(result.url, "image.mp4"), size: SIZE };
  },

  async stream() {
    const options = { ...asked, prompt: PROMPT, pollingInterval: 200 };
    const kinds = new Set();
    let url = "";
    for await (const chunk of generateVideo({ ...options, stream: true })) {
      kinds.add(chunk.type);
      assert.notEqual(chunk.type, "RUN_ERROR", JSON.stringify(chunk));
      url = chunk.value?.url ?? url;
    }
    assert.ok(kinds.has("RUN_FINISHED"), [...kinds].join());
    return { files: { video: save(url, "stream.mp4") }, size: SIZE, seconds: DURATION };
  },

  async errors() {
    const unknown = await getVideoJobStatus({ adapter, jobId: "video_0", debug });
    assert.deepEqual([unknown.status, unknown.error], ["failed", "Job not found"]);
    const stranger = createOpenaiVideo("sora-2", "sk-nobody", { baseURL: config.base_url });
    await assert.rejects(generateVideo({ ...asked, adapter: stranger, prompt: PROMPT }), { status: 401 });
    await assert.rejects(generateVideo({ ...asked, prompt: "" }), { status: 400 });
  },
};

for (const [scenario, run] of Object.entries(scenarios)) {
  const report = { scenario };
  try {
    report.outputs = (await run()) ?? {};
  } catch (error) {
    report.error = `${error.stack}`;
  }
  console.log(JSON.stringify(report));
}
