// What programs do with the official `openai` package for Node, unmodified, and what must come of it.
//
// The same as client.py: `node client.mjs CONFIG`. It prints one JSON line for every scenario: its name, and its
// error or its outputs for the test to check.

import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { once as event } from "node:events";
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const config = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
// The package lies in a folder of its own, not beside this file.
const entry = createRequire(path.join(config.packages, "package.json")).resolve("openai");
const { default: OpenAI, toFile } = await import(pathToFileURL(entry));
const errors = OpenAI;

const PROMPT = "a red balloon rising over the mountains at noon";
const VIDEO_FIELDS = [
  "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at",
  "prompt", "size", "seconds", "remixed_from_video_id", "error",
];
const { size, movie_seconds: movieSeconds } = config;
const settings = { baseURL: config.base_url, apiKey: config.key, timeout: 60_000 };
const client = new OpenAI(settings);
const withoutRetries = new OpenAI({ ...settings, maxRetries: 0 });
const picture = () => toFile(fs.readFileSync(config.image), "picture.png", { type: "image/png" });
const movie = () => toFile(fs.readFileSync(config.movie), "clip.mp4", { type: "video/mp4" });

const create = (more = {}, options = {}) =>
  client.videos.create({ prompt: PROMPT, model: "sora-2", seconds: "4", size, ...more }, options);

async function finished({ id }) {
  let video = await client.videos.retrieve(id);
  while (video.status === "queued" || video.status === "in_progress") {
    await sleep(200);
    video = await client.videos.retrieve(id);
  }
  assert.equal(video.status, "completed", JSON.stringify(video));
  assert.equal(video.progress, 100);
  assert.ok(video.created_at <= video.completed_at && video.completed_at < video.expires_at);
  return video;
}

async function download(id, query) {
  const response = await client.videos.downloadContent(id, query);
  return Buffer.from(await response.arrayBuffer());
}

// What an MP4 shows, without its metadata and its signature, which is another one each time.
function pictures(video) {
  const view = Buffer.from(video);
  for (let start = 0; start < view.length; start += view.readUInt32BE(start)) {
    const box = view.subarray(start, start + view.readUInt32BE(start));
    if (box.toString("latin1", 4, 8) === "mdat") return box;
  }
  throw new Error("the video has no pictures");
}

async function save({ id }, name, query) {
  const file = path.join(config.folder, name);
  fs.writeFileSync(file, await download(id, query));
  return file;
}

async function raises(kind, promise, status) {
  let error;
  try {
    await promise;
  } catch (caught) {
    error = caught;
  }
  assert.ok(error instanceof kind, `no ${kind.name} but ${error}`);
  assert.equal(error.status, status);
  assert.ok(error.requestID, "no x-request-id");
  for (const key of ["message", "type", "param", "code"]) assert.ok(key in error.error, `no ${key}`);
  return error;
}

async function all(pages) {
  const items = [];
  for await (const item of pages) items.push(item);
  return items;
}

const scenarios = {
  async create_and_retrieve() {
    const { data: video, response } = await create().withResponse();
    assert.ok(response.headers.get("x-request-id"));
    for (const name of VIDEO_FIELDS) assert.ok(name in video, `no ${name}`);
    assert.match(video.id, /^video_/);
    assert.deepEqual([video.object, video.model, video.seconds, video.size, video.prompt],
      ["video", "sora-2", "4", size, PROMPT]);
    const again = await client.videos.retrieve(video.id);
    assert.equal(again.created_at, video.created_at);
  },

  async poll_and_download() {
    const video = await finished(await create());
    const files = {
      video: await save(video, "video.mp4"),
      thumbnail: await save(video, "thumbnail.webp", { variant: "thumbnail" }),
      spritesheet: await save(video, "spritesheet.jpg", { variant: "spritesheet" }),
    };
    const part = await client.videos.downloadContent(video.id, {}, { headers: { Range: "bytes=4-11" } });
    assert.equal(part.status, 206);
    const whole = fs.readFileSync(files.video);
    assert.deepEqual(Buffer.from(await part.arrayBuffer()), whole.subarray(4, 12));
    return { files, seconds: 4, size };
  },

  async poll_header() {
    const { id } = await create({ steps: 40 });
    const { response } = await client.videos.retrieve(id).withResponse();
    assert.ok(Number(response.headers.get("openai-poll-after-ms")) > 0);
  },

  async create_with_image() {
    const video = await finished(await create({ input_reference: await picture() }));
    return { first_frame: await save(video, "from-image.mp4") };
  },

  async create_with_image_url() {
    const image_url = `data:image/png;base64,${fs.readFileSync(config.image).toString("base64")}`;
    const video = await finished(await create({ input_reference: { image_url } }));
    return { first_frame: await save(video, "from-url.mp4") };
  },

  async create_with_file_id() {
    const file = await client.files.create({ file: await picture(), purpose: "vision" });
    const video = await finished(await create({ input_reference: { file_id: file.id } }));
    return { first_frame: await save(video, "from-file.mp4") };
  },

  async listing() {
    const ids = [];
    for (let number = 0; number < 7; number += 1) ids.unshift((await create()).id);
    const newest = (await all(client.videos.list({ limit: 3 }))).map((video) => video.id);
    assert.deepEqual(newest.slice(0, 7), ids);
    const oldest = (await all(client.videos.list({ limit: 4, order: "asc" }))).map((video) => video.id);
    assert.deepEqual(oldest, newest.toReversed());
    const page = await client.videos.list({ limit: 3 });
    assert.deepEqual([page.has_more, page.last_id], [true, ids[2]]);
    await raises(errors.BadRequestError, withoutRetries.videos.list({ after: "video_none" }), 400);
  },

  async delete() {
    const video = await finished(await create());
    assert.deepEqual(await client.videos.delete(video.id),
      { id: video.id, object: "video.deleted", deleted: true });
    await raises(errors.NotFoundError, withoutRetries.videos.retrieve(video.id), 404);
    await raises(errors.NotFoundError, withoutRetries.videos.downloadContent(video.id), 404);
  },

  async remix() {
    const source = await finished(await create());
    const video = await client.videos.remix(source.id, { prompt: "the same in blue" });
    assert.equal(video.remixed_from_video_id, source.id);
    await finished(video);
    return { files: { video: await save(video, "remix.mp4") }, seconds: 4, size };
  },

  async edit_by_id() {
    const source = await finished(await create());
    const video = await finished(await client.videos.edit({ prompt: "in blue", video: { id: source.id } }));
    return { files: { video: await save(video, "edit.mp4") }, seconds: 4, size };
  },

  async edit_upload() {
    const video = await finished(
      await client.videos.edit({ prompt: "in blue", video: await movie(), model: "sora-2" }));
    return { files: { video: await save(video, "edit-upload.mp4") }, seconds: movieSeconds, size };
  },

  async extend_by_id() {
    const source = await finished(await create());
    const video = await finished(
      await client.videos.extend({ prompt: "it lands", seconds: "4", video: { id: source.id } }));
    assert.equal(video.seconds, "8");
    return { files: { video: await save(video, "extend.mp4") }, seconds: 8, size };
  },

  async extend_upload() {
    const body = { prompt: "it lands", seconds: "4", video: await movie(), model: "sora-2" };
    const video = await finished(await client.videos.extend(body));
    return { files: { video: await save(video, "extend-upload.mp4") }, seconds: movieSeconds + 4, size };
  },

  async characters() {
    const character = await client.videos.createCharacter({ name: "Momo", video: await movie() });
    assert.match(character.id, /^char_/);
    assert.equal((await client.videos.getCharacter(character.id)).name, "Momo");
    const body = { prompt: "Momo walks by the sea", characters: [{ id: character.id }] };
    const video = await finished(await create(body));
    await raises(errors.NotFoundError, withoutRetries.videos.getCharacter("char_none"), 404);
    return { files: { video: await save(video, "character.mp4") }, seconds: 4, size };
  },

  async seed_and_more() {
    const more = { seed: 7, negative_prompt: "rain", fps: 4 };
    const first = await finished(await create(more));
    const second = await finished(await create(more));
    assert.equal(first.seed, 7);
    assert.deepEqual(pictures(await download(first.id)), pictures(await download(second.id)));
  },

  async errors() {
    for (const [more, param] of [
      [{ prompt: "" }, "prompt"],
      [{ seconds: "many" }, "seconds"],
      [{ size: "enormous" }, "size"],
      [{ model: "sora-99" }, "model"],
    ]) {
      const error = await raises(errors.BadRequestError, withoutRetries.videos.create({ prompt: PROMPT, ...more }), 400);
      assert.equal(error.param, param);
      assert.equal(error.type, "invalid_request_error");
    }
    const unknown = new OpenAI({ ...settings, apiKey: "hinode-wrong", maxRetries: 0 });
    await raises(errors.AuthenticationError, unknown.videos.list(), 401);
    await raises(errors.NotFoundError, withoutRetries.videos.retrieve("video_none"), 404);
    const reader = new OpenAI({ ...settings, apiKey: config.read_key, maxRetries: 0 });
    await raises(errors.PermissionDeniedError, reader.videos.create({ prompt: PROMPT }), 403);
  },

  async rate_limit() {
    const slow = new OpenAI({ ...settings, apiKey: config.slow_key, maxRetries: 0 });
    for (let number = 0; number < 2; number += 1) await slow.videos.list({ limit: 1 });
    const error = await raises(errors.RateLimitError, slow.videos.list({ limit: 1 }), 429);
    assert.ok(Number(error.headers.get("retry-after")) > 0);
  },

  async models() {
    const names = (await all(client.models.list())).map((model) => model.id);
    assert.ok(names.includes("sora-2") && names.includes("sora-2-pro"));
  },

  async webhooks() {
    const deliveries = [];
    const receiver = http.createServer(async (request, response) => {
      const parts = [];
      for await (const part of request) parts.push(part);
      deliveries.push({ body: Buffer.concat(parts).toString("utf8"), headers: request.headers });
      response.writeHead(204).end();
    });
    receiver.listen(0, "127.0.0.1");
    await event(receiver, "listening");
    const until = async (count) => {
      for (let turn = 0; deliveries.length < count && turn < 300; turn += 1) await sleep(100);
      assert.ok(deliveries.length >= count, `${deliveries.length} of ${count} events arrived`);
    };
    try {
      const url = `http://127.0.0.1:${receiver.address().port}/hook`;
      const endpoint = await client.webhooks.create({ name: "mine", url, event_types: ["video.completed"] });
      const video = await finished(await create());
      await until(1);
      const [{ body, headers }] = deliveries;
      const event = await client.webhooks.unwrap(body, headers, endpoint.signing_secret);
      assert.deepEqual([event.type, event.data.id], ["video.completed", video.id]);
      const broken = body.replace("video.completed", "video.compLeted");
      await assert.rejects(client.webhooks.verifySignature(broken, headers, endpoint.signing_secret),
        OpenAI.InvalidWebhookSignatureError);
      const result = await client.webhooks.test(endpoint.id, { event_type: "video.completed" });
      assert.equal(result.status_code, 204);
      await until(2);
      assert.equal((await client.webhooks.delete(endpoint.id)).deleted, true);
    } finally {
      receiver.close();
    }
  },
};

for (const [scenario, run] of Object.entries(scenarios)) {
  const start = performance.now();
  const report = { scenario };
  try {
    report.outputs = (await run()) ?? {};
  } catch (error) {
    report.error = `${error.stack}`;
  }
  report.seconds = Math.round((performance.now() - start) / 10) / 100;
  console.log(JSON.stringify(report));
}
